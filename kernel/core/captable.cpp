// SPDX-License-Identifier: MIT
// CapTable: allocation of slots. Invariant: a slot that holds a capability has its bit set; a bit that is set
// with an empty slot belongs to a call in progress, which fills or releases it before it leaves the kernel.
#include "kernel/core/captable.hpp"

#include <bit>

#include "kernel/core/reply.hpp"

namespace pith::core {
namespace {

Slot* page_of(const Slot& slot) {
    return reinterpret_cast<Slot*>(reinterpret_cast<uintptr_t>(&slot) & ~uintptr_t{abi::kPageSize - 1});
}

u64& bitmap(Slot* page) { return page[1].page_data[0]; }

}  // namespace

CapTable& CapTable::table_of(const Slot& slot) {
    return *reinterpret_cast<CapTable*>(page_of(slot)[0].page_data[0]);
}

HandleIndex CapTable::index_of(const Slot& slot) {
    Slot* page = page_of(slot);
    return static_cast<HandleIndex>(page[2].page_data[0] * kPageSlots + static_cast<u64>(&slot - page));
}

Result<> CapTable::prepare(u64 slots) {
    if (slots > abi::kMaxSlots) return Error::invalid;
    Guard guard(lock_);
    for (u32 page = 0; page == 0 || page * u64{kPageSlots} < slots; page++) PITH_CHECK(grow(page));
    return {};
}

Result<> CapTable::grow(u32 page) {
    const u64 physical = PITH_TRY(pool->allocate_page(FrameKind::objects, pool, 0));
    auto* slots = static_cast<Slot*>(arch::physical_to_virtual(physical));
    slots[0].page_data[0] = reinterpret_cast<u64>(this);
    bitmap(slots) = page == 0 ? 1 : 0;  // handle 0 names no slot
    slots[2].page_data[0] = page;
    pages_[page].store(slots, std::memory_order_release);
    return {};
}

Result<HandleIndex> CapTable::reserve(HandleIndex wanted) {
    Guard guard(lock_);
    if (dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    if (wanted == abi::kNoHandle) return reserve_any();
    if (wanted >= abi::kMaxSlots) return Error::invalid;
    const u32 page = wanted / kPageSlots;
    if (pages_[page].load(std::memory_order_relaxed) == nullptr) PITH_CHECK(grow(page));
    u64& bits = bitmap(pages_[page].load(std::memory_order_relaxed));
    const u64 bit = u64{1} << wanted % kPageSlots;
    if ((bits & bit) != 0) return Error::occupied;
    bits |= bit;
    return wanted;
}

Result<HandleIndex> CapTable::reserve_any() {
    for (; hint_ < kPages; hint_++) {
        if (pages_[hint_].load(std::memory_order_relaxed) == nullptr) PITH_CHECK(grow(hint_));
        u64& bits = bitmap(pages_[hint_].load(std::memory_order_relaxed));
        if (bits == ~u64{0}) continue;
        const auto free = static_cast<u32>(std::countr_one(bits));
        bits |= u64{1} << free;
        return hint_ * kPageSlots + free;
    }
    return Error::no_slot;
}

void CapTable::release(Slot& slot) {
    CapTable& table = table_of(slot);
    Guard guard(table.lock_);
    const HandleIndex index = index_of(slot);
    bitmap(page_of(slot)) &= ~(u64{1} << index % kPageSlots);
    if (index / kPageSlots < table.hint_) table.hint_ = index / kPageSlots;
}

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
        pool->release_page(arch::virtual_to_physical(page));
        return true;
    }
    return false;
}

}  // namespace pith::core
