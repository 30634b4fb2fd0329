// SPDX-License-Identifier: MIT
// Space: page tables, and an Attachment for each Memory that it maps. Knows nothing of the tables' format.
//
// `lock` (rank 20) guards tables and attachments. Range operations come in steps of a bounded number of
// pages; callers repeat them with preemption points. A step that took rights away has flushed this CPU; other
// CPUs that have the Space loaded (Cpu::loaded_space) are the caller's to interrupt (wait_for_cpus). A mapped
// page's frame stays its Memory's until the destruction of that has fenced all CPUs, so a late flush can
// never expose a frame with a new owner.
#pragma once

#include "abi/memory.hpp"
#include "arch/paging.hpp"
#include "kernel/core/memory.hpp"

namespace pith::core {

class Space : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::space;
    static constexpr u32 kBatch = 8;       ///< pages of a step that maps
    static constexpr u32 kClearBatch = 3;  ///< pages of a step that are cleared
    static constexpr u32 kFastBatch = 32;  ///< pages of a step that doesn't
    static constexpr usize kPortRanges = 8;

    explicit Space(bool may_jit) : Object(kType), jit(may_jit) {}
    static Result<Space*> create(Pool& pool, bool jit);

    /// Makes the tables of up to a few spans from `address`; how far it came. no_memory.
    Result<u64> reserve_step(u64 address, u64 end);
    struct Access {
        u8 rights;
        u8 maximum;
        bool replace;
    };
    struct Mapped {
        Error error;
        bool stale;  ///< mappings were replaced
        u64 pages;
    };
    /// Maps one page, or unmaps it, in the usual case: its tables are there, and its Memory is the one that was used
    /// last. False: it has done nothing.
    PITH_KEEPS_NONE bool map_page(Memory& memory, u64 address, u64 page, Access access);
    PITH_KEEPS_NONE bool unmap_page(u64 address);
    /// Maps up to kBatch of `count` pages of the Memory from `page` on, up to kClearBatch of them new ones; how many: none, if it has made tables
    /// instead. occupied, no_memory, bad_handle; busy: too many device Memories that cover the same frame are mapped here.
    Mapped map_step(Memory& memory, u64 address, u64 page, u64 count, Access access);
    struct Reached {
        u64 address;
        bool stale;
    };
    /// Unmaps within [address, end): how far it came.
    Reached unmap_step(u64 address, u64 end);
    /// no_right: a page may not have these rights.
    Result<u64> protect_step(u64 address, u64 end, u32 rights, bool& stale);
    /// Bits of pages [address, address + 64 pages) that were written since the last time.
    u64 dirty_step(u64 address, u64 end, bool& stale);
    /// Unmaps a dying Memory from here, up to kFastBatch pages: false: nothing of it is mapped any more.
    bool expel_step(Memory& memory);
    /// Destruction: lets go of one attachment; false: none is left. Then one table page.
    bool detach_step();
    bool release_step();

    struct Shared {
        u64 address;
        u64 physical;
        u32 rights;
        u32 maximum;
        Cache cache;
        Memory* memory;
    };
    /// For space_share: copies out up to kBatch mappings from `address` on; next address.
    u64 collect_step(u64 address, u64 end, std::span<Shared, kBatch> out, u32& count);
    /// Maps them here; `done`: how many, also with an error. Fewer than all where tables had to be made.
    Result<> install(std::span<const Shared> pages, u32& done);
    /// Reduces what is still mapped so to `keep` rights.
    void reduce(std::span<const Shared> pages, u32 keep, bool& stale);

    u64 mapped_pages() const { return mapped_.load(std::memory_order_relaxed); }
    u64 table_pages() const { return tables_count_.load(std::memory_order_relaxed); }
    u64 attachment_count() const { return attachment_count_.load(std::memory_order_relaxed); }

    /// On this CPU. Without the lock: the root of the tables stays what it is.
    void load() NO_THREAD_SAFETY_ANALYSIS { tables_.load(); }

    const bool jit;
    SpinLock<Rank::space> lock;
    std::atomic<u32> port_count{0};

  private:
    friend struct arch::Offsets;
    static constexpr usize kBuckets = 17;  // 0: of Memories that no frame record names
    using Attachments = List<Attachment, &Attachment::space_link>;

    Attachments& bucket(const Memory& memory) REQUIRES(lock);
    bool recent(const Memory& memory) const REQUIRES(lock) {
        return recent_ != nullptr && recent_->memory == &memory;
    }
    Attachment* find_attachment(const Memory& memory) REQUIRES(lock);
    Result<Attachment*> attach(Memory& memory) REQUIRES(lock);
    [[gnu::noinline]] Result<Attachment*> new_attachment(Memory& memory) REQUIRES(lock);
    void retire(Attachment& attachment) REQUIRES(lock);
    void empty(Attachment& attachment) REQUIRES(lock);
    void detach(Attachment& attachment) REQUIRES(lock);
    Attachment* attachment_of(const arch::Entry& entry) REQUIRES(lock);
    Result<u8> choose_mark(const Memory& memory) REQUIRES(lock);
    void expect_pages(Attachment& attachment, u64 address, u64 count) REQUIRES(lock);
    void count_mapped(i64 change) REQUIRES(lock);
    void clear_entry(arch::Entry& entry, Attachment& attachment, u64 address) REQUIRES(lock);
    arch::Entry* next_entry(u64& address, u64 end) REQUIRES(lock);
    [[gnu::noinline]] Error make_tables(u64 address) REQUIRES(lock);
    void flush(u64 address, u64 end);
    void count_tables(const TableSource& source);
    Result<> install_page(const Shared& page, TableSource& source) REQUIRES(lock);

    arch::PageTables tables_ GUARDED_BY(lock);
    Attachment* recent_ GUARDED_BY(lock) = nullptr;  // of what was mapped last: stays also without pages
    std::atomic<u64> mapped_{0};
    std::atomic<u64> tables_count_{0};
    std::atomic<u64> attachment_count_{0};
    Attachments buckets_[kBuckets] GUARDED_BY(lock);

  public:
    // Seldom used, and so at the end.
    core::PortRange ports[kPortRanges] GUARDED_BY(lock) = {};
    Reference port_users[kPortRanges];
};

}  // namespace pith::core
