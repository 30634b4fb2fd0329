// SPDX-License-Identifier: MIT
#include "lib/fs/window.hpp"

#include <algorithm>
#include <bit>

#include "lib/base/assert.hpp"

namespace pith {

void FsWindow::reset(u64 bytes) {
    pages_ = static_cast<u32>(std::min<u64>(bytes / kPage, kMaxPages));
    std::ranges::fill(free_, 0);
    std::ranges::fill(partial_, 0);
    std::ranges::fill(used_units_, u8{0});
    set_free(0, pages_, true);
    last_page_ = pages_ == 0 ? 0 : pages_ - 1;
}

u64 FsWindow::free_pages() const {
    u64 count = 0;
    for (const u64 word : free_) count += static_cast<u64>(std::popcount(word));
    return count;
}

Result<u64> FsWindow::take(u64 bytes) {
    if (bytes == 0 || bytes > size()) return Error::invalid;
    const u32 count = units(bytes);
    return count < kUnits ? take_units(count) : take_pages((count + kUnits - 1) / kUnits);
}

void FsWindow::give(u64 offset, u64 bytes) {
    const u32 count = units(bytes);
    const u32 page = static_cast<u32>(offset / kPage);
    if (count >= kUnits) return set_free(page, (count + kUnits - 1) / kUnits, true);
    const u32 mask = ((1u << count) - 1) << offset % kPage / kUnit;
    PITH_ASSERT((used_units_[page] & mask) == mask);
    note_units(page, used_units_[page] & ~mask);
}

/// From a page that is free or has small ones in it.
bool FsWindow::take_within(u32 page, u32 count, u64& offset) {
    u32 runs = ~u32{used_units_[page]} & 0xff;  // bit: so many units from here on are free
    for (u32 length = 1; length < count; ++length) runs &= runs >> 1;
    if (runs == 0) return false;
    const u32 first = static_cast<u32>(std::countr_zero(runs));
    free_[page / 64] &= ~(u64{1} << page % 64);
    note_units(page, used_units_[page] | ((1u << count) - 1) << first);
    last_page_ = page;
    offset = u64{page} * kPage + u64{first} * kUnit;
    return true;
}

Result<u64> FsWindow::take_units(u32 count) {
    u64 offset = 0;
    const u64 possible = free_[last_page_ / 64] | partial_[last_page_ / 64];
    if ((possible >> last_page_ % 64 & 1) != 0 && take_within(last_page_, count, offset)) return offset;
    const u32 words = (pages_ + 63) / 64;
    for (u32 word = words; word-- > 0;) {
        for (u64 left = partial_[word]; left != 0; left &= left - 1) {
            if (take_within(word * 64 + static_cast<u32>(std::countr_zero(left)), count, offset))
                return offset;
        }
    }
    for (u32 word = words; word-- > 0;) {
        if (free_[word] == 0) continue;
        take_within(word * 64 + 63 - static_cast<u32>(std::countl_zero(free_[word])), count, offset);
        return offset;
    }
    return Error::would_block;
}

Result<u64> FsWindow::take_pages(u32 count) {
    for (u32 first = next(0, true); first + count <= pages_;) {
        const u32 end = next(first, false);
        if (end - first >= count) {
            set_free(first, count, false);
            return u64{first} * kPage;
        }
        first = next(end, true);
    }
    return Error::would_block;
}

/// The first page from `page` on that is free, or not; pages_: there is none.
u32 FsWindow::next(u32 page, bool free) const {
    while (page < pages_) {
        const u64 word = (free ? free_[page / 64] : ~free_[page / 64]) >> page % 64;
        if (word != 0) return std::min(page + static_cast<u32>(std::countr_zero(word)), pages_);
        page = (page / 64 + 1) * 64;
    }
    return pages_;
}

void FsWindow::set_free(u32 first, u32 count, bool free) {
    for (u32 page = first; page < first + count;) {
        const u32 here = std::min(64 - page % 64, first + count - page);
        const u64 mask = (here == 64 ? ~u64{0} : (u64{1} << here) - 1) << page % 64;
        free_[page / 64] = free ? free_[page / 64] | mask : free_[page / 64] & ~mask;
        page += here;
    }
}

void FsWindow::note_units(u32 page, u32 used) {
    used_units_[page] = static_cast<u8>(used);
    const u64 bit = u64{1} << page % 64;
    if (used != 0 && used != 0xff) partial_[page / 64] |= bit;
    else partial_[page / 64] &= ~bit;
    if (used == 0) free_[page / 64] |= bit;
}

}  // namespace pith
