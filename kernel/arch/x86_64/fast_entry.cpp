// SPDX-License-Identifier: MIT
// System calls of native threads, with the message in registers from the sender's `syscall` to the receiver's sysret: the
// fast paths of the core touch no word of it, so none is stored. The stub (entry.S) has put rip, rflags, rsp, rbx and
// rbp into the Frame, and comes and goes with all other registers as arguments. Calling convention preserve_none: r12
// r13 r14 r15 rdi rsi rdx rcx r8 r9 r11 rax, in this order, and nothing to save for a caller.
#include "abi/syscall.hpp"
#include "arch/cpu.hpp"
#include "kernel/core/ipc_fast.hpp"

namespace pith::arch {
namespace {

using abi::Syscall;
using core::Thread;

}  // namespace

// w4 to w7, tag, deadline (in) or badge (out), w0, the Frame, w2, w3, w1, number and handle (in) or Error (out)
#define PITH_MESSAGE                                                                                  \
    u64 w4, u64 w5, u64 w6, u64 w7, u64 tag, u64 limit, u64 w0, Frame *frame, u64 w2, u64 w3, u64 w1, \
        u64 number

/// To user mode, with these registers and the rest from the Frame.
extern "C" [[clang::preserve_none]] void exit_with_message(PITH_MESSAGE);
/// To user mode, with all registers from the Frame of the current thread.
extern "C" [[clang::preserve_none]] void exit_with_frame(PITH_MESSAGE);
/// The general path: the registers go to the Frame.
extern "C" [[clang::preserve_none]] void slow_syscall_stub(PITH_MESSAGE);

[[clang::preserve_none]] void fast_reply_recv(PITH_MESSAGE) {
    core::Cpu& cpu = core::this_cpu();
    Thread& thread = *cpu.current;
    const auto handle = static_cast<abi::HandleIndex>(number >> 32);
    core::Answer answer;
    Thread* caller = core::fast_reply_recv(cpu, thread, handle, tag, limit, w0, answer, [](Thread&) {});
    if (caller != nullptr) {
        if (answer == core::Answer::message) {
            [[clang::musttail]] return exit_with_message(w4, w5, w6, w7, tag, 0, w0, &caller->frame, w2, w3,
                                                         w1, 0);
        }
        [[clang::musttail]] return exit_with_frame(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1, number);
    }
    [[clang::musttail]] return slow_syscall_stub(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1, number);
}

[[clang::preserve_none]] void fast_call(PITH_MESSAGE) {
    core::Cpu& cpu = core::this_cpu();
    Thread& thread = *cpu.current;
    const auto handle = static_cast<abi::HandleIndex>(number >> 32);
    u64 badge;
    if (Thread* receiver = core::fast_call(cpu, thread, handle, tag, limit, badge); receiver != nullptr) {
        [[clang::musttail]] return exit_with_message(w4, w5, w6, w7, tag, badge, w0, &receiver->frame, w2, w3,
                                                     w1, 0);
    }
    [[clang::musttail]] return slow_syscall_stub(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1, number);
}

extern "C" [[clang::preserve_none]] void fast_syscall(PITH_MESSAGE) {
    switch (static_cast<Syscall>(static_cast<u8>(number))) {
        case Syscall::reply_recv:
            [[clang::musttail]] return fast_reply_recv(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1,
                                                       number);
        case Syscall::call:
            [[clang::musttail]] return fast_call(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1, number);
        case Syscall::null:
            [[clang::musttail]] return exit_with_message(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1,
                                                         0);
        default: break;
    }
    [[clang::musttail]] return slow_syscall_stub(w4, w5, w6, w7, tag, limit, w0, frame, w2, w3, w1, number);
}

}  // namespace pith::arch
