// SPDX-License-Identifier: MIT
// A domain's second-level page table (Intel VT-d 3.0, 3.7 and 9.8): what devices of one driver can reach, 4 KiB pages
// in three or four levels. A device finds memory at its physical address. What is mapped stays mapped: memory for DMA is
// never given up. What is here is tested on the host.
#pragma once

#include "servers/devices/iommu/pages.hpp"

namespace pith::devices {

inline constexpr u64 kEntryRead = 1;
inline constexpr u64 kEntryWrite = 2;
inline constexpr u64 kEntryAccess = kEntryRead | kEntryWrite;
inline constexpr u64 kEntryAddress = 0x000f'ffff'ffff'f000;

class DomainTable {
  public:
    /// `top`: a page of `pages`; `levels`: 3 or 4.
    DomainTable(TablePages& pages, u64 top, u32 levels) : pages_(pages), top_(top), levels_(levels) {}

    /// Makes the tables that mapping this range takes, and maps nothing yet. Errors: invalid: beyond what can be mapped, or
    /// not pages; no_memory.
    Result<> reserve(u64 address, u64 size);
    /// Maps a range that has been reserved, to read and to write.
    void map(u64 address, u64 size);
    /// What a device can do there: kEntryRead, kEntryWrite; 0: nothing.
    u64 access(u64 address) const;

    /// Walks all of it, and marks its pages. False: it is not as this class makes it, or maps a page that isn't
    /// `allowed(address)`.
    template <typename Allowed>
    bool check(const Allowed& allowed) {
        return pages_.mark(top_) && check_level(top_, levels_, 0, allowed);
    }

  private:
    static constexpr u32 kBitsALevel = 9;
    static u32 shift(u32 level) { return 12 + kBitsALevel * (level - 1); }
    static u32 index(u64 address, u32 level) {
        return static_cast<u32>(address >> shift(level)) & (TablePages::kPageEntries - 1);
    }
    /// The entry for a page in the last table; nullptr: there is no such table.
    u64* leaf(u64 address) const;
    Result<> make_tables(u64 address);

    // As deep as there are levels.
    template <typename Allowed>
    bool check_level(u64 table, u32 level, u64 address,
                     const Allowed& allowed) {  // NOLINT(misc-no-recursion)
        const u64* words = pages_.words(table);
        for (u64 i = 0; i < TablePages::kPageEntries; i++) {
            const u64 entry = words[i];
            if (entry == 0) continue;
            const u64 here = address | i << shift(level);
            const u64 target = entry & kEntryAddress;
            if (entry != (target | kEntryAccess)) return false;
            if (level == 1 ? target != here || !allowed(here)
                           : !pages_.mark(target) || !check_level(target, level - 1, here, allowed))
                return false;
        }
        return true;
    }

    TablePages& pages_;
    u64 top_;
    u32 levels_;
};

}  // namespace pith::devices
