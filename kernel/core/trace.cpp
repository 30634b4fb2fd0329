// SPDX-License-Identifier: MIT
// The trace ring.
#include "kernel/core/trace.hpp"

#include "kernel/core/cpu.hpp"

namespace pith::core {

void TraceRing::add(TraceKind kind, u32 thread, u64 a, u64 b) {
    const u64 sequence = next_.load(std::memory_order_relaxed);
    records_[sequence % kRecords] = {arch::ticks(), static_cast<u32>(kind), thread, a, b};
    next_.store(sequence + 1, std::memory_order_release);
}

u32 TraceRing::read(u64& from, abi::TraceRecord* out, u32 capacity) const {
    u64 next = next_.load(std::memory_order_acquire);
    if (from + kRecords <= next) from = next - kRecords + 1;
    const u64 available = next > from ? next - from : 0;
    u32 count = available < capacity ? static_cast<u32>(available) : capacity;
    for (u32 i = 0; i < count; i++) out[i] = records_[(from + i) % kRecords];
    // What the writer may have been overwriting meanwhile is dropped from the front.
    next = next_.load(std::memory_order_acquire);
    u32 lost = 0;
    while (lost < count && from + lost + kRecords <= next) lost++;
    for (u32 i = lost; i < count; i++) out[i - lost] = out[i];
    from += lost;
    return count - lost;
}

void trace(TraceKind kind, u64 a, u64 b) {
    Cpu& cpu = this_cpu();
    cpu.trace.add(kind, cpu.current != nullptr ? cpu.current->id : 0, a, b);
}

}  // namespace pith::core
