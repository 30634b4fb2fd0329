// SPDX-License-Identifier: MIT
// Memory: the index of frames and their release.
#include "kernel/core/memory.hpp"

#include <algorithm>
#include <bit>

#include "arch/paging.hpp"

namespace pith::core {
namespace {

u64* table_at(u64 physical) { return static_cast<u64*>(arch::physical_to_virtual(physical)); }

u64 new_index_page(Pool* pool) {
    const u64 physical = frames::allocate(FrameKind::objects, pool, 0);
    arch::clear_page(arch::physical_to_virtual(physical));
    return physical;
}

}  // namespace

/// Pages of the index.
u64 Memory::overhead() const {
    if (backing_ != Backing::paged || pages_ <= kSmall) return 0;
    const u64 leaves = (pages_ + kIndexSpan - 1) / kIndexSpan;
    return leaves > 1 ? leaves + 1 : 1;
}

Result<Memory*> Memory::create_paged(Pool& pool, u64 pages) {
    if (pages == 0 || pages > kMaxPages) return Error::invalid;
    Memory* memory = PITH_TRY(pool.create<Memory>(Backing::paged, pages, u64{0}, Cache::normal));
    if (auto charged = pool.charge(pages + memory->overhead()); !charged.ok()) {
        pool.free_object(*memory, sizeof(Memory));
        return charged.error();
    }
    return memory;
}

Result<Memory*> Memory::create_run(Pool& pool, u64 pages) {
    if (pages == 0 || pages > kMaxPages) return Error::invalid;
    PITH_CHECK(pool.charge(pages));
    const u64 base = frames::allocate_run(pages, FrameKind::memory);
    if (base == 0) {
        pool.uncharge(pages);
        return Error::no_memory;
    }
    auto made = pool.create<Memory>(Backing::run, pages, base, Cache::normal);
    if (!made.ok()) {
        frames::release_run(base, pages, FrameKind::memory);
        pool.uncharge(pages);
    }
    return made;
}

Result<Memory*> Memory::create_foreign(Pool& pool, u64 base, u64 pages, Cache cache) {
    if (pages == 0) return Error::invalid;
    return pool.create<Memory>(Backing::foreign, pages, base, cache);
}

void Memory::claim_frames(u64 first, u64 count) {
    for (u64 page = first; page < first + count; page++) {
        FrameRecord* record = frames::record(base_ + page * abi::kPageSize);
        record->kind = FrameKind::memory;
        record->owner = this;
        record->index = static_cast<u32>(page);
    }
}

void Memory::prepare_frames(u64 first, u64 count) {
    claim_frames(first, count);
    for (u64 page = first; page < first + count; page++) {
        arch::clear_page(arch::physical_to_virtual(base_ + page * abi::kPageSize));
    }
}

u64* Memory::leaf(u64 page) {
    if (pages_ <= kSmall) return &small_[page];
    if (base_ == 0) __atomic_store_n(&base_, new_index_page(pool), __ATOMIC_RELEASE);
    u64* index = table_at(base_);
    if (pages_ <= kIndexSpan) return &index[page];
    u64& entry = index[page / kIndexSpan];
    if (entry == 0) entry = new_index_page(pool);
    return &table_at(entry)[page % kIndexSpan];
}

/// The frame that the index has for the page, or a new one.
u64 Memory::indexed_frame(u64 page, bool& cleared) {
    Guard guard(lock);
    u64& entry = *leaf(page);
    if (entry == 0) {
        const u64 physical = frames::allocate(FrameKind::memory, this, static_cast<u32>(page));
        arch::clear_page(arch::physical_to_virtual(physical));
        __atomic_store_n(&entry, physical, __ATOMIC_RELEASE);
        cleared = true;
    }
    return entry;
}

bool Memory::release_step(u32 budget) {
    if (backing_ == Backing::foreign) return false;
    if (backing_ == Backing::run) {
        if (released_ == pages_) return false;
        const u64 count = std::min<u64>(budget, pages_ - released_);
        frames::release_run(base_ + released_ * abi::kPageSize, count, FrameKind::memory);
        pool->uncharge(count);
        released_ += count;
        return true;
    }
    Guard guard(lock);
    if (released_ > pages_) return false;
    u64* index = base_ == 0 ? nullptr : table_at(base_);
    if (pages_ <= kSmall) index = small_;
    for (; index != nullptr && released_ < pages_; released_++) {
        if (budget-- == 0) return true;
        u64* entries = index;
        if (pages_ > kIndexSpan) {
            u64& entry = index[released_ / kIndexSpan];
            if (entry == 0) {
                released_ |= kIndexSpan - 1;
                continue;
            }
            entries = table_at(entry);
        }
        const u64 frame = entries[released_ % kIndexSpan];
        if (frame != 0) frames::release(frame);
        if (pages_ > kIndexSpan && (released_ % kIndexSpan == kIndexSpan - 1 || released_ == pages_ - 1)) {
            frames::release(index[released_ / kIndexSpan]);
            index[released_ / kIndexSpan] = 0;
        }
    }
    if (base_ != 0) frames::release(base_);
    base_ = 0;
    released_ = pages_ + 1;
    pool->uncharge(pages_ + overhead());
    return true;
}

}  // namespace pith::core
