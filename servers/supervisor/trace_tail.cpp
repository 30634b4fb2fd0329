// SPDX-License-Identifier: MIT
#include "servers/supervisor/trace_tail.hpp"

#include <algorithm>

#include "abi/trace.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/start_info.hpp"

namespace pith::supervisor {

namespace {

using abi::TraceKind;
using abi::TraceRecord;

constexpr u64 kLookedAt = 1024;  // records of each ring
constexpr usize kShown = 12;
constexpr usize kMostThreads = 8;

std::string_view kind_name(TraceKind kind) {
    static constexpr std::string_view kNames[] = {"",
                                                  "runs",
                                                  "calls",
                                                  "answers",
                                                  "call",
                                                  "its call arrives",
                                                  "its message arrives",
                                                  "its event arrives",
                                                  "answers",
                                                  "resumes",
                                                  "waits in a queue",
                                                  "waits for messages",
                                                  "is woken by",
                                                  "system call",
                                                  "foreign call",
                                                  "page fault at",
                                                  "exception",
                                                  "interrupt",
                                                  "timer",
                                                  "ipi",
                                                  "overrun",
                                                  "refill",
                                                  "reserve",
                                                  "destroys",
                                                  "ends",
                                                  "mark"};
    const auto index = static_cast<usize>(kind);
    return index < std::size(kNames) ? kNames[index] : "";
}

/// One ring, of which a part is mapped at a time.
class Ring {
  public:
    Ring(const Handle<Memory>& memory, u64 offset, u64 mask, u64 at)
        : memory_(memory), offset_(offset), mask_(mask), at_(at) {}
    /// Calls `visit` with copies of the last records, newest first, until it gives false.
    template <typename Visit>
    void visit_newest(Visit visit) {
        const u64 there = std::min({at_ / sizeof(TraceRecord), (mask_ + 1) / sizeof(TraceRecord), kLookedAt});
        for (u64 n = 1; n <= there; n++) {
            const u64 place = (at_ - n * sizeof(TraceRecord)) & mask_;
            const u64 page = place & ~(abi::kPageSize - 1);
            if (!mapping_.valid() || page != page_) {
                auto mapped = Mapping::create(memory_, offset_ + page, abi::kPageSize, abi::kMapRead);
                if (!mapped.ok()) return;
                mapping_ = std::move(*mapped);
                page_ = page;
            }
            const TraceRecord record = *mapping_.as<const TraceRecord>(place - page);
            if (!visit(record)) return;
        }
    }

  private:
    const Handle<Memory>& memory_;
    u64 offset_, mask_, at_;
    u64 page_ = 0;
    Mapping mapping_;
};

struct Tail {
    u32 threads[kMostThreads];
    usize thread_count = 0;
    TraceRecord records[kShown];  ///< oldest first
    usize count = 0;

    bool of_component(u32 thread) const {
        return std::find(threads, threads + thread_count, thread) != threads + thread_count;
    }
    /// False: it is older than what is here already, and there is no room.
    bool add(const TraceRecord& record) {
        if (count == kShown && record.time <= records[0].time) return false;
        if (count == kShown) std::copy(records + 1, records + count--, records);
        TraceRecord* place = std::upper_bound(records, records + count, record,
                                              [](const auto& a, const auto& b) { return a.time < b.time; });
        std::copy_backward(place, records + count, records + count + 1);
        *place = record;
        count++;
        return true;
    }
};

/// A CPU's rings, and its header; what the kernel has written since is not seen.
struct Run {
    Owned<Memory> memory;
    abi::TraceHeader header;
};

Result<Run> open_run(const Handle<Machine>& machine, u32 cpu) {
    Run run{PITH_TRY(machine.trace(own_pool(), cpu)), {}};
    const Mapping mapping = PITH_TRY(Mapping::create(run.memory, 0, abi::kPageSize, abi::kMapRead));
    run.header = *mapping.as<const abi::TraceHeader>();
    if (run.header.magic != abi::kTraceMagic) return Error::protocol;
    return run;
}

}  // namespace

void print_trace(TextWriter& out, const Handle<Machine>& machine, u32 number, abi::Time time) {
    static Tail tail;
    tail.thread_count = tail.count = 0;
    const u32 cpus = start_info().cpus;
    // Its threads are named where they were made, which may be another CPU than theirs.
    for (u32 cpu = 0; cpu < cpus; cpu++) {
        auto run = open_run(machine, cpu);
        if (!run.ok()) continue;
        const u64 names = abi::kPageSize + run->header.mask + 1;
        Ring(run->memory, names, run->header.names_mask, run->header.names_at)
            .visit_newest([&](const TraceRecord& r) {
                const bool its = static_cast<TraceKind>(r.kind & 0xff) == TraceKind::process &&
                                 r.kind >> 8 == number;
                if (its && !tail.of_component(r.thread)) tail.threads[tail.thread_count++] = r.thread;
                return tail.thread_count < kMostThreads;
            });
    }
    for (u32 cpu = 0; cpu < cpus && tail.thread_count != 0; cpu++) {
        auto run = open_run(machine, cpu);
        if (!run.ok()) continue;
        Ring(run->memory, abi::kPageSize, run->header.mask, run->header.at)
            .visit_newest([&](const TraceRecord& r) { return !tail.of_component(r.thread) || tail.add(r); });
    }
    format_append(out, "trace: {}\n", tail.count != 0 ? "the kernel's last records of it:" : "none");
    const volatile abi::InfoPage& info = info_page();
    for (usize i = 0; i < tail.count; i++) {
        const TraceRecord& r = tail.records[i];
        // (The page's base may be newer than the record.)
        const auto ticks = static_cast<i64>(r.time - info.tsc_base);
        const auto since_base = static_cast<i64>(static_cast<__int128>(ticks) * info.multiplier >> 32);
        const i64 before = static_cast<i64>(time - info.clock_base) - since_base;
        format_append(out, "  {9} us before: {} {x} {x}\n", (before < 0 ? 0 : before) / i64{kMicrosecond},
                      kind_name(static_cast<TraceKind>(r.kind & 0xff)), r.a, r.b);
    }
}

}  // namespace pith::supervisor
