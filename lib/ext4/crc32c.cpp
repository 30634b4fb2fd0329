// SPDX-License-Identifier: MIT
// CRC-32C, the checksum of ext4 and of its journal, in place of libext2fs's own: by the processor's instruction where
// there is one (an eighth of the instructions; it needs no SSE registers), else by eight tables.
#include <array>
#include <cstddef>
#include <cstring>

#include "abi/types.hpp"

namespace pith::ext4 {

namespace {

constexpr u32 kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<std::array<u32, 256>, 8> make_tables() {
    std::array<std::array<u32, 256>, 8> tables{};
    for (u32 i = 0; i < 256; i++) {
        u32 crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        tables[0][i] = crc;
    }
    for (u32 i = 0; i < 256; i++)
        for (usize t = 1; t < 8; t++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    return tables;
}

constexpr auto kTables = make_tables();

u32 by_tables(u32 crc, const unsigned char* at, usize size) {
    for (; size >= 8; size -= 8, at += 8) {
        u64 word;
        __builtin_memcpy(&word, at, sizeof word);
        word ^= crc;
        crc = kTables[7][word & 0xff] ^ kTables[6][(word >> 8) & 0xff] ^ kTables[5][(word >> 16) & 0xff] ^
              kTables[4][(word >> 24) & 0xff] ^ kTables[3][(word >> 32) & 0xff] ^
              kTables[2][(word >> 40) & 0xff] ^ kTables[1][(word >> 48) & 0xff] ^ kTables[0][word >> 56];
    }
    for (; size > 0; size--, at++) crc = (crc >> 8) ^ kTables[0][(crc ^ *at) & 0xff];
    return crc;
}

#if defined(__x86_64__)
bool has_instruction() {
    u32 a = 1, b, c = 0, d;
    asm("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c & (1u << 20)) != 0;
}

/// __builtin_memcpy: a freestanding build calls a function for the other.
u32 by_instruction(u32 crc, const unsigned char* at, usize size) {
    u64 wide = crc;
    for (; size >= 8; size -= 8, at += 8) {
        u64 word;
        __builtin_memcpy(&word, at, sizeof word);
        asm("crc32q %1, %0" : "+r"(wide) : "r"(word));
    }
    crc = static_cast<u32>(wide);
    for (; size > 0; size--, at++) asm("crc32b %1, %0" : "+r"(crc) : "r"(*at));
    return crc;
}

const bool instruction = has_instruction();
#endif

}  // namespace

/// The test compares the two.
u32 crc32c_by_tables(u32 crc, const void* data, usize size) {
    return by_tables(crc, static_cast<const unsigned char*>(data), size);
}

}  // namespace pith::ext4

/// Of libext2fs's interface: continues `crc` (begin with ~0) over `size` bytes.
extern "C" pith::u32 ext2fs_crc32c_le(pith::u32 crc, const unsigned char* data, std::size_t size) {
#if defined(__x86_64__)
    if (pith::ext4::instruction) return pith::ext4::by_instruction(crc, data, size);
#endif
    return pith::ext4::by_tables(crc, data, size);
}
