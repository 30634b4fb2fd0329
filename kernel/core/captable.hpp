// SPDX-License-Identifier: MIT
// CapTable: up to 16384 slots in pages of 64, from its Pool; the kernel chooses free slots by a bitmap for
// each page.
//
// Looking a slot up takes no lock. `lock` (rank 32) guards bitmaps and growth; the first slots of each page
// keep the page's table, bitmaps and number in their page_data.
#pragma once

#include "kernel/core/capability.hpp"
#include "kernel/core/pool.hpp"

namespace pith::core {

class CapTable : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::captable;
    static constexpr u32 kPageSlots = abi::kPageSize / sizeof(Slot);
    static constexpr u32 kPages = abi::kMaxSlots / kPageSlots;

    CapTable() : Object(kType) {}
    /// How many pages that many slots take.
    static u64 pages_for(u64 slots) { return slots == 0 ? 1 : (slots + kPageSlots - 1) / kPageSlots; }
    /// Takes the first `pages` pages of a new table from its Pool's quota. no_memory.
    Result<> reserve_pages(u64 pages);
    /// Makes one of them. All have to be made before anyone sees the table.
    void make_page(u32 page);

    /// The slot of that number; null: outside the table.
    Slot* slot(HandleIndex index) {
        if (index >= abi::kMaxSlots) return nullptr;
        Slot* page = pages_[index / kPageSlots].load(std::memory_order_acquire);
        return page == nullptr ? nullptr : page + index % kPageSlots;
    }

    /// The first page of slots, for good; one of empty slots if the table has none yet.
    const Slot* first_slots() const {
        const Slot* page = pages_[0].load(std::memory_order_acquire);
        return page != nullptr ? page : kNoSlots;
    }

    /// Takes a free slot: `wanted`, or any if that is kNoHandle. occupied, no_slot, no_memory, invalid.
    Result<HandleIndex> reserve(HandleIndex wanted);
    /// Gives back a reserved, empty slot.
    static void release(Slot& slot);
    /// Its capability has just been taken away by another than its owner, whose the slot stays: it is stale, or free
    /// if the owner has consumed it.
    void vacate(Slot& slot) REQUIRES(lock);
    /// The owner gives back a stale slot. bad_handle: it is not stale; restart: a call in progress on another CPU
    /// is about to fill or release it.
    static Error give_up(Slot& slot);
    /// The owner won't name it again: it does not become stale. With the object's caps_lock.
    static void consume(Slot& slot);
    static bool stale(const Slot& slot);
    /// Its number in its table.
    static HandleIndex index_of(const Slot& slot);
    static CapTable& table_of(const Slot& slot) {
        return *reinterpret_cast<CapTable*>(page_of(slot)[0].page_data[0]);
    }

    /// Destruction: empties one slot; false: all are. Then one page; false: none is left.
    bool empty_step(HandleIndex& cursor);
    bool release_step();

    SpinLock<Rank::table> lock;

  private:
    friend struct arch::Offsets;
    static const Slot kNoSlots[kPageSlots];
    static Slot* page_of(const Slot& slot) {
        return reinterpret_cast<Slot*>(reinterpret_cast<uintptr_t>(&slot) & ~uintptr_t{abi::kPageSize - 1});
    }
    [[gnu::noinline]] Result<> grow(u32 page) REQUIRES(lock);
    void add_page(u32 page, u64 physical) REQUIRES(lock);
    [[gnu::noinline]] Result<HandleIndex> reserve_one(HandleIndex wanted) REQUIRES(lock);
    [[gnu::noinline]] Result<Slot*> page_with_room() REQUIRES(lock);
    HandleIndex take_slot(u32 page, u32 number) REQUIRES(lock);
    void free_slot(Slot& slot) REQUIRES(lock);

    u64 reserved_ = 0;               ///< pages that are charged and not made yet
    u32 hint_ GUARDED_BY(lock) = 0;  ///< no free slot in the pages before
    std::atomic<Slot*> pages_[kPages] = {};
};
static_assert(sizeof(CapTable) <= abi::kPageSize);

}  // namespace pith::core
