// SPDX-License-Identifier: MIT
// Device interrupts by their global system interrupt numbers, and which I/O ports user code may use.
#pragma once

#include "kernel/core/contract.hpp"

namespace pith::arch {

/// Vectors of the interrupt descriptor table: 32 to 47 are left to spurious ones of the old controllers.
inline constexpr u8 kVectorLines = 0x30;
inline constexpr u32 kInterruptLines = 160;
inline constexpr u8 kVectorTimer = 0xf0;
inline constexpr u8 kVectorIpi = 0xf1;
inline constexpr u8 kVectorError = 0xfe;
inline constexpr u8 kVectorSpurious = 0xff;
static_assert(kVectorLines + kInterruptLines <= kVectorTimer);

/// To this CPU, masked. flags: bit 0 level, bit 1 active low. unsupported: no such line.
Result<> interrupt_route(u32 line, u32 flags, u32 cpu);
/// Lines below are I/O APIC inputs, or nothing; the others are raised by messages.
u32 wired_lines();
struct Message {
    u64 address, data;
};
/// What a device writes, and where, to raise that line on that CPU (Intel SDM volume 3, 11.11: fixed, edge).
Message interrupt_message(u32 line, u32 cpu);
void interrupt_mask(u32 line);
void interrupt_unmask(u32 line);
/// Masked, and forgotten.
void interrupt_release(u32 line);

/// From now on exactly these ports are open to user code on this CPU.
void load_ports(const core::PortRange* ranges, usize count);

}  // namespace pith::arch
