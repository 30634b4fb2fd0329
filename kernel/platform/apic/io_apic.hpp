// SPDX-License-Identifier: MIT
// The I/O APICs: from a global system interrupt to a vector on a CPU. A lock of its own, which is
// taken last and held for two register accesses, keeps CPUs apart.
#pragma once

#include "kernel/platform/acpi/acpi.hpp"

namespace pith::platform {

/// Maps all of them, masks every input, and turns the two old interrupt controllers off.
void init_io_apics(const MachineDescription& machine);

/// Global system interrupts that exist: 0 to this - 1.
u32 interrupt_count();

/// Programs an input, masked. False: there is no such input.
bool route_interrupt(u32 interrupt, u8 vector, u8 apic_id, bool level, bool active_low);

/// Masks or unmasks an input that has been routed.
void mask_interrupt(u32 interrupt, bool masked);

}  // namespace pith::platform
