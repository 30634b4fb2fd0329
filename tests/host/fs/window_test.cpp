// SPDX-License-Identifier: MIT
// Places in a window: none overlaps another, none is lost, small and large ones beside each other.
#include "lib/fs/window.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace {

using namespace pith;

TEST(Window, SmallOnesShareAPage) {
    FsWindow window;
    window.reset(1 << 20);
    EXPECT_EQ(window.free_pages(), 256u);
    for (u32 i = 0; i < 8; ++i) ASSERT_TRUE(window.take(120).ok());
    EXPECT_EQ(window.free_pages(), 255u);
    ASSERT_TRUE(window.take(513).ok());
    EXPECT_EQ(window.free_pages(), 254u);
}

TEST(Window, WhatCannotBe) {
    FsWindow window;
    window.reset(5 * 4096 + 100);
    EXPECT_EQ(window.size(), 5u * 4096);
    EXPECT_EQ(window.take(0).error(), Error::invalid);
    EXPECT_EQ(window.take(5 * 4096 + 1).error(), Error::invalid);
    EXPECT_EQ(window.take(~u64{0}).error(), Error::invalid);
    const Result<u64> all = window.take(5 * 4096);
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all.value(), 0u);
    EXPECT_EQ(window.take(1).error(), Error::would_block);
    EXPECT_EQ(window.take(4096).error(), Error::would_block);
    window.give(0, 5 * 4096);
    EXPECT_TRUE(window.take(5 * 4096).ok());
    window.reset(u64{1} << 40);
    EXPECT_EQ(window.size(), u64{FsWindow::kMaxPages} * 4096);
}

TEST(Window, LargeOnesStayTogether) {
    FsWindow window;
    window.reset(64 * 4096);
    std::vector<u64> small;
    for (int i = 0; i < 20; ++i) small.push_back(*window.take(500));
    EXPECT_TRUE(window.take(61 * 4096).ok());  // the small ones are in three pages at the end
}

/// Random taking and giving, against a map of bytes.
TEST(Window, Random) {
    const u32 seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    struct Place {
        u64 offset, bytes;
    };
    for (const u64 size : {u64{64} << 10, u64{1} << 20, u64{77} * 4096}) {
        FsWindow window;
        window.reset(size);
        std::vector<bool> used(size / FsWindow::kUnit);
        std::vector<Place> places;
        const auto mark = [&](const Place& place, bool value) {
            for (u64 unit = place.offset / FsWindow::kUnit;
                 unit * FsWindow::kUnit < place.offset + place.bytes; ++unit) {
                ASSERT_NE(used.at(unit), value);
                used[unit] = value;
            }
        };
        for (int step = 0; step < 50000; ++step) {
            if (random() % 2 == 0 || places.empty()) {
                const u64 bytes = random() % 3 == 0 ? random() % (size / 4) + 1 : random() % 4096 + 1;
                const Result<u64> taken = window.take(bytes);
                if (!taken.ok()) {
                    ASSERT_EQ(taken.error(), Error::would_block);
                    continue;
                }
                ASSERT_EQ(taken.value() % FsWindow::kUnit, 0u);
                places.push_back({taken.value(), bytes});
                mark(places.back(), true);
            } else {
                const usize index = random() % places.size();
                window.give(places[index].offset, places[index].bytes);
                mark(places[index], false);
                places[index] = places.back();
                places.pop_back();
            }
        }
        for (const Place& place : places) window.give(place.offset, place.bytes);
        EXPECT_EQ(window.free_pages(), size / 4096);
        EXPECT_TRUE(window.take(window.size()).ok());
    }
}

}  // namespace
