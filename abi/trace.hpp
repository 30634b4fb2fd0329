// SPDX-License-Identifier: MIT
// The trace of each CPU: a ring of records that the kernel always writes, in one run of RAM that a component may
// map (machine_trace) and that a host finds in the memory of an emulator by its magic.
//
// The run: a TraceHeader (one page), the ring of `mask` + 1 bytes, then the ring of names with `names_mask` + 1 bytes.
// Record n of a ring is at n * 32 & mask; the last one written is the one before `at`, but for those that fast paths have
// added since the CPU's last other kernel entry: they follow, and have later times. A reader takes what it wants,
// looks at `at` again, and drops what has been overwritten meanwhile.
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

/// What a record tells. "thread" is the record's; threads are named by numbers that are never used again.
enum class TraceKind : u32 {
    none,
    switch_thread,  ///< thread (0: nobody) runs from now on. a = the one before, b = its priority
    call,           ///< thread calls a, which runs at once. b = tag
    reply,          ///< thread answers a, which runs at once, and waits for messages. b = tag
    foreign,        ///< foreign thread's system call goes to a, which runs at once. b = number
    deliver_call,   ///< thread's call has reached a. b = tag
    deliver_send,   ///< thread's one-way message has reached a. b = tag
    deliver_event,  ///< thread's event has reached a. b = Event, in the low 16 bits
    deliver_reply,  ///< thread has answered a. b = tag
    resume,         ///< thread lets foreign thread a go on. b = Resume
    queue,          ///< thread waits for a receiver. b = tag, or Event
    receive,        ///< thread waits for messages
    wake,           ///< thread (0: nobody) has made a ready
    system_call,  ///< native, not on a fast path. a = number | handle << 32, b = TSC when the kernel is left; 0: not yet
    foreign_call,  ///< foreign, not on the fast path. b = number
    page_fault,    ///< a = address, b = rip
    exception,     ///< a = vector, b = rip
    interrupt,     ///< of a device, in thread. a = line
    timer,
    ipi,
    overrun,  ///< the Budget of thread is spent
    refill,   ///< a new period: thread, which had no time left, may run again
    reserve,  ///< what was lent to thread is spent: it goes on on its own
    destroy,  ///< a = ObjectType, b = handle
    end,      ///< thread is no more
    mark,     ///< trace_mark: a, b = its arguments
    process,  ///< names: 16 bytes, of what thread belongs to; bits 8..30 of `kind`: its number
    name,     ///< names: 16 bytes, of thread itself
    count,
};

struct TraceRecord {
    u64 time;    ///< TSC
    u32 kind;    ///< TraceKind in bits 0..7
    u32 thread;  ///< number of the thread that it is about
    u64 a, b;
};
static_assert(sizeof(TraceRecord) == 32);

inline constexpr u64 kTraceMagic = 0x3130'4543'5254'5450;
inline constexpr u64
    kTraceDefault = 64 * 1024;  ///< bytes of a ring, without "trace=" on the kernel's command line
inline constexpr u64 kTraceLargest = 64 << 20;   ///< bytes: "trace=N" gives each CPU N MiB, N a power of two
inline constexpr u64 kTraceNamesPart = 16;       ///< the ring of names has this part of the bytes of the ring
inline constexpr u32 kTraceForeign = 0x80'0000;  ///< bit of a process's number: of foreign threads

struct TraceHeader {
    u64 magic;
    u64 physical;  ///< address of this header
    u32 cpu;
    u32 cpus;
    u64 at;        ///< bytes of records ever written
    u64 mask;      ///< bytes of the ring - 1
    u64 names_at;  ///< the same of the ring of names
    u64 names_mask;
    u64 tsc_base, clock_base, multiplier, tsc_frequency;  ///< as in InfoPage; on CPU 0 only
    u64 reserved[501];
};
static_assert(sizeof(TraceHeader) == kPageSize);

}  // namespace pith::abi
