// SPDX-License-Identifier: MIT
// The trace rings of a machine (abi/trace.hpp), read out of its memory after its end: no guest code is involved, so a
// system that crashed or hangs can be read as well.
#pragma once

#include <vector>

#include "abi/trace.hpp"

namespace pith::tools {

/// A record with the CPU that wrote it, its time in nanoseconds since boot.
struct CapturedRecord {
    u64 time;
    u32 cpu;
    abi::TraceKind kind;
    u32 number;  ///< the upper bits of TraceRecord::kind
    u32 thread;
    u64 a, b;  ///< as in TraceRecord; what is a TSC there is nanoseconds
};

struct Capture {
    u32 cpus = 0;
    u64 written = 0;                      ///< records that all CPUs have ever written
    u64 lost = 0;                         ///< of them overwritten
    u64 lost_names = 0;                   ///< the same of the ring of names
    std::vector<CapturedRecord> records;  ///< of all CPUs and of the names, by time
};

/// `memory` is a descriptor of the file that is the machine's RAM. A capture with no CPU: no kernel had begun.
Capture read_capture(int memory);

}  // namespace pith::tools
