// SPDX-License-Identifier: MIT
// Boot: memory map, early memory, the kernel's page tables, the CPUs. Used before the core runs, and once more to start
// the other CPUs.
#pragma once

#include <array>
#include <span>

#include "arch/cpu.hpp"
#include "kernel/arch/x86_64/descriptors.hpp"
#include "kernel/core/contract.hpp"
#include "kernel/platform/acpi/acpi.hpp"

namespace pith::arch {

/// What the boot loader said, copied out of its memory.
struct BootInformation {
    std::array<core::PhysicalRange, 64> ram;  ///< usable, as the firmware lists it
    usize ram_count;
    core::PhysicalRange bundle;  ///< its pages
    u64 rsdp;
    char command_line[2048];
};

/// From the PVH start information.
void read_start_info(u64 start_info, BootInformation& boot);

/// memory.cpp: which RAM is free, and whole zeroed pages out of it for the rest of the boot (physical address).
void init_early_memory(const BootInformation& boot);
u64 early_allocate(u64 pages);
std::span<const core::PhysicalRange> free_memory();
u64 early_used();  ///< bytes that early_allocate gave out
const BootInformation& boot_information();
/// Device registers that the kernel keeps to itself.
std::span<const core::PhysicalRange> kernel_devices();

/// kernel_map.cpp: the kernel's half of all address spaces. Ends with them loaded on this CPU.
void init_kernel_map(const BootInformation& boot);
/// A stack in the windows, with an unmapped page below it; its top. `size`-aligned for powers of two.
u64 map_stack(u64 size);

/// Of each CPU, by index. Filled in for all CPUs at boot.
extern std::array<CpuArea*, abi::kMaxCpus> cpu_areas;

/// smp.cpp: makes the area, tables and stacks of each CPU.
void init_cpu_areas(const platform::MachineDescription& machine);
/// Wakes the other CPUs; does not wait for them.
void start_other_cpus(u32 cpus);

/// cpu.cpp: this CPU's control registers and MSRs.
void init_cpu_registers();
void enable_local_apic();
bool has_smap();

}  // namespace pith::arch
