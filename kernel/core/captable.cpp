// SPDX-License-Identifier: MIT
// CapTable: allocation of slots, in three bitmaps a page. Invariants:
// - A slot that holds a capability is `taken`. A taken slot that is empty is `stale`, or belongs to a call in
//   progress, which fills or releases it before it leaves the kernel.
// - A slot is stale from when its capability is taken away (destruction, revocation) until its owner gives it up:
//   nothing else comes into a slot whose number its owner may still use.
// - A slot is `consumed` from when its owner asked for the destruction of the object until that has reached it.
//   It is released then.
#include "kernel/core/captable.hpp"

#include <bit>

#include "kernel/core/cpu.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {
namespace {

u64& taken(Slot* page) { return page[1].page_data[0]; }
u64& stale_bits(Slot* page) { return page[1].page_data[1]; }
u64& consumed(Slot* page) { return page[0].page_data[1]; }

u64 bit_of(const Slot& slot) {
    return u64{1} << reinterpret_cast<uintptr_t>(&slot) / sizeof(Slot) % CapTable::kPageSlots;
}

}  // namespace

HandleIndex CapTable::index_of(const Slot& slot) {
    Slot* page = page_of(slot);
    return static_cast<HandleIndex>(page[2].page_data[0] * kPageSlots + static_cast<u64>(&slot - page));
}

constinit const Slot CapTable::kNoSlots[kPageSlots]{};

Result<> CapTable::reserve_pages(u64 pages) {
    PITH_CHECK(pool->charge(pages));
    reserved_ = pages;
    return {};
}

void CapTable::make_page(u32 page) {
    const u64 physical = frames::allocate(FrameKind::objects, pool, 0);
    arch::clear_page(arch::physical_to_virtual(physical));
    reserved_--;
    Guard guard(lock);
    add_page(page, physical);
}

Result<> CapTable::grow(u32 page) {
    add_page(page, PITH_TRY(pool->allocate_page(FrameKind::objects, pool, 0)));
    return {};
}

void CapTable::add_page(u32 page, u64 physical) {
    auto* slots = static_cast<Slot*>(arch::physical_to_virtual(physical));
    slots[0].page_data[0] = reinterpret_cast<u64>(this);
    taken(slots) = page == 0 ? 1 : 0;  // handle 0 names no slot
    slots[2].page_data[0] = page;
    pages_[page].store(slots, std::memory_order_release);
}

Result<HandleIndex> CapTable::reserve(HandleIndex wanted) {
    Guard guard(lock);
    if (dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    if (wanted != abi::kNoHandle) [[unlikely]]
        return reserve_one(wanted);
    Slot* page = hint_ < kPages ? pages_[hint_].load(std::memory_order_relaxed) : nullptr;
    if (page == nullptr || taken(page) == ~u64{0}) [[unlikely]] { page = PITH_TRY(page_with_room()); }
    return take_slot(hint_, static_cast<u32>(std::countr_one(taken(page))));
}

Result<HandleIndex> CapTable::reserve_one(HandleIndex wanted) {
    if (wanted >= abi::kMaxSlots) return Error::invalid;
    const u32 page = wanted / kPageSlots;
    if (pages_[page].load(std::memory_order_relaxed) == nullptr) PITH_CHECK(grow(page));
    const u64 bits = taken(pages_[page].load(std::memory_order_relaxed));
    if ((bits >> wanted % kPageSlots & 1) != 0) return Error::occupied;
    return take_slot(page, wanted % kPageSlots);
}

/// The next page with a free slot, where hint_ is then.
Result<Slot*> CapTable::page_with_room() {
    for (; hint_ < kPages; hint_++) {
        if (pages_[hint_].load(std::memory_order_relaxed) == nullptr) PITH_CHECK(grow(hint_));
        Slot* page = pages_[hint_].load(std::memory_order_relaxed);
        if (taken(page) != ~u64{0}) return page;
    }
    return Error::no_slot;
}

HandleIndex CapTable::take_slot(u32 page, u32 number) {
    taken(pages_[page].load(std::memory_order_relaxed)) |= u64{1} << number;
    this_cpu().slot_count++;
    return page * kPageSlots + number;
}

void CapTable::free_slot(Slot& slot) {
    Slot* page = page_of(slot);
    const u64 others = ~bit_of(slot);
    taken(page) &= others;
    stale_bits(page) &= others;
    consumed(page) &= others;
    this_cpu().slot_count--;
    const auto number = static_cast<u32>(page[2].page_data[0]);
    if (number < hint_) hint_ = number;
}

void CapTable::release(Slot& slot) {
    CapTable& table = table_of(slot);
    Guard guard(table.lock);
    table.free_slot(slot);
}

void CapTable::vacate(Slot& slot) {
    if ((consumed(page_of(slot)) & bit_of(slot)) != 0) {
        free_slot(slot);
    } else {
        stale_bits(page_of(slot)) |= bit_of(slot);
    }
}

Error CapTable::give_up(Slot& slot) {
    CapTable& table = table_of(slot);
    Guard guard(table.lock);
    if (stale(slot)) {
        table.free_slot(slot);
        return Error::ok;
    }
    const bool empty = slot.word.load(std::memory_order_relaxed) == 0;
    return empty && (taken(page_of(slot)) & bit_of(slot)) != 0 ? Error::restart : Error::bad_handle;
}

void CapTable::consume(Slot& slot) {
    Guard guard(table_of(slot).lock);
    consumed(page_of(slot)) |= bit_of(slot);
}

bool CapTable::stale(const Slot& slot) { return (stale_bits(page_of(slot)) & bit_of(slot)) != 0; }

bool CapTable::empty_step(HandleIndex& cursor) {
    while (cursor < abi::kMaxSlots) {
        Slot* page = pages_[cursor / kPageSlots].load(std::memory_order_relaxed);
        if (page == nullptr) {
            cursor += kPageSlots;
            continue;
        }
        Slot& slot = page[cursor % kPageSlots];
        const Capability found = read_slot(slot);
        if (found.word == 0) {
            cursor++;
            if (cursor % kPageSlots == 0) return true;
            continue;
        }
        delete_step(found);
        return true;
    }
    return false;
}

bool CapTable::release_step() {
    for (auto& entry : pages_) {
        Slot* page = entry.load(std::memory_order_relaxed);
        if (page == nullptr) continue;
        entry.store(nullptr, std::memory_order_relaxed);
        const u64 unused = page[2].page_data[0] == 0 ? 1 : 0;
        this_cpu().slot_count -= std::popcount(taken(page) & ~unused);
        pool->release_page(arch::virtual_to_physical(page));
        return true;
    }
    pool->uncharge(reserved_);
    reserved_ = 0;
    return false;
}

}  // namespace pith::core
