// SPDX-License-Identifier: MIT
// The fake architecture: console, end of the machine, and what physical addresses are RAM.
#pragma once

#include "fake/machine.hpp"

namespace pith::arch {

inline void debug_write(const char* text, usize size) { fake::machine().console.append(text, size); }
inline void stop_other_cpus() {}
inline void print_cpu_state() {}
[[noreturn]] inline void exit_machine(u32 status) { fake::machine().exit(status); }
inline bool reserved_physical(u64 physical, u64 bytes) {
    const auto& m = fake::machine();
    return physical < fake::kRamBase + m.ram_size && physical + bytes > fake::kRamBase;
}

}  // namespace pith::arch
