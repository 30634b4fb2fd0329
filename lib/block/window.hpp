// SPDX-License-Identifier: MIT
// BlockWindow: which parts of a disk's window (protocol/block.hpp) are in use. Units of 4 KiB, the first run that is
// long enough; places live as long as a request, so that nothing has to be cleverer. One thread.
#pragma once

#include "abi/types.hpp"
#include "lib/base/result.hpp"

namespace pith {

class BlockWindow {
  public:
    static constexpr u64 kUnit = 4096;
    static constexpr u32 kMaxUnits = 4096;  ///< what a window has beyond that is left alone

    /// Of `bytes`, all free.
    void reset(u64 bytes);
    u32 units() const { return units_; }
    bool taken(u32 unit) const { return (words_[unit / 64] >> unit % 64 & 1) != 0; }
    /// The first of `count` units in a row. would_block: there are not so many just now; invalid: there never are.
    Result<u32> take(u32 count);
    void give(u32 first, u32 count);

  private:
    u64 words_[kMaxUnits / 64] = {};
    u32 units_ = 0;
};

}  // namespace pith
