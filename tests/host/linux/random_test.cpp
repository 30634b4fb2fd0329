// SPDX-License-Identifier: MIT
#include "servers/linux/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace pith::lx {
namespace {

TEST(Random, KnownAnswer) {
    // RFC 8439, appendix A.1, test vector 1: key, nonce and counter 0; the first half is kept as the next key.
    RandomSource source;
    std::array<u8, 32> out{};
    source.fill(out.data(), out.size());
    const std::array<u8, 8> expected = {0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d};
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.begin()));
}

TEST(Random, NeverTheSame) {
    RandomSource source;
    std::set<u64> seen;
    for (int i = 0; i < 10'000; ++i) {
        u64 value = 0;
        source.fill(&value, sizeof value);
        EXPECT_TRUE(seen.insert(value).second);
    }
}

}  // namespace
}  // namespace pith::lx
