// SPDX-License-Identifier: MIT
// The debug console (see the header).
#include "kernel/platform/debug_console.hpp"

#include "kernel/arch/x86_64/registers.hpp"

namespace pith::platform {
namespace {

constexpr u16 kDebugPort = 0xe9;
constexpr u16 kSerialPort = 0x3f8;
constexpr u16 kLineStatus = kSerialPort + 5;
constexpr u8 kTransmitterEmpty = 0x20;

enum class Output : u8 { none, debug_port, serial };
constinit Output output = Output::none;

void write_serial(char c) {
    for (u32 tries = 0; tries < 100'000 && !(arch::in8(kLineStatus) & kTransmitterEmpty); tries++) {}
    arch::out8(kSerialPort, static_cast<u8>(c));
}

}  // namespace

void init_debug_console() {
    if (arch::in8(kDebugPort) == kDebugPort) output = Output::debug_port;
}

void debug_write(std::string_view text) {
    if (output == Output::none) return;
    for (char c : text) {
        if (output == Output::debug_port) {
            arch::out8(kDebugPort, static_cast<u8>(c));
        } else {
            if (c == '\n') write_serial('\r');
            write_serial(c);
        }
    }
}

void debug_console_panic() {
    if (output != Output::none || arch::in8(kLineStatus) == 0xff) return;
    output = Output::serial;
    arch::out8(kSerialPort + 1, 0);     // no interrupts
    arch::out8(kSerialPort + 3, 0x80);  // divisor
    arch::out8(kSerialPort, 1);         // 115200 baud
    arch::out8(kSerialPort + 1, 0);
    arch::out8(kSerialPort + 3, 3);  // 8 bits, no parity
    arch::out8(kSerialPort + 2, 7);  // queues on and empty
}

}  // namespace pith::platform
