// SPDX-License-Identifier: MIT
// FsWindow: which parts of a file system's window (protocol/fs.hpp) are in use. What is smaller than a page shares pages with its
// like, in units of Fs::kPlaceUnit; what is larger has pages in a row to itself. Small places come from the window's end, large ones from its
// beginning, so that they stay apart. A few dozen instructions for a small one. One thread.
#pragma once

#include "abi/types.hpp"
#include "lib/base/result.hpp"
#include "protocol/fs.hpp"

namespace pith {

class FsWindow {
  public:
    static constexpr u32 kUnit = Fs::kPlaceUnit;
    static constexpr u32 kPage = 4096;
    static constexpr u32 kMaxPages = 2048;  ///< what a window has beyond that is left alone

    /// Of `bytes`, all free.
    void reset(u64 bytes);
    u64 size() const { return u64{pages_} * kPage; }
    u64 free_pages() const;
    /// The offset of `bytes` in a row. would_block: there are not so many just now; invalid: there never are.
    Result<u64> take(u64 bytes);
    /// Gives back what `take` gave for as many bytes.
    void give(u64 offset, u64 bytes);

  private:
    static constexpr u32 kUnits = kPage / kUnit;
    static_assert(kUnits == 8);
    static constexpr u32 kWords = kMaxPages / 64;
    static u32 units(u64 bytes) { return static_cast<u32>((bytes + kUnit - 1) / kUnit); }
    Result<u64> take_units(u32 count);
    bool take_within(u32 page, u32 count, u64& offset);
    Result<u64> take_pages(u32 count);
    u32 next(u32 page, bool free) const;
    void set_free(u32 first, u32 count, bool free);
    void note_units(u32 page, u32 used);

    u64 free_[kWords] = {};     ///< bit: nothing of the page is in use
    u64 partial_[kWords] = {};  ///< bit: some of its units are in use, not all
    u8 used_units_[kMaxPages] = {};
    u32 pages_ = 0;
    u32 last_page_ = 0;  ///< where small ones were taken last
};

}  // namespace pith
