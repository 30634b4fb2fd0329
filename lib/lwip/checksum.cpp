// SPDX-License-Identifier: MIT
#include "lib/lwip/checksum.hpp"

#include <cstring>

#include <arch/cc.h>

namespace pith {
namespace {

/// Adds with the carry of the addition before.
u64 add(u64 a, u64 b, u64& carry) {
    unsigned long long out = 0;
    const u64 sum = __builtin_addcll(a, b, carry, &out);
    carry = out;
    return sum;
}

/// The next `sizeof(T)` bytes, as the lowest ones of a word.
template <typename T, bool kCopy>
u64 take(u8*& to, const u8*& from) {
    T piece;
    std::memcpy(&piece, from, sizeof piece);
    from += sizeof piece;
    if constexpr (kCopy) {
        std::memcpy(to, &piece, sizeof piece);
        to += sizeof piece;
    }
    return piece;
}

constexpr usize kLargeBlock = 128, kBlock = 32;

#if defined(__x86_64__)
// The carry goes from one addition to the next, also around the loop: nothing in between touches it. (No compiler makes that of the loops below.)
#define PITH_SUM(at) "adcq " at "(%[from]), %[sum]\n"
#define PITH_SUM_32(a, b, c, d) PITH_SUM(a) PITH_SUM(b) PITH_SUM(c) PITH_SUM(d)
u64 sum_large_blocks(const u8*& from, usize blocks, u64 sum) {
    asm volatile("clc\n"
                 "1: " PITH_SUM_32("", "8", "16", "24") PITH_SUM_32("32", "40", "48", "56")
                     PITH_SUM_32("64", "72", "80", "88") PITH_SUM_32("96", "104", "112", "120")
                 "leaq 128(%[from]), %[from]\n"
                 "decq %[blocks]\n jnz 1b\n"
                 "adcq $0, %[sum]\n"
                 : [sum] "+r"(sum), [from] "+r"(from), [blocks] "+r"(blocks)
                 :
                 : "cc", "memory");
    return sum;
}

template <bool kCopy>
u64 sum_blocks(u8*& to, const u8*& from, usize blocks, u64 sum) {
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
        asm volatile("clc\n"
                     "1: " PITH_SUM_32("", "8", "16", "24")
                     "leaq 32(%[from]), %[from]\n"
                     "decq %[blocks]\n jnz 1b\n"
                     "adcq $0, %[sum]\n"
                     : [sum] "+r"(sum), [from] "+r"(from), [blocks] "+r"(blocks)
                     :
                     : "cc", "memory");
    }
    return sum;
}
#undef PITH_SUM_32
#undef PITH_SUM
#else
template <bool kCopy>
u64 sum_blocks(u8*& to, const u8*& from, usize blocks, u64 sum) {
    u64 carry = 0;
    for (usize left = blocks * (kBlock / 8); left != 0; left--)
        sum = add(sum, take<u64, kCopy>(to, from), carry);
    return add(sum, 0, carry);
}

u64 sum_large_blocks(const u8*& from, usize blocks, u64 sum) {
    u8* none = nullptr;
    return sum_blocks<false>(none, from, blocks * (kLargeBlock / kBlock), sum);
}
#endif

template <bool kCopy>
u64 sum_bytes(u8* to, const u8* from, usize length, u64 sum) {
    if constexpr (!kCopy) {
        if (length >= kLargeBlock) sum = sum_large_blocks(from, length / kLargeBlock, sum);
        length %= kLargeBlock;
    }
    if (length >= kBlock) sum = sum_blocks<kCopy>(to, from, length / kBlock, sum);
    length %= kBlock;
    u64 carry = 0;
    for (; length >= 8; length -= 8) sum = add(sum, take<u64, kCopy>(to, from), carry);
    sum = add(sum, 0, carry);
    // Each of them begins at an even offset.
    u64 last = 0;
    if ((length & 4) != 0) last = take<u32, kCopy>(to, from);
    if ((length & 2) != 0) last += take<u16, kCopy>(to, from);
    if ((length & 1) != 0) last += take<u8, kCopy>(to, from);
    carry = 0;
    sum = add(sum, last, carry);
    return add(sum, 0, carry);
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
    constexpr int kPlainHeader = 20;  // of IPv4 and of TCP, without options: five words
    if (length == kPlainHeader) {
        pith::u32 words[kPlainHeader / 4];
        std::memcpy(words, data, sizeof words);
        pith::u64 sum = 0;
        for (const pith::u32 word : words) sum += word;
        return pith::fold_checksum(sum);
    }
    return pith::fold_checksum(pith::checksum(data, static_cast<pith::usize>(length), 0));
}
