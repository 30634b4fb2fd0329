// SPDX-License-Identifier: MIT
// What the kernel wants to know from ACPI: processors, interrupt controllers, a timer to measure the TSC with.
// Tables come from firmware and are checked (length, checksum, bounds) before they are read.
#pragma once

#include <array>

#include "abi/types.hpp"

namespace pith::platform {

struct IoApicInfo {
    u64 address;
    u32 first_interrupt;
};

/// How an ISA interrupt is really wired.
struct InterruptOverride {
    u32 interrupt;
    u8 source;
    bool level;
    bool active_low;
};

/// The machine. Without ACPI: one CPU, interrupt controllers at their usual addresses, no timer.
struct MachineDescription {
    u64 local_apic = 0xfee00000;
    std::array<u8, abi::kMaxCpus> apic_ids{};
    u32 cpus = 0;
    std::array<IoApicInfo, 8> io_apics{};
    u32 io_apic_count = 0;
    std::array<InterruptOverride, 16> overrides{};
    u32 override_count = 0;
    u64 hpet = 0;      ///< physical address; 0: none
    u16 pm_timer = 0;  ///< port; 0: none
    bool pm_timer_32 = false;
};

/// Reads the tables that hang from the root pointer (physical address; 0: none).
MachineDescription read_acpi(u64 root_pointer);

/// Looks for the root pointer where a PC BIOS puts it. 0: not there.
u64 find_acpi_root();

}  // namespace pith::platform
