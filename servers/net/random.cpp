// SPDX-License-Identifier: MIT
#include "servers/net/random.hpp"

#include <bit>
#include <cstring>

#include "lib/os/clock.hpp"

namespace pith::net_server {
namespace {

void quarter_round(u32& a, u32& b, u32& c, u32& d) {
    a += b, d = std::rotl(d ^ a, 16), c += d, b = std::rotl(b ^ c, 12);
    a += b, d = std::rotl(d ^ a, 8), c += d, b = std::rotl(b ^ c, 7);
}

bool have_rdrand() {
    u32 a = 1, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 30 & 1) != 0;
}

u64 processor_random() {
    for (int tries = 0; tries < 10; tries++) {
        u64 value;
        bool good;
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(good));
        if (good) return value;
    }
    return 0;
}

}  // namespace

Random::Random() {
    u64 seed[4] = {now(), static_cast<u64>(wall_clock()), reinterpret_cast<u64>(this),
                   __builtin_ia32_rdtsc()};
    if (have_rdrand()) {
        for (u64& word : seed) word ^= processor_random();
    }
    std::memcpy(key_, seed, sizeof key_);
}

void Random::refill() {
    u32 state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    std::memcpy(state + 4, key_, sizeof key_);
    state[12] = static_cast<u32>(counter_);
    state[13] = static_cast<u32>(counter_ >> 32);
    counter_++;
    u32 work[16];
    std::memcpy(work, state, sizeof work);
    for (int i = 0; i < 10; i++) {
        for (u32 at = 0; at < 4; at++) quarter_round(work[at], work[at + 4], work[at + 8], work[at + 12]);
        for (u32 at = 0; at < 4; at++)
            quarter_round(work[at], work[4 + (at + 1) % 4], work[8 + (at + 2) % 4], work[12 + (at + 3) % 4]);
    }
    for (u32 i = 0; i < 16; i++) work[i] += state[i];
    std::memcpy(key_, work, sizeof key_);
    std::memcpy(output_, work + 8, sizeof output_);
    left_ = 4;
}

u64 Random::next() {
    if (left_ == 0) refill();
    return output_[--left_];
}

}  // namespace pith::net_server
