// SPDX-License-Identifier: MIT
#include "lib/lwip/checksum.hpp"

#include <cstring>

#include <arch/cc.h>

namespace pith {
namespace {

u64 load(const u8* from) {
    u64 word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Adds with the carry of the addition before.
u64 add(u64 a, u64 b, u64& carry) {
    unsigned long long out = 0;
    const u64 sum = __builtin_addcll(a, b, carry, &out);
    carry = out;
    return sum;
}

template <bool kCopy>
u64 sum_bytes(u8* to, const u8* from, usize length, u64 sum) {
    u64 carry = 0;
    for (; length >= 32; length -= 32, from += 32) {
        const u64 a = load(from), b = load(from + 8), c = load(from + 16), d = load(from + 24);
        if constexpr (kCopy) {
            std::memcpy(to, &a, 8);
            std::memcpy(to + 8, &b, 8);
            std::memcpy(to + 16, &c, 8);
            std::memcpy(to + 24, &d, 8);
            to += 32;
        }
        sum = add(sum, a, carry);
        sum = add(sum, b, carry);
        sum = add(sum, c, carry);
        sum = add(sum, d, carry);
        sum = add(sum, 0, carry);  // the loop's own arithmetic would lose it
    }
    for (; length >= 8; length -= 8, from += 8) {
        const u64 a = load(from);
        if constexpr (kCopy) {
            std::memcpy(to, &a, 8);
            to += 8;
        }
        sum = add(sum, a, carry);
        sum = add(sum, 0, carry);
    }
    u64 last = 0;
    for (usize i = 0; i < length; i++) {
        last |= u64{from[i]} << (8 * i);
        if constexpr (kCopy) to[i] = from[i];
    }
    sum = add(sum, last, carry);
    sum = add(sum, 0, carry);
    return sum;
}

}  // namespace

u16 fold_checksum(u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>((sum & 0xffff) + (sum >> 16));
}

u64 checksum(const void* data, usize length, u64 sum) {
    return sum_bytes<false>(nullptr, static_cast<const u8*>(data), length, sum);
}

u64 copy_and_checksum(void* to, const void* from, usize length, u64 sum) {
    return sum_bytes<true>(static_cast<u8*>(to), static_cast<const u8*>(from), length, sum);
}

}  // namespace pith

unsigned short pith_lwip_checksum(const void* data, int length) {
    return pith::fold_checksum(pith::checksum(data, static_cast<pith::usize>(length), 0));
}
