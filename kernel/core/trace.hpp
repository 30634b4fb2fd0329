// SPDX-License-Identifier: MIT
// The trace ring of each CPU: what the kernel did last, for `./pith trace` and post-mortems (abi/trace.hpp has the
// format). Always on. Written by its CPU only, with interrupts off; anybody may read.
#pragma once

#include <atomic>

#include "abi/trace.hpp"
#include "arch/cpu.hpp"

namespace pith::core {

using abi::TraceKind;

class TraceRing {
  public:
    constexpr TraceRing() = default;

    /// Adds a record. `time` in ticks: what the caller has just read. The record's b, to be filled in later.
    [[gnu::always_inline]] u64& add_at(u64 time, TraceKind kind, u32 thread, u64 a, u64 b) {
        auto& place = *reinterpret_cast<abi::TraceRecord*>(reinterpret_cast<char*>(records_) + (at_ & mask_));
        place = {time, static_cast<u32>(kind), thread, a, b};
        at_ += sizeof(place);
        return place.b;
    }
    /// The same, with the time that it is.
    void add(TraceKind kind, u32 thread, u64 a = 0, u64 b = 0);
    /// Adds the names of a thread: 16 bytes each. `number` of the process, or'ed with kTraceForeign.
    void add_names(u32 thread, u32 number, const u64 (&process)[2], const u64 (&name)[2]);

    /// Readers see what there is: at the end of slow kernel entries. What a fast path has added since is behind it.
    void publish() { std::atomic_ref<u64>(header_->at).store(at_, std::memory_order_release); }
    /// Sequence of the next record.
    u64 end() const { return __atomic_load_n(&at_, __ATOMIC_ACQUIRE) / sizeof(abi::TraceRecord); }
    /// Copies up to `capacity` records from sequence `from` on, or the oldest kept; sets `from` to the first
    /// one's.
    u32 read(u64& from, abi::TraceRecord* out, u32 capacity) const;

    /// Puts the rings in a run of RAM of `bytes_of_run` bytes.
    void open(abi::TraceHeader& run, u64 physical, u64 ring_bytes, u32 cpu);
    abi::TraceHeader& header() const { return *header_; }
    /// Bytes of header and rings.
    static constexpr u64 run_bytes(u64 ring_bytes) {
        return sizeof(abi::TraceHeader) + ring_bytes + ring_bytes / abi::kTraceNamesPart;
    }

  private:
    friend struct arch::Offsets;
    /// Until there is RAM to be had, all CPUs write over this.
    struct Scratch {
        abi::TraceHeader header;
        abi::TraceRecord records[2];
    };
    static Scratch scratch;

    // Here, and not only in the header: on the page of the Cpu.
    abi::TraceRecord* records_ = scratch.records;
    u64 mask_ = sizeof(scratch.records) - 1;
    u64 at_ = 0;  ///< bytes of records ever written
    abi::TraceHeader* header_ = &scratch.header;
};

/// Adds to this CPU's ring, about the current thread.
void trace(TraceKind kind, u64 a = 0, u64 b = 0);

/// Allocates the rings of all CPUs, as large as the command line says or memory allows. The frames taken.
u64 open_traces(const char* command_line);

}  // namespace pith::core
