// SPDX-License-Identifier: MIT
// What is passed to create a Thread, and the state page of a foreign one.
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

inline constexpr u32 kPriorities = 256;

enum class ThreadKind : u8 {
    /// Makes Pith system calls; buffer is its message buffer. Its gs base is not kept: it may be 0 any time, or what another
    /// thread of its Space has left.
    native,
    foreign,  ///< every `syscall` and fault is an event to `handler`; buffer holds a ForeignState
};

/// Arguments of thread_create, in the caller's message buffer from words[0].
struct ThreadCreate {
    HandleIndex space;
    HandleIndex captable;  ///< kNoHandle for a foreign thread: it has none
    HandleIndex
        handler;         ///< Endpoint (right send): faults; foreign: system calls too. kNoHandle: faults kill
    HandleIndex buffer;  ///< Memory (read and write) of the message buffer or state page
    u64 buffer_offset;   ///< 1 KiB aligned, within the Memory
    u64 badge;           ///< of the events sent to `handler`
    HandleIndex budget;  ///< what it runs on; kNoHandle: only on what is lent to it by callers
    u8 priority;         ///< 0 lowest to 255, at most the ceiling of the Budget
    ThreadKind kind;
    u16 cpu;
    u64 buffer_address;  ///< native: the user address of its buffer, in `fs` base at start (0: none)
};
static_assert(sizeof(ThreadCreate) == 48);

/// All registers of a foreign thread, saved at each of its events. The kernel reads them at Resume::state and
/// sanitises them: rip and rsp canonical user addresses, rflags only arithmetic, direction, trap and ID bits.
struct ForeignState {
    u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 rip, rflags, fs_base, gs_base;
    u64 event;          ///< Event of the last arrival (read only)
    u64 fault_address;  ///< of a page fault
    u64 error_code;     ///< the processor's, of a fault
    u64 vector;         ///< the processor's, of a fault
    u64 reserved[104];
};
static_assert(sizeof(ForeignState) == 1024);

/// thread_info writes this to the caller's message buffer.
struct ThreadInfo {
    u64 cpu_time;  ///< nanoseconds that it ran
    u64 rip, rsp;  ///< user registers at its last kernel entry
    u32 state;     ///< ThreadState
    u16 cpu;
    u8 priority;  ///< its own; effective_priority with what is inherited
    u8 effective_priority;
    /// rax rbx rcx rdx rsi rdi rbp rsp r8..r15 (right: registers). Of a native thread that waits for a message or an answer
    /// only rbx, rbp and rsp are of its last entry, others older.
    u64 registers[16];
};

enum class ThreadState : u32 {
    inactive,
    ready,
    running,
    calling,
    sending,
    receiving,
    waiting,
    stopped,
    dead
};

/// Arguments and results of budget_create and budget_configure: in the message buffer.
struct BudgetParameters {
    u64 capacity;  ///< nanoseconds a period; equal to period: no limit
    u64 period;    ///< nanoseconds, 10 us to 1 hour
    u64 cpus;      ///< bit n: usable on CPU n
    u8 ceiling;    ///< highest priority that a thread on it may have
    u8 reserved[3];
    HandleIndex signal;  ///< notified at overrun (right notify); kNoHandle: none
    u64 signal_bits;
};
static_assert(sizeof(BudgetParameters) == 40);

/// budget_info.
struct BudgetInfo {
    u64 consumed;   ///< nanoseconds, since creation
    u64 remaining;  ///< of this period
    u64 overruns;   ///< periods in which it ran out
    u64 debt;       ///< nanoseconds that servers overran on its account
};

/// Size of the buffer that thread_fpu_read and thread_fpu_write use: chunks of 512 bytes of the XSAVE (or
/// FXSAVE) area through the message buffer.
inline constexpr usize kFpuChunk = 512;

}  // namespace pith::abi
