// SPDX-License-Identifier: MIT
// The fake architecture: 32 interrupt lines, of which 24 exist.
#pragma once

#include "fake/machine.hpp"
#include "kernel/core/contract.hpp"
#include "lib/base/result.hpp"

namespace pith::arch {

inline constexpr u32 kInterruptLines = fake::kLines;

inline Result<> interrupt_route(u32 line, u32, u32 cpu) {
    if (line >= 24) return Error::unsupported;
    fake::machine().lines[line] = {.routed = true, .masked = true, .cpu = cpu};
    return {};
}
inline void interrupt_mask(u32 line) { fake::machine().lines[line].masked = true; }
inline void interrupt_unmask(u32 line) { fake::machine().lines[line].masked = false; }
inline void interrupt_release(u32 line) { fake::machine().lines[line] = {}; }
inline void load_ports(const core::PortRange* ranges, usize count) {
    fake::machine().here().ports.assign(ranges, ranges + count);
}

}  // namespace pith::arch
