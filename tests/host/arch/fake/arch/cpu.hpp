// SPDX-License-Identifier: MIT
// The fake architecture: CPUs that one host thread plays in turn. `fake::machine()` is the hardware behind them.
#pragma once

#include "arch/frame.hpp"
#include "fake/machine.hpp"
#include "kernel/core/contract.hpp"

namespace pith::arch {

struct CpuArea {
    core::Thread* current = nullptr;
};

inline core::Cpu& this_cpu() { return *fake::machine().current; }

inline void leave_frame(Frame&) {}
inline void enter_frame(const Frame&) {}

inline void send_ipi(u32 cpu) { fake::machine().cpus[cpu].ipi_pending = true; }
inline abi::Time now() { return fake::machine().now; }
inline abi::Time time_at(u64 ticks) { return ticks; }
inline void arm_timer(abi::Time at) { fake::machine().here().timer = at; }
inline void interrupt_window() { fake::machine().interrupt_window(); }
/// The CPUs take turns: to spin would be to wait for ever, and no code of the core may need to.
inline void relax() { fake::machine().fail("the kernel spins"); }
inline u64 ticks() { return fake::machine().now; }

}  // namespace pith::arch
