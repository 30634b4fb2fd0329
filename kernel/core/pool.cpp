// SPDX-License-Identifier: MIT
// Pool: quota arithmetic and slabs. The free slots of a slab are linked through their first two bytes; the
// record in the frame table has the head and the count. A slab that becomes empty goes back at once.
#include "kernel/core/pool.hpp"

#include <string.h>

#include <bit>

#include "arch/paging.hpp"
#include "kernel/core/cpu.hpp"

namespace pith::core {
namespace {

constexpr usize kSmallest = 64;
constexpr u16 kNoSlot = 0xffff;
constexpr int
    kJunk = 0xa5;  // builds with asserts: what memory for an object holds before its constructor has run

u32 class_of(usize size) { return static_cast<u32>(std::bit_width((size - 1) / kSmallest)); }

FrameRecord& slab_record(u32 frame) { return frames::table[frame]; }

char* slab_memory(u32 frame) {
    return static_cast<char*>(arch::physical_to_virtual(u64{frame} << abi::kPageShift));
}

u16& next_slot(char* slab, u16 slot) { return *reinterpret_cast<u16*>(slab + usize{slot} * kSmallest); }

void format_slab(u32 frame, u32 size_class) {
    char* memory = slab_memory(frame);
    const u16 step = static_cast<u16>(1u << size_class);
    const u16 units = abi::kPageSize / kSmallest;
    for (u16 slot = 0; slot < units; slot = static_cast<u16>(slot + step)) {
        next_slot(memory, slot) = slot + step < units ? static_cast<u16>(slot + step) : kNoSlot;
    }
    slab_record(frame).free_slot = 0;
    slab_record(frame).used = 0;
}

void unlink_slab(u32& head, u32 frame) {
    FrameRecord& record = slab_record(frame);
    if (record.previous != 0) {
        slab_record(record.previous).next = record.next;
    } else {
        head = record.next;
    }
    if (record.next != 0) slab_record(record.next).previous = record.previous;
    record.next = record.previous = 0;
}

void link_slab(u32& head, u32 frame) {
    FrameRecord& record = slab_record(frame);
    record.previous = 0;
    record.next = head;
    if (head != 0) slab_record(head).previous = frame;
    head = frame;
}

}  // namespace

void count_object(ObjectType type, i64 change) {
    this_cpu().object_counts[static_cast<usize>(type)] += change;
}

Result<> Pool::charge(u64 pages) {
    u64 old = pages_.load(std::memory_order_relaxed);
    do {
        const u64 limit = old >> 32;
        const u64 used = old & 0xffff'ffff;
        if (pages > limit - used) return Error::no_memory;
    } while (!pages_.compare_exchange_weak(old, old + pages, std::memory_order_relaxed));
    const u32 now_used = static_cast<u32>(old + pages);
    u32 peak = peak_.load(std::memory_order_relaxed);
    while (now_used > peak && !peak_.compare_exchange_weak(peak, now_used, std::memory_order_relaxed)) {}
    return {};
}

void Pool::uncharge(u64 pages) {
    PITH_ASSERT(used() >= pages);
    pages_.fetch_sub(pages, std::memory_order_relaxed);
}

Result<> Pool::resize(u64 new_limit) {
    if (parent == nullptr || new_limit == 0 || new_limit > kMaxPages) return Error::invalid;
    const u64 old_limit = limit();
    if (new_limit > old_limit) {
        PITH_CHECK(parent->charge(new_limit - old_limit));
        pages_.fetch_add((new_limit - old_limit) << 32, std::memory_order_relaxed);
        return {};
    }
    const u64 less = old_limit - new_limit;
    u64 old = pages_.load(std::memory_order_relaxed);
    do {
        if ((old >> 32) - (old & 0xffff'ffff) < less) return Error::busy;
    } while (!pages_.compare_exchange_weak(old, old - (less << 32), std::memory_order_relaxed));
    parent->uncharge(less);
    return {};
}

Result<Pool*> Pool::create_pool(u64 limit) {
    if (limit == 0 || limit > kMaxPages) return Error::invalid;
    PITH_CHECK(charge(limit));
    auto pool = create<Pool>(this, static_cast<u32>(limit));
    if (!pool.ok()) {
        uncharge(limit);
        return pool;
    }
    Guard guard(lock);
    children.push_back(**pool);
    return pool;
}

void Pool::close_pool(Pool& child) {
    PITH_ASSERT(child.used() == 0);
    {
        Guard guard(lock);
        if (child.sibling_link.linked()) children.remove(child);
    }
    uncharge(child.limit());
}

Result<u64> Pool::allocate_page(FrameKind kind, void* owner, u32 index) {
    PITH_CHECK(charge(1));
    const u64 physical = frames::allocate(kind, owner, index);
    arch::clear_page(arch::physical_to_virtual(physical));
    return physical;
}

void Pool::release_page(u64 physical) {
    frames::release(physical);
    uncharge(1);
}

Result<void*> Pool::allocate_bytes(usize size) {
    const u32 size_class = class_of(size);
    Guard guard(lock);
    u32& head = slabs_[size_class];
    if (head == 0) {
        PITH_CHECK(charge(1));
        const u64 physical = frames::allocate(FrameKind::objects, this, size_class);
        const u32 frame = static_cast<u32>(physical >> abi::kPageShift);
        format_slab(frame, size_class);
        link_slab(head, frame);
    }
    const u32 frame = head;
    FrameRecord& record = slab_record(frame);
    char* memory = slab_memory(frame);
    const u16 slot = record.free_slot;
    PITH_ASSERT(record.owner == this);
    PITH_ASSERT(record.kind == FrameKind::objects);
    PITH_ASSERT(slot != kNoSlot);
    record.free_slot = next_slot(memory, slot);
    record.used++;
    if (record.free_slot == kNoSlot) unlink_slab(head, frame);
    void* result = memory + usize{slot} * kSmallest;
    if constexpr (kAsserts) memset(result, kJunk, kSmallest << size_class);
    return result;
}

void Pool::release_bytes(void* memory, usize size) {
    Guard guard(lock);
    release_locked(memory, size);
}

void Pool::release_locked(void* memory, usize size) {
    const u32 size_class = class_of(size);
    const u64 physical = arch::virtual_to_physical(memory);
    const u32 frame = static_cast<u32>(physical >> abi::kPageShift);
    FrameRecord& record = slab_record(frame);
    PITH_ASSERT(record.kind == FrameKind::objects && record.owner == this && record.index == size_class);
    const bool was_full = record.free_slot == kNoSlot;
    const u16 slot = static_cast<u16>((physical & (abi::kPageSize - 1)) / kSmallest);
    next_slot(slab_memory(frame), slot) = record.free_slot;
    record.free_slot = slot;
    record.used--;
    if (record.used == 0) {
        if (!was_full) unlink_slab(slabs_[size_class], frame);
        frames::release(u64{frame} << abi::kPageShift);
        uncharge(1);
    } else if (was_full) {
        link_slab(slabs_[size_class], frame);
    }
}

bool Pool::adopt_object(Object& object, usize size) {
    Guard guard(lock);
    if (dying.load(std::memory_order_relaxed)) {
        release_locked(&object, size);
        return false;
    }
    object.pool = this;
    objects.push_back(object);
    count_objects_locked(object, 1);
    return true;
}

void Pool::count_objects_locked(const Object& object, i64 change) {
    const u64 before = object_count_.load(std::memory_order_relaxed);
    object_count_.store(before + static_cast<u64>(change), std::memory_order_relaxed);
    count_object(object.type, change);
}

void Pool::free_object(Object& object, usize size) {
    Guard guard(lock);
    ObjectList::remove(object);
    count_objects_locked(object, -1);
    release_locked(&object, size);
}

}  // namespace pith::core
