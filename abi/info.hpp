// SPDX-License-Identifier: MIT
// Counters of the kernel, for /proc/pith/kernel: machine_info writes these to the caller's message buffer.
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

enum class MachineInfo : u32 { kernel = 0, cpu = 1, trace = 2 };

/// Selector kernel: exact counts, not estimates.
struct KernelCounts {
    u64 objects[16];       ///< live objects by ObjectType
    u64 capabilities;      ///< in all tables
    u64 slots;             ///< taken slots, in all tables: those of capabilities, and stale ones
    u64 pages_total;       ///< pages that Pools may hand out
    u64 pages_free;        ///< of them free
    u64 pages_tables;      ///< page tables
    u64 pages_objects;     ///< kernel objects
    u64 pages_memory;      ///< user frames
    u64 pages_quarantine;  ///< pinned by a device when their Pool died
    u64 mappings;          ///< mapped pages, in all Spaces
};

/// Selector cpu, a1 = CPU.
struct CpuCounts {
    u64 idle_time;       ///< nanoseconds
    u64 busy_time;       ///< nanoseconds
    u64 switches;        ///< of threads
    u64 space_switches;  ///< writes of the page table register
    u64 interrupts;
    u64 ipis;
    u64 fast_calls;  ///< calls, events and answers by a direct switch to a partner that waits
    u64 slow_calls;
    u64 longest_window;  ///< ticks: longest stretch with interrupts off
};

// Selector trace, a1 = CPU, a2 = sequence to start from: up to 16 TraceRecords (abi/trace.hpp), r0 = how many,
// r1 = first sequence.

}  // namespace pith::abi
