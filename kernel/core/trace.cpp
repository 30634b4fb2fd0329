// SPDX-License-Identifier: MIT
// The trace rings: their memory, and what is not on a fast path.
#include "kernel/core/trace.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "arch/paging.hpp"
#include "kernel/core/cpu.hpp"

namespace pith::core {

namespace {

constexpr u64 kRecord = sizeof(abi::TraceRecord);

/// Bytes of a ring by the word "trace=MIB" of the command line.
u64 wanted_bytes(std::string_view line) {
    constexpr std::string_view kWord = "trace=";
    while (!line.starts_with(kWord)) {
        while (!line.empty() && line.front() != ' ') line.remove_prefix(1);
        if (line.empty()) return abi::kTraceDefault;
        line.remove_prefix(1);
    }
    u64 mebibytes = 0;
    for (const char digit : line.substr(kWord.size())) {
        if (digit < '0' || digit > '9' || mebibytes > abi::kTraceLargest) break;
        mebibytes = mebibytes * 10 + static_cast<u64>(digit - '0');
    }
    if (mebibytes == 0) return abi::kTraceDefault;
    return mebibytes >= abi::kTraceLargest >> 20 ? abi::kTraceLargest : std::bit_floor(mebibytes) << 20;
}

}  // namespace

constinit TraceRing::Scratch TraceRing::scratch{{.mask = kRecord - 1, .names_mask = kRecord - 1}, {}};

void TraceRing::add(TraceKind kind, u32 thread, u64 a, u64 b) { add_at(arch::ticks(), kind, thread, a, b); }

void TraceRing::add_names(u32 thread, u32 number, const u64 (&process)[2], const u64 (&name)[2]) {
    abi::TraceHeader& header = *header_;
    char* ring = reinterpret_cast<char*>(header_ + 1) + header.mask + 1;
    const u64 time = arch::ticks();
    const u32 kind = static_cast<u32>(TraceKind::process) | number << 8;
    const abi::TraceRecord records[] = {
        {time, kind, thread, process[0], process[1]},
        {time, static_cast<u32>(TraceKind::name), thread, name[0], name[1]},
    };
    u64 at = header.names_at;
    for (const abi::TraceRecord& record : records) {
        *reinterpret_cast<abi::TraceRecord*>(ring + (at & header.names_mask)) = record;
        at += kRecord;
    }
    std::atomic_ref<u64>(header.names_at).store(at, std::memory_order_release);
}

u32 TraceRing::read(u64& from, abi::TraceRecord* out, u32 capacity) const {
    const u64 records = (mask_ + 1) / kRecord;
    const auto oldest = [&](u64 next) { return next >= records ? next - records + 1 : 0; };
    u64 next = end();
    from = std::max(from, oldest(next));
    if (from >= next) return 0;
    const u64 count = std::min<u64>(next - from, capacity);
    for (u64 i = 0; i < count; i++) out[i] = records_[(from + i) & (records - 1)];
    // What the writer may have been overwriting meanwhile is dropped from the front.
    next = oldest(end());
    if (next <= from) return static_cast<u32>(count);
    const u64 lost = std::min(next - from, count);
    std::copy(out + lost, out + count, out);
    from += lost;
    return static_cast<u32>(count - lost);
}

void TraceRing::open(abi::TraceHeader& run, u64 physical, u64 ring_bytes, u32 cpu) {
    // The whole run: who maps it sees nothing of what was in this RAM before.
    for (u64 at = 0; at < run_bytes(ring_bytes); at += abi::kPageSize)
        arch::clear_page(reinterpret_cast<char*>(&run) + at);
    run.magic = abi::kTraceMagic;
    run.physical = physical;
    run.cpu = cpu;
    run.cpus = cpu_count;
    run.mask = ring_bytes - 1;
    run.names_mask = ring_bytes / abi::kTraceNamesPart - 1;
    header_ = &run;
    records_ = reinterpret_cast<abi::TraceRecord*>(&run + 1);
    mask_ = run.mask;
    at_ = 0;
}

void trace(TraceKind kind, u64 a, u64 b) {
    Cpu& cpu = this_cpu();
    cpu.trace.add(kind, cpu.area.current != nullptr ? cpu.area.current->id : 0, a, b);
}

u64 open_traces(const char* command_line) {
    const u64 wanted = wanted_bytes(command_line != nullptr ? command_line : "");
    u64 taken = 0;
    for (u32 id = 0; id < cpu_count; id++) {
        for (u64 bytes = wanted; bytes >= abi::kPageSize * abi::kTraceNamesPart; bytes /= 2) {
            const u64 pages = TraceRing::run_bytes(bytes) / abi::kPageSize;
            const u64 physical = frames::allocate_run(pages, FrameKind::reserved);
            if (physical == 0) continue;
            auto* run = static_cast<abi::TraceHeader*>(arch::physical_to_virtual(physical));
            cpus[id].trace.open(*run, physical, bytes, id);
            taken += pages;
            break;
        }
    }
    return taken;
}

}  // namespace pith::core
