// SPDX-License-Identifier: MIT
// The trace ring of each CPU: what the kernel did last, for `./pith trace` and post-mortems. Written by its
// CPU only; a reader takes records whose sequence it finds unchanged after the copy.
#pragma once

#include <atomic>

#include "abi/info.hpp"

namespace pith::core {

enum class TraceKind : u32 {
    none,
    switch_thread,
    system_call,
    fault,
    interrupt,
    ipi,
    destroy,
    wake,
    overrun
};

class TraceRing {
  public:
    static constexpr u32 kRecords = 256;
    void add(TraceKind kind, u32 thread, u64 a, u64 b);
    /// Sequence of the next record.
    u64 end() const { return next_.load(std::memory_order_acquire); }
    /// Copies up to `capacity` records from sequence `from` on, or the oldest kept; sets `from` to the first
    /// one's.
    u32 read(u64& from, abi::TraceRecord* out, u32 capacity) const;

  private:
    std::atomic<u64> next_{0};
    abi::TraceRecord records_[kRecords] = {};
};

/// Adds to this CPU's ring.
void trace(TraceKind kind, u64 a = 0, u64 b = 0);

}  // namespace pith::core
