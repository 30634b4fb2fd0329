// SPDX-License-Identifier: MIT
// Between the entry stubs and C++.
#pragma once

#include "abi/types.hpp"

namespace pith::arch {

/// What a fault in the kernel, and every entry with a stack of its own, pushes.
struct KernelRegisters {
    u64 rax, rbx, rcx, rdx, rsi, rdi, rbp;
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 vector, error_code;
    u64 rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(KernelRegisters) == 22 * 8);

inline constexpr u64 kVectorDebug = 1;
inline constexpr u64 kVectorNmi = 2;
inline constexpr u64 kVectorNoFpu = 7;
inline constexpr u64 kVectorDoubleFault = 8;
inline constexpr u64 kVectorPageFault = 14;
inline constexpr u64 kVectorMachineCheck = 18;
inline constexpr u64 kExceptions = 32;

/// Set when a CPU panics: an NMI then stops the others.
void set_stopping();

extern "C" {
/// An exception from user mode; the registers are in the current Frame. True: it is noted in the current thread as an event, to
/// be raised (raise_fault).
bool user_exception(u64 vector, u64 error_code);
/// An interrupt, from anywhere. nested: in an interrupt window.
void interrupt_dispatch(u64 vector, bool nested);
[[noreturn]] void kernel_fault(const KernelRegisters* registers);
/// NMI, double fault, machine check.
void paranoid_trap(const KernelRegisters* registers);
}

}  // namespace pith::arch
