// SPDX-License-Identifier: MIT
// Memory: a run of pages. Fixed: one physical run (device memory, the bundle, kMemoryContiguous). Paged: an
// index of frames, one or two levels. The Pool is charged for all pages at creation; a paged one takes and
// clears each frame when it is first needed, which cannot fail then.
//
// `lock` (rank 22) guards the index and the list of attachments. An Attachment says that a Space maps pages
// of a Memory; its counts are under the Space's lock, its link here under this lock.
#pragma once

#include "arch/paging.hpp"
#include "kernel/core/pool.hpp"

namespace pith::core {

class Space;

struct Attachment {
    Space* space = nullptr;
    Memory* memory = nullptr;
    u64 pages = 0;      ///< mappings
    u64 low = ~u64{0};  ///< all of them are within [low, high)
    u64 high = 0;
    u8 mark = 0;  ///< in its entries: of device Memories in this Space that overlap, no two have the same
    ListLink space_link;
    ListLink memory_link;
};

class Memory : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::memory;
    static constexpr u64 kIndexSpan = abi::kPageSize / sizeof(u64);
    static constexpr u64 kSmall = 8;  ///< pages that need no page for the index
    static constexpr u64 kMaxPages = kIndexSpan * kIndexSpan;

    enum class Backing : u8 { paged, run, foreign };  ///< foreign: a physical run that belongs to no Pool

    Memory(Backing backing, u64 pages, u64 base, Cache page_cache)
        : Object(kType), backing_(backing), cache(page_cache), pages_(pages), base_(base) {}

    /// no_memory; invalid: no pages, or more than a Memory can have.
    static Result<Memory*> create_paged(Pool& pool, u64 pages);
    /// Physically contiguous; prepare_frames has still to be called for all of its pages before anyone may see it.
    static Result<Memory*> create_run(Pool& pool, u64 pages);
    static Result<Memory*> create_foreign(Pool& pool, u64 base, u64 pages, Cache cache);

    u64 pages() const { return pages_; }
    u64 mapped() const { return mapped_.load(std::memory_order_relaxed); }
    void count_mapped(i64 change) { mapped_.fetch_add(static_cast<u64>(change), std::memory_order_relaxed); }
    bool device() const { return backing_ == Backing::foreign; }
    bool contiguous() const { return backing_ != Backing::paged; }
    /// Physical address of a page < pages().
    u64 frame(u64 page) {
        bool ignored = false;
        return frame(page, ignored);
    }
    /// The same; `cleared` is set if it is a new one.
    u64 frame(u64 page, bool& cleared) {
        const u64 known = known_frame(page);
        return known != 0 ? known : indexed_frame(page, cleared);
    }
    /// The same if it can be told without the lock, else 0.
    u64 known_frame(u64 page) const {
        PITH_ASSERT(page < pages_);
        if (backing_ != Backing::paged) return base_ + page * abi::kPageSize;
        if (pages_ <= kSmall) return __atomic_load_n(&small_[page], __ATOMIC_ACQUIRE);
        const u64 index = pages_ <= kIndexSpan ? __atomic_load_n(&base_, __ATOMIC_ACQUIRE) : 0;
        if (index == 0) return 0;
        return __atomic_load_n(static_cast<u64*>(arch::physical_to_virtual(index)) + page, __ATOMIC_ACQUIRE);
    }
    /// Pages [first, first + count) of a run become this Memory's, and are cleared.
    void prepare_frames(u64 first, u64 count);
    bool covers(u64 physical) const {
        return physical >= base_ && physical < base_ + pages_ * abi::kPageSize;
    }
    /// Of two physical runs.
    bool overlaps(const Memory& other) const {
        return base_ < other.base_ + other.pages_ * abi::kPageSize &&
               other.base_ < base_ + pages_ * abi::kPageSize;
    }
    /// Marks frames [first, first + count) of a run that is RAM as this Memory's.
    void claim_frames(u64 first, u64 count);

    /// Destruction: gives back up to `budget` frames; false: all are given back.
    bool release_step(u32 budget);

    SpinLock<Rank::memory> lock;
    List<Attachment, &Attachment::memory_link> attachments GUARDED_BY(lock);

  private:
    u64* leaf(u64 page) REQUIRES(lock);
    u64 indexed_frame(u64 page, bool& cleared);
    u64 overhead() const;

    const Backing backing_;

  public:
    const Cache cache;

  private:
    const u64 pages_;
    u64 base_;  // fixed: physical address. paged: of the index page, 0: none yet
    std::atomic<u64> mapped_{0};
    u64 small_[kSmall] = {};  // frames of a small paged one: each written once, under the lock
    u64 released_ = 0;        // destruction's progress, in pages
};

}  // namespace pith::core
