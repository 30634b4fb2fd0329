// SPDX-License-Identifier: MIT
#include "lib/block/window.hpp"

namespace pith {

void BlockWindow::reset(u64 bytes) {
    for (u64& word : words_) word = 0;
    units_ = static_cast<u32>(bytes / kUnit < kMaxUnits ? bytes / kUnit : kMaxUnits);
}

Result<u32> BlockWindow::take(u32 count) {
    if (count == 0 || count > units_) return Error::invalid;
    u32 run = 0;
    for (u32 unit = 0; unit < units_; ++unit) {
        if (run == 0 && unit % 64 == 0 && words_[unit / 64] == ~u64{0}) {
            unit += 63;
            continue;
        }
        run = taken(unit) ? 0 : run + 1;
        if (run < count) continue;
        const u32 first = unit + 1 - count;
        for (u32 each = first; each <= unit; ++each) words_[each / 64] |= u64{1} << each % 64;
        return first;
    }
    return Error::would_block;
}

void BlockWindow::give(u32 first, u32 count) {
    for (u32 each = first; each < first + count; ++each) words_[each / 64] &= ~(u64{1} << each % 64);
}

}  // namespace pith
