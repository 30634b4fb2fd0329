// SPDX-License-Identifier: MIT
// Segment descriptors, task state (with the I/O permission bitmap) and the interrupt descriptor table.
#pragma once

#include "arch/cpu.hpp"
#include "kernel/arch/x86_64/layout.hpp"

namespace pith::arch {

inline constexpr u32 kPortBitmapBytes = 65536 / 8 + 1;  ///< and a byte of ones behind it
inline constexpr u32 kFaultStacks = 3;                  ///< NMI, double fault, machine check

struct [[gnu::packed]] TaskState {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 bitmap_offset;  ///< beyond the limit: no ports
    u8 bitmap[kPortBitmapBytes];
};
static_assert(__builtin_offsetof(TaskState, bitmap) == 104);

/// One for each CPU, in pages of its own.
struct alignas(16) CpuTables {
    u64 gdt[8];
    TaskState task;
    u32 open_count;  ///< ranges that are open in the bitmap
    core::PortRange open[64];
};

/// Where a CPU's stacks end; each has an unmapped page below it.
struct CpuStacks {
    u64 main;
    u64 fault[kFaultStacks];
};

/// Fills in the tables of a CPU (zeroed). Any CPU may do it.
void init_tables(CpuTables& tables, const CpuStacks& stacks);

/// Makes them this CPU's own, and the interrupt descriptor table too. Does not touch gs.
void load_tables(CpuTables& tables);

/// Once: the interrupt descriptor table, which all CPUs share.
void init_interrupt_table();

}  // namespace pith::arch
