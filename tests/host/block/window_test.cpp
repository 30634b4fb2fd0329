// SPDX-License-Identifier: MIT
// The window's allocator against a plain list.
#include "lib/block/window.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace {

using namespace pith;

TEST(Window, AgainstAList) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const u32 units : {1u, 63u, 64u, 65u, 300u, 4096u}) {
        BlockWindow window;
        window.reset(units * BlockWindow::kUnit + 100);
        ASSERT_EQ(window.units(), units);
        std::vector<bool> taken(units);
        std::vector<std::pair<u32, u32>> runs;
        for (int step = 0; step < 3000; ++step) {
            if (random() % 2 == 0 && !runs.empty()) {
                const usize which = random() % runs.size();
                const auto [first, count] = runs[which];
                runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(which));
                window.give(first, count);
                for (u32 i = first; i < first + count; ++i) taken[i] = false;
            } else {
                const u32 count = random() % 70 + 1;
                u32 run = 0, wanted = units;
                for (u32 i = 0; i < units && wanted == units; ++i) {
                    run = taken[i] ? 0 : run + 1;
                    if (run == count) wanted = i + 1 - count;
                }
                const auto got = window.take(count);
                if (wanted == units) {
                    ASSERT_EQ(got.error(), count > units ? Error::invalid : Error::would_block);
                    continue;
                }
                ASSERT_TRUE(got.ok());
                ASSERT_EQ(got.value(), wanted);
                for (u32 i = wanted; i < wanted + count; ++i) taken[i] = true;
                runs.emplace_back(wanted, count);
            }
            for (u32 i = 0; i < units; ++i) ASSERT_EQ(window.taken(i), taken[i]);
        }
    }
}

TEST(Window, NothingAndTooMuch) {
    BlockWindow window;
    EXPECT_EQ(window.take(1).error(), Error::invalid);
    window.reset(u64{1} << 40);
    EXPECT_EQ(window.units(), BlockWindow::kMaxUnits);
    EXPECT_EQ(window.take(0).error(), Error::invalid);
    EXPECT_TRUE(window.take(BlockWindow::kMaxUnits).ok());
    EXPECT_EQ(window.take(1).error(), Error::would_block);
}

}  // namespace
