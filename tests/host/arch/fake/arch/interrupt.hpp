// SPDX-License-Identifier: MIT
// The fake architecture: 32 interrupt lines, of which 24 are wires; the others are for messages.
#pragma once

#include "fake/machine.hpp"
#include "kernel/core/contract.hpp"
#include "lib/base/result.hpp"

namespace pith::arch {

inline constexpr u32 kInterruptLines = fake::kLines;

inline u32 wired_lines() { return 24; }
struct Message {
    u64 address, data;
};
inline Message interrupt_message(u32 line, u32 cpu) {
    fake::machine().lines[line] = {.routed = true, .masked = false, .cpu = cpu};
    return {0xfee0'0000, line};
}
inline Result<> interrupt_route(u32 line, u32, u32 cpu) {
    if (line >= wired_lines()) return Error::unsupported;
    fake::machine().lines[line] = {.routed = true, .masked = true, .cpu = cpu};
    return {};
}
inline void interrupt_mask(u32 line) {
    if (line < wired_lines()) fake::machine().lines[line].masked = true;
}
inline void interrupt_unmask(u32 line) {
    if (line < wired_lines()) fake::machine().lines[line].masked = false;
}
inline void interrupt_release(u32 line) { fake::machine().lines[line] = {}; }
inline void load_ports(const core::PortRange* ranges, usize count) {
    fake::machine().here().ports.assign(ranges, ranges + count);
}

}  // namespace pith::arch
