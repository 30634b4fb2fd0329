// SPDX-License-Identifier: MIT
// The buddy allocator: the free blocks of each order in lists through the frame table. Invariant: a free
// block of order n starts at a multiple of 2^n frames, and its buddy is not a free block of the same order.
#include "kernel/core/frames.hpp"

#include <bit>

#include "arch/paging.hpp"
#include "kernel/core/cpu.hpp"

namespace pith::core::frames {

FrameRecord* table = nullptr;
u64 table_size = 0;

namespace {

constexpr u32 kOrders = 16;
constexpr u32 kExchanged = 8;  // frames between a CPU's cache and the lists at once

SpinLock<Rank::frames> lock;
u64 usable = 0;
u32 heads[kOrders] GUARDED_BY(lock);

u32 frame_number(u64 physical) { return static_cast<u32>(physical >> abi::kPageShift); }
u64 address_of(u32 frame) { return u64{frame} << abi::kPageShift; }

void push(u32 frame, u32 order) REQUIRES(lock) {
    FrameRecord& record = table[frame];
    record.kind = FrameKind::free;
    record.order = static_cast<u8>(order);
    record.owner = nullptr;
    record.previous = 0;
    record.next = heads[order];
    if (heads[order] != 0) table[heads[order]].previous = frame;
    heads[order] = frame;
}

void unlink(u32 frame) REQUIRES(lock) {
    FrameRecord& record = table[frame];
    if (record.previous != 0) {
        table[record.previous].next = record.next;
    } else {
        heads[record.order] = record.next;
    }
    if (record.next != 0) table[record.next].previous = record.previous;
    record.kind = FrameKind::reserved;
}

/// A block of that order, off the lists; 0: none.
u32 take(u32 order) REQUIRES(lock) {
    u32 found = order;
    while (found < kOrders && heads[found] == 0) found++;
    if (found >= kOrders) return 0;
    const u32 frame = heads[found];
    unlink(frame);
    while (found > order) {
        found--;
        push(frame + (1u << found), found);
    }
    return frame;
}

void give(u32 frame, u32 order) REQUIRES(lock) {
    while (order + 1 < kOrders) {
        const u32 buddy = frame ^ (1u << order);
        if (buddy >= table_size || table[buddy].kind != FrameKind::free || table[buddy].order != order) break;
        unlink(buddy);
        if (buddy < frame) frame = buddy;
        order++;
    }
    push(frame, order);
}

void give_range(u64 first, u64 end) REQUIRES(lock) {
    while (first < end) {
        u32 order = 0;
        while (order + 1 < kOrders && (first & ((u64{2} << order) - 1)) == 0 &&
               first + (u64{2} << order) <= end)
            order++;
        give(static_cast<u32>(first), order);
        first += u64{1} << order;
    }
}

void count_kind(FrameKind kind, i64 change) { this_cpu().frame_counts[static_cast<usize>(kind)] += change; }

void assign(u32 frame, FrameKind kind, void* owner, u32 index) {
    FrameRecord& record = table[frame];
    record = FrameRecord{.kind = kind, .index = index, .owner = owner};
}

void refill(FrameCache& cache) {
    Guard guard(lock);
    while (cache.count < kExchanged) {
        const u32 frame = take(0);
        if (frame == 0) break;
        table[frame].kind = FrameKind::cached;
        cache.frames[cache.count++] = frame;
    }
}

}  // namespace

void initialise(std::span<const PhysicalRange> free, const PhysicalRange& bundle) {
    u64 top = bundle.base + bundle.size;
    const PhysicalRange* largest = &free[0];
    for (const PhysicalRange& range : free) {
        if (range.base + range.size > top) top = range.base + range.size;
        if (range.size > largest->size) largest = &range;
    }
    table_size = (top + abi::kPageSize - 1) >> abi::kPageShift;
    const u64 bytes = (table_size * sizeof(FrameRecord) + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    const u64 table_base = largest->base;
    table = static_cast<FrameRecord*>(arch::physical_to_virtual(table_base));
    for (u64 offset = 0; offset < bytes; offset += abi::kPageSize) {
        arch::clear_page(reinterpret_cast<char*>(table) + offset);
    }
    Guard guard(lock);
    for (const PhysicalRange& range : free) {
        u64 first = range.base >> abi::kPageShift;
        const u64 end = (range.base + range.size) >> abi::kPageShift;
        if (range.base == table_base) first += bytes >> abi::kPageShift;
        if (first == 0) first = 1;  // frame 0 stands for none
        if (first >= end) continue;
        usable += end - first;
        give_range(first, end);
    }
}

u64 allocate(FrameKind kind, void* owner, u32 index) {
    FrameCache& cache = this_cpu().frame_cache;
    if (cache.count == 0) refill(cache);
    PITH_ASSERT(cache.count != 0);
    const u32 frame = cache.frames[--cache.count];
    assign(frame, kind, owner, index);
    count_kind(kind, 1);
    return address_of(frame);
}

u64 allocate_run(u64 count, FrameKind kind) {
    const u32 order = static_cast<u32>(std::bit_width(count - 1));
    Guard guard(lock);
    const u32 frame = order < kOrders ? take(order) : 0;
    if (frame == 0) return 0;
    give_range(frame + count, frame + (u64{1} << order));
    count_kind(kind, static_cast<i64>(count));
    return address_of(frame);
}

void release(u64 physical) {
    const u32 frame = frame_number(physical);
    PITH_ASSERT(frame < table_size && table[frame].kind >= FrameKind::table);
    count_kind(table[frame].kind, -1);
    FrameCache& cache = this_cpu().frame_cache;
    if (cache.count == kFrameCache) {
        Guard guard(lock);
        while (cache.count > kFrameCache - kExchanged) give(cache.frames[--cache.count], 0);
    }
    table[frame].kind = FrameKind::cached;
    table[frame].owner = nullptr;
    cache.frames[cache.count++] = frame;
}

void release_run(u64 physical, u64 count, FrameKind kind) {
    const u32 first = frame_number(physical);
    for (u64 i = 0; i < count; i++) {
        table[first + i].kind = FrameKind::reserved;
        table[first + i].owner = nullptr;
    }
    count_kind(kind, -static_cast<i64>(count));
    Guard guard(lock);
    give_range(first, first + count);
}

FrameRecord& record_of(const void* address) {
    return table[frame_number(arch::virtual_to_physical(address))];
}

u64 total() { return usable; }

u64 count(FrameKind kind) {
    i64 sum = 0;
    for (u32 i = 0; i < abi::kMaxCpus; i++) sum += cpus[i].frame_counts[static_cast<usize>(kind)];
    return static_cast<u64>(sum);
}

}  // namespace pith::core::frames
