// SPDX-License-Identifier: MIT
// The server dies at any moment: every change is carried out exactly once and in order, nothing that was answered is lost or undone, and
// unlinked files that are held stay.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/host/fs/world.hpp"

namespace pith::fs_test {
namespace {

u32 runs() {
    const char* const text = std::getenv("PITH_FS_RUNS");
    return text == nullptr ? 250 : static_cast<u32>(std::atoi(text));
}

u32 first_seed() {
    const char* const text = std::getenv("PITH_FS_SEED");
    return text == nullptr ? std::random_device{}() : static_cast<u32>(std::strtoul(text, nullptr, 0));
}

void random_runs(u32 deaths_in_1000, u32 downs_in_1000 = 0) {
    const u32 first = first_seed();
    u64 deaths = 0, compared = 0;
    for (u32 seed = first; seed != first + runs(); ++seed) {
        SCOPED_TRACE("PITH_FS_RUNS=1 PITH_FS_SEED=" + std::to_string(seed));
        World world(seed, deaths_in_1000, downs_in_1000);
        for (u32 round = 0; round < 4 && !testing::Test::HasFailure(); ++round) {
            world.run(100);
            if (!testing::Test::HasFailure()) world.settle(round == 3);
        }
        if (testing::Test::HasFailure()) return;
        deaths += world.deaths();
        compared += world.compared();
    }
    if (runs() >= 100) {
        if (deaths_in_1000 != 0) EXPECT_GT(deaths, runs());
        EXPECT_GT(compared, runs());
    }
}

TEST(Deaths, None) { random_runs(0); }
TEST(Deaths, Some) { random_runs(20); }
TEST(Deaths, Many) { random_runs(150); }
TEST(Deaths, AndItIsHeldDown) { random_runs(20, 10); }

}  // namespace
}  // namespace pith::fs_test
