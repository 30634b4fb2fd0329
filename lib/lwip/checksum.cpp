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

constexpr usize kBlock = 32;

#if defined(__x86_64__)
/// The carry goes from one addition to the next, also around the loop: nothing in between touches it. (No compiler makes that of the loop below.)
template <bool kCopy>
u64 sum_blocks(u8* to, const u8* from, usize blocks, u64 sum) {
    if constexpr (kCopy) {
        u64 a, b;
        asm volatile(
            "clc\n"
            "1: movq (%[from]), %[a]\n movq 8(%[from]), %[b]\n"
            "movq %[a], (%[to])\n movq %[b], 8(%[to])\n"
            "adcq %[a], %[sum]\n adcq %[b], %[sum]\n"
            "movq 16(%[from]), %[a]\n movq 24(%[from]), %[b]\n"
            "movq %[a], 16(%[to])\n movq %[b], 24(%[to])\n"
            "adcq %[a], %[sum]\n adcq %[b], %[sum]\n"
            "leaq 32(%[from]), %[from]\n leaq 32(%[to]), %[to]\n"
            "decq %[blocks]\n jnz 1b\n"
            "adcq $0, %[sum]\n"
            : [sum] "+r"(sum), [from] "+r"(from), [to] "+r"(to), [blocks] "+r"(blocks), [a] "=&r"(a),
              [b] "=&r"(b)
            :
            : "cc", "memory");
    } else {
        asm volatile(
            "clc\n"
            "1: adcq (%[from]), %[sum]\n adcq 8(%[from]), %[sum]\n"
            "adcq 16(%[from]), %[sum]\n adcq 24(%[from]), %[sum]\n"
            "leaq 32(%[from]), %[from]\n"
            "decq %[blocks]\n jnz 1b\n"
            "adcq $0, %[sum]\n"
            : [sum] "+r"(sum), [from] "+r"(from), [blocks] "+r"(blocks)
            :
            : "cc", "memory");
    }
    return sum;
}
#else
template <bool kCopy>
u64 sum_blocks(u8* to, const u8* from, usize blocks, u64 sum) {
    u64 carry = 0;
    for (usize i = 0; i < blocks * (kBlock / 8); i++) {
        const u64 word = load(from + 8 * i);
        if constexpr (kCopy) std::memcpy(to + 8 * i, &word, 8);
        sum = add(sum, word, carry);
    }
    return add(sum, 0, carry);
}
#endif

template <bool kCopy>
u64 sum_bytes(u8* to, const u8* from, usize length, u64 sum) {
    u64 carry = 0;
    const usize blocks = length / kBlock;
    if (blocks != 0) {
        sum = sum_blocks<kCopy>(to, from, blocks, sum);
        from += blocks * kBlock;
        if constexpr (kCopy) to += blocks * kBlock;
        length -= blocks * kBlock;
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
