// SPDX-License-Identifier: MIT
// The server's own table of a program's pages: page number -> frame and state. A leaf covers 2 MiB.
#pragma once

#include <map>
#include <memory>

#include "servers/linux/frames.hpp"

namespace pith::lx {

/// One entry; 0 is an empty one. It holds a reference to its frame.
using Pte = u32;
inline constexpr Pte kPteFrame = 0x07ff'ffff;
inline constexpr Pte kPteSource = 1u << 28;    ///< the frame is the source's page, no private copy
inline constexpr Pte kPteMapped = 1u << 29;    ///< it is mapped in the kernel Space (readable)
inline constexpr Pte kPteWritable = 1u << 30;  ///< ... writable
inline constexpr Pte kPteExecute = 1u << 31;   ///< ... executable

inline constexpr u32 kLeafPages = 512;

class PageTable {
  public:
    struct Leaf {
        Pte entries[kLeafPages] = {};
        u32 used = 0;
    };

    /// The entry of a page, or null if its leaf does not exist.
    Pte* find(u64 page) {
        const u64 index = page / kLeafPages;
        if (index != cached_index_) {
            const auto at = leaves_.find(index);
            if (at == leaves_.end()) return nullptr;
            cached_index_ = index;
            cached_ = at->second.get();
        }
        return &cached_->entries[page % kLeafPages];
    }
    Pte get(u64 page) {
        const Pte* entry = find(page);
        return entry != nullptr ? *entry : 0;
    }
    /// Sets an entry; the count of present ones is kept.
    void set(u64 page, Pte value) {
        if (find(page) == nullptr) {
            if (value == 0) return;
            cached_index_ = page / kLeafPages;
            auto& leaf = leaves_[cached_index_];
            leaf = std::make_unique<Leaf>();
            cached_ = leaf.get();
        }
        Pte& entry = cached_->entries[page % kLeafPages];
        const u32 before = entry != 0, after = value != 0;
        cached_->used += after - before;
        present_ += after;
        present_ -= before;
        entry = value;
        if (cached_->used == 0) drop_leaf(page / kLeafPages);
    }
    u64 present() const { return present_; }

    /// Calls visit(page, pte) for each present entry in [first, last), in order. It may clear that entry by set.
    template <typename Visit>
    void for_each(u64 first, u64 last, Visit visit) {
        auto at = leaves_.lower_bound(first / kLeafPages);
        while (at != leaves_.end() && at->first * kLeafPages < last) {
            const u64 base = at->first * kLeafPages;
            Leaf& leaf = *at->second;
            ++at;  // the leaf may go with its last entry
            const u64 from = first > base ? first - base : 0;
            const u64 to = last - base < kLeafPages ? last - base : kLeafPages;
            u32 left = leaf.used;
            for (u64 i = from; i < to && left > 0; ++i) {
                const Pte entry = leaf.entries[i];
                if (entry == 0) continue;
                --left;
                visit(base + i, entry);
            }
        }
    }
    /// Direct access for fork: leaf by leaf.
    std::map<u64, std::unique_ptr<Leaf>>& leaves() { return leaves_; }
    void adopt_leaf(u64 index, std::unique_ptr<Leaf> leaf) {
        present_ += leaf->used;
        leaves_[index] = std::move(leaf);
    }

  private:
    void drop_leaf(u64 index) {
        leaves_.erase(index);
        cached_index_ = ~u64{0};
        cached_ = nullptr;
    }
    std::map<u64, std::unique_ptr<Leaf>> leaves_;
    u64 cached_index_ = ~u64{0};
    Leaf* cached_ = nullptr;
    u64 present_ = 0;
};

}  // namespace pith::lx
