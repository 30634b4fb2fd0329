// SPDX-License-Identifier: MIT
// Page tables of four levels, 4 KiB pages for users. The upper half of every root is the kernel's, shared and filled in at
// boot. Entry: the processor's bits, and in bits that it ignores the rights, the most they may become, and a mark. The
// processor sets `accessed` and `dirty` at any moment, so changes of a present entry are compare-and-swaps.
// Locks: the owner of the Space.
#pragma once

#include <array>
#include <atomic>

#include "abi/memory.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/registers.hpp"
#include "kernel/core/contract.hpp"

namespace pith::arch {

inline constexpr u64 kLeafSpan = kLargePage;  ///< bytes that one leaf table maps

/// Bits of an entry (Intel SDM volume 3, 4.5).
enum : u64 {
    kPagePresent = 1u << 0,
    kPageWrite = 1u << 1,
    kPageUser = 1u << 2,
    kPageWriteThrough = 1u << 3,
    kPageUncached = 1u << 4,
    kPageAccessed = 1u << 5,
    kPageDirty = 1u << 6,
    kPageLarge = 1u << 7,
    kPageGlobal = 1u << 8,
    kPageNoExecute = u64{1} << 63,
    kPageAddress = 0x000f'ffff'ffff'f000,
};

class Entry {
  public:
    static constexpr u32 kMarks = 8;
    void set(u64 physical, u32 rights, u32 maximum, core::Cache cache, u32 mark) {
        u64 bits = physical | kMapped | u64{maximum & 7} << kMaximumShift |
                   u64{mark & (kMarks - 1)} << kMarkShift;
        if (cache == core::Cache::uncached) bits |= kPageUncached | kPageWriteThrough;
        bits_.store(bits | rights_bits(rights), std::memory_order_relaxed);
    }
    void clear() { bits_.store(0, std::memory_order_relaxed); }
    void set_rights(u32 rights) {
        u64 old = bits_.load(std::memory_order_relaxed);
        while (!bits_.compare_exchange_weak(old, (old & ~kRightsBits) | rights_bits(rights),
                                            std::memory_order_relaxed)) {}
    }
    void clear_dirty() { bits_.fetch_and(~u64{kPageDirty}, std::memory_order_relaxed); }
    bool mapped() const { return (bits() & kMapped) != 0; }
    u64 physical() const { return bits() & kPageAddress; }
    u32 rights() const { return static_cast<u32>(bits() >> kRightsShift) & 7; }
    u32 maximum() const { return static_cast<u32>(bits() >> kMaximumShift) & 7; }
    u32 mark() const { return static_cast<u32>(bits() >> kMarkShift) & (kMarks - 1); }
    bool dirty() const { return (bits() & kPageDirty) != 0; }
    core::Cache cache() const { return bits() & kPageUncached ? core::Cache::uncached : core::Cache::normal; }
    u64 bits() const { return bits_.load(std::memory_order_relaxed); }

  private:
    static constexpr u32 kMaximumShift = 9;
    static constexpr u32 kRightsShift = 52;
    static constexpr u64 kMapped = u64{1} << 55;
    static constexpr u32 kMarkShift = 56;
    static constexpr u64 kRightsBits = kPagePresent | kPageWrite | kPageUser | kPageNoExecute |
                                       u64{7} << kRightsShift;

    static constexpr std::array<u64, 8> kBitsOfRights = [] {
        std::array<u64, 8> table{};
        for (u64 rights = 0; rights < table.size(); rights++) {
            u64 bits = rights << kRightsShift;
            if (rights != 0) bits |= kPagePresent | kPageUser;
            if (rights & abi::kMapWrite) bits |= kPageWrite;
            if (!(rights & abi::kMapExecute)) bits |= kPageNoExecute;
            table[rights] = bits;
        }
        return table;
    }();
    static constexpr u64 rights_bits(u32 rights) { return kBitsOfRights[rights & 7]; }
    std::atomic<u64> bits_;
};
static_assert(sizeof(Entry) == 8);

class PageTables {
  public:
    Result<> create(core::TableSource& source);
    bool created() const { return root_ != 0; }
    Result<Entry*> reserve(u64 address, core::TableSource& source);
    Entry* find(u64 address) {
        if (address / kLeafSpan != last_span_ && !look_up(address)) return nullptr;
        return &last_leaf_[address / kUserPage % kLeafEntries];
    }
    u64 next(u64 address, u64 end) const;
    bool release_one(core::TableSource& source);
    void load() const { write_cr3(root_); }

  private:
    friend struct Offsets;
    static constexpr u64 kUserPage = abi::kPageSize;
    static constexpr u64 kLeafEntries = kLeafSpan / kUserPage;
    static constexpr u64 kNoSpan = ~u64{0};

    // Keeps all registers, so that `find` costs its callers none.
    [[clang::preserve_most]] bool look_up(u64 address);

    u64 root_ = 0;  ///< physical; 0: none
    // The leaf table that was found last: it stays in place until release_one.
    u64 last_span_ = kNoSpan;
    Entry* last_leaf_ = nullptr;
};

/// The kernel's own tables: no user half. Made at boot.
extern constinit u64 kernel_root;

inline void load_kernel() { write_cr3(kernel_root); }
inline void flush_all() { write_cr3(read_cr3()); }

inline void* physical_to_virtual(u64 physical) { return reinterpret_cast<void*>(kDirectMap + physical); }
/// Of the direct map and of the kernel image.
inline u64 virtual_to_physical(const void* pointer) {
    u64 address = reinterpret_cast<u64>(pointer);
    return address >= kKernelBase ? address - kKernelBase : address - kDirectMap;
}

inline void clear_page(void* page) {
    u64 words = abi::kPageSize / 8;
    asm volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0) : "memory");
}
inline void copy_page(void* to, const void* from) {
    u64 words = abi::kPageSize / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

}  // namespace pith::arch
