// SPDX-License-Identifier: MIT
// The list of capabilities in a function's configuration space (PCI Local Bus 3.0, 6.7).
#pragma once

#include "abi/types.hpp"

namespace pith {

/// The offset of the first capability that is `wanted(offset)`; 0: none is. `read8(offset)` reads configuration space. A list
/// that runs in circles ends.
template <typename Read8, typename Wanted>
u32 find_pci_capability(const Read8& read8, const Wanted& wanted) {
    constexpr u32 kStatus = 0x06, kCapabilities = 0x34, kHeaderSize = 0x40;
    constexpr u8 kHasCapabilities = 1 << 4;
    constexpr int kMost = (256 - kHeaderSize) / 4;
    if ((read8(kStatus) & kHasCapabilities) == 0) return 0;
    u32 at = read8(kCapabilities) & 0xfcu;
    for (int left = kMost; left != 0 && at >= kHeaderSize; left--, at = read8(at + 1) & 0xfcu)
        if (wanted(at)) return at;
    return 0;
}

}  // namespace pith
