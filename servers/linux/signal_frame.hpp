// SPDX-License-Identifier: MIT
// The layout of a signal frame, apart from its pushing: programs and the tests look into it.
#pragma once

#include "servers/linux/signal.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

inline constexpr i32 kAltAutoDisarm = static_cast<i32>(0x8000'0000);

/// struct sigcontext.
struct SignalContext {
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags;
    u16 cs, gs, fs, ss;
    u64 error, trap, old_mask, cr2, fpu_state, reserved[8];
};
static_assert(sizeof(SignalContext) == 256);

/// struct ucontext.
struct UserContext {
    u64 flags;
    u64 link;
    AltStack stack;
    SignalContext registers;
    SigSet mask;
};
static_assert(sizeof(UserContext) == 304);

/// struct rt_sigframe.
struct SignalFrame {
    u64 return_address;
    UserContext context;
    SigInfo info;
};
static_assert(sizeof(SignalFrame) == 440);
static_assert(sizeof(AltStack) == 24);

void fill_context(SignalContext& to, const abi::ForeignState& from);
void restore_context(abi::ForeignState& to, const SignalContext& from);

}  // namespace pith::lx
