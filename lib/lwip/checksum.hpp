// SPDX-License-Identifier: MIT
// The Internet checksum (RFC 1071), eight bytes at a time: a sum of 64 bits with the carry added back, folded at the end. Words are taken in the
// machine's order, which is as good (section 2.B there): the folded sum is stored as it is.
#pragma once

#include "abi/types.hpp"

namespace pith {

/// `sum` and the bytes; they begin at an even offset of what is summed up.
u64 checksum(const void* data, usize length, u64 sum);
/// The same, and copies them.
u64 copy_and_checksum(void* to, const void* from, usize length, u64 sum);
/// That of `count` words of four bytes; for few of known number.
inline u64 checksum_words(const u8* data, u32 count) {
    u64 sum = 0;
    for (u32 i = 0; i < count; i++) {
        u32 word;
        __builtin_memcpy(&word, data + 4 * i, sizeof word);
        sum += word;
    }
    return sum;
}
/// To 16 bits, not inverted.
u16 fold_checksum(u64 sum);
/// The sum of bytes that began at an odd offset, as if it had been an even one.
inline u64 swap_checksum(u64 sum) { return __builtin_bswap16(fold_checksum(sum)); }

}  // namespace pith
