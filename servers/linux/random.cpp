// SPDX-License-Identifier: MIT
#include "servers/linux/random.hpp"

#include <string.h>

#include <algorithm>
#include <bit>

#include "servers/linux/cpuid.hpp"

namespace pith::lx {

namespace {

void quarter(u32& a, u32& b, u32& c, u32& d) {
    a += b, d = std::rotl(d ^ a, 16);
    c += d, b = std::rotl(b ^ c, 12);
    a += b, d = std::rotl(d ^ a, 8);
    c += d, b = std::rotl(b ^ c, 7);
}

bool processor_random(u64& value) {
    if ((cpuid(1).ecx >> 30 & 1) == 0) return false;
    for (int tries = 0; tries < 10; ++tries) {
        bool good = false;
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(good));
        if (good) return true;
    }
    return false;
}

}  // namespace

void RandomSource::block(u32 (&out)[16]) {
    u32 state[16] = {0x6170'7865, 0x3320'646e, 0x7962'2d32, 0x6b20'6574};
    std::copy_n(key_, 8, state + 4);
    state[12] = static_cast<u32>(counter_);
    state[13] = static_cast<u32>(counter_ >> 32);
    ++counter_;
    std::copy_n(state, 16, out);
    for (int i = 0; i < 10; ++i) {
        quarter(out[0], out[4], out[8], out[12]);
        quarter(out[1], out[5], out[9], out[13]);
        quarter(out[2], out[6], out[10], out[14]);
        quarter(out[3], out[7], out[11], out[15]);
        quarter(out[0], out[5], out[10], out[15]);
        quarter(out[1], out[6], out[11], out[12]);
        quarter(out[2], out[7], out[8], out[13]);
        quarter(out[3], out[4], out[9], out[14]);
    }
    for (int i = 0; i < 16; ++i) out[i] += state[i];
}

void RandomSource::add_entropy(std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const usize length = std::min<usize>(bytes.size(), sizeof key_);
        u8 mixed[sizeof key_] = {};
        memcpy(mixed, bytes.data(), length);
        bytes = bytes.subspan(length);
        u32 words[8], stream[16];
        memcpy(words, mixed, sizeof words);
        for (int i = 0; i < 8; ++i) key_[i] ^= words[i];
        block(stream);
        std::copy_n(stream, 8, key_);
    }
}

void RandomSource::add_processor_entropy() {
    u64 values[4];
    for (u64& value : values)
        if (!processor_random(value)) return;
    add_entropy({reinterpret_cast<const u8*>(values), sizeof values});
}

void RandomSource::fill(void* to, usize size) {
    auto* out = static_cast<u8*>(to);
    u32 stream[16];
    // The first half block is the next key.
    block(stream);
    u32 next[8];
    std::copy_n(stream, 8, next);
    usize offset = 32;
    while (size > 0) {
        if (offset == sizeof stream) {
            block(stream);
            offset = 0;
        }
        const usize length = std::min(size, sizeof stream - offset);
        memcpy(out, reinterpret_cast<const u8*>(stream) + offset, length);
        offset += length;
        out += length;
        size -= length;
    }
    std::copy_n(next, 8, key_);
}

}  // namespace pith::lx
