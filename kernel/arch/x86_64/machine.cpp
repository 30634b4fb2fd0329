// SPDX-License-Identifier: MIT
// The debug console and the end of the machine (see arch/machine.hpp).
#include "arch/machine.hpp"

#include "kernel/arch/x86_64/registers.hpp"
#include "kernel/platform/debug_console.hpp"

namespace pith::arch {
namespace {

constexpr u16 kDebugExitPort = 0xf4;

}  // namespace

void debug_write(const char* text, usize size) { platform::debug_write({text, size}); }

void exit_machine(u32 status) {
    out32(kDebugExitPort, status);
    for (;;) asm volatile("cli; hlt");
}

}  // namespace pith::arch
