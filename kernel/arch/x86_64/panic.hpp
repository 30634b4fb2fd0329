// SPDX-License-Identifier: MIT
// What a panic prints of the processor: registers and a backtrace with names.
#pragma once

#include <string_view>

#include "kernel/arch/x86_64/trap.hpp"

namespace pith::arch {

/// A fault in the kernel: prints its registers and backtrace, then core::panic.
[[noreturn]] void panic_at(const char* text, const KernelRegisters& registers);

/// The function that an address of the kernel is in, and how far; empty if unknown.
struct Symbol {
    std::string_view name;
    u64 offset;
};
Symbol find_symbol(u64 address);

}  // namespace pith::arch
