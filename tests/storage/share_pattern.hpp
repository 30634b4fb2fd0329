// SPDX-License-Identifier: MIT
// What tests/storage/share_test and its host side (tests/system/share.sh, share_files.cpp) agree on.
#pragma once

#include "abi/types.hpp"

namespace pith::test {

inline constexpr u64 kBigSize = u64{5} << 20;
inline constexpr u32 kMany = 2000;      ///< files in the folder many
inline constexpr u32 kLoadFiles = 48;   ///< names in the folder load
inline constexpr u32 kLoadBlocks = 24;  ///< blocks of a file there, at most
inline constexpr u32 kBlock = 4096;

/// Word number `i` of content number `which`.
constexpr u64 share_word(u64 which, u64 i) {
    u64 x = (which << 40 | i) + 0x9e37'79b9'7f4a'7c15;
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11eb;
    return x ^ x >> 31;
}

/// A line of the file "expected" that the guest leaves: a file of the folder load, and the version of each of its blocks.
struct LoadFile {
    char name[16];
    u32 blocks;  ///< ~0: it isn't there
    u32 versions[kLoadBlocks];
};

}  // namespace pith::test
