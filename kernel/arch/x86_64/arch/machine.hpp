// SPDX-License-Identifier: MIT
// The machine as a whole: the debug console, its end, and what of its physical addresses is nobody's.
#pragma once

#include "abi/types.hpp"

namespace pith::arch {

void debug_write(const char* text, usize size);

/// Ends an emulator that has a debug exit; else halts this CPU for ever.
[[noreturn]] void exit_machine(u32 status);

/// Whether any of the range is RAM, or a device that the kernel keeps to itself.
bool reserved_physical(u64 physical, u64 bytes);

/// Stops the other CPUs for good (by NMI). For panic.
void stop_other_cpus();

/// Prints registers of the last kernel fault, if one led here, control registers and a backtrace. For panic.
void print_cpu_state();

}  // namespace pith::arch
