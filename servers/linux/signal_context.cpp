// SPDX-License-Identifier: MIT
// Registers between a thread's state page and a signal frame.
#include "servers/linux/signal_frame.hpp"

namespace pith::lx {

namespace {

constexpr u64 kUserFlags = 0x24'0dd5;  ///< what sigreturn may set: ID, AC, DF, OF, TF, arithmetic

}  // namespace

void fill_context(SignalContext& to, const abi::ForeignState& from) {
    to.r8 = from.r8, to.r9 = from.r9, to.r10 = from.r10, to.r11 = from.r11;
    to.r12 = from.r12, to.r13 = from.r13, to.r14 = from.r14, to.r15 = from.r15;
    to.rdi = from.rdi, to.rsi = from.rsi, to.rbp = from.rbp, to.rbx = from.rbx;
    to.rdx = from.rdx, to.rax = from.rax, to.rcx = from.rcx, to.rsp = from.rsp;
    to.rip = from.rip, to.flags = from.rflags;
    to.cs = 0x33, to.ss = 0x2b;
    to.error = from.error_code, to.trap = from.vector, to.cr2 = from.fault_address;
}

void restore_context(abi::ForeignState& to, const SignalContext& from) {
    to.r8 = from.r8, to.r9 = from.r9, to.r10 = from.r10, to.r11 = from.r11;
    to.r12 = from.r12, to.r13 = from.r13, to.r14 = from.r14, to.r15 = from.r15;
    to.rdi = from.rdi, to.rsi = from.rsi, to.rbp = from.rbp, to.rbx = from.rbx;
    to.rdx = from.rdx, to.rax = from.rax, to.rcx = from.rcx, to.rsp = from.rsp;
    to.rip = from.rip;
    to.rflags = (to.rflags & ~kUserFlags) | (from.flags & kUserFlags);
}

}  // namespace pith::lx
