// SPDX-License-Identifier: MIT
// The kernel half of every address space, and numbers that the assembler files share with C++.
//   0xffff'8000'0000'0000  direct map: all RAM, writable and not executable, but the kernel's code (read only)
//   0xffff'ffff'8000'0000  the kernel image, linked at its physical address + this
//   0xffff'ffff'c000'0000  windows: device registers, per-CPU stacks with guard pages between them
#pragma once

// clang-format off
#define PITH_KERNEL_BASE   0xffffffff80000000
#define PITH_KERNEL_LOAD   0x200000
#define PITH_DIRECT_MAP    0xffff800000000000
#define PITH_WINDOWS       0xffffffffc0000000

// Segment selectors: syscall wants kernel data after kernel code, sysret wants user data, then user code.
#define PITH_KERNEL_CODE   0x08
#define PITH_KERNEL_DATA   0x10
#define PITH_USER_DATA     0x1b
#define PITH_USER_CODE     0x23
#define PITH_TSS           0x28

// Where a core::Thread has its Frame.
#define PITH_THREAD_FRAME  128
// clang-format on

#ifndef __ASSEMBLER__
#include "abi/types.hpp"

namespace pith::arch {

inline constexpr u64 kKernelBase = PITH_KERNEL_BASE;
inline constexpr u64 kKernelLoad = PITH_KERNEL_LOAD;
inline constexpr u64 kDirectMap = PITH_DIRECT_MAP;
inline constexpr u64 kWindows = PITH_WINDOWS;

/// Size of a CPU's kernel stack, and of its stacks for NMI, double fault and machine check.
inline constexpr u64 kStackSize = 16 * 1024;
inline constexpr u64 kFaultStackSize = 8 * 1024;

inline constexpr u64 kLargePage = u64{2} << 20;
inline constexpr u64 kHugePage = u64{1} << 30;

}  // namespace pith::arch
#endif
