// SPDX-License-Identifier: MIT
// The heap's allocator: random allocations checked for overlap, alignment, contents and a consistent
// structure; what it keeps of freed areas.
#include "lib/os/tlsf.hpp"

#include "lib/os/freed_areas.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace {

using pith::Tlsf;
using pith::u8;

struct Area {
    u8* at;
    size_t size;
    u8 fill;
};

bool holds(const Area& area) {
    for (size_t i = 0; i < area.size; i++)
        if (area.at[i] != area.fill) return false;
    return true;
}

TEST(Tlsf, RandomUse) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    constexpr size_t kSize = 1 << 20;
    auto memory = std::make_unique<u8[]>(kSize + 4096);
    const auto base = (reinterpret_cast<pith::u64>(memory.get()) + 4095) & ~pith::u64{4095};
    Tlsf heap;
    size_t given = 65536;
    heap.add(base, given);
    std::vector<Area> areas;
    for (int step = 0; step < 40000; step++) {
        if (random() % 100 < 55) {
            const size_t size = random() % 3 == 0 ? random() % 9000 : random() % 300;
            const size_t alignment = random() % 8 == 0 ? size_t{16} << random() % 8 : 16;
            auto* at = static_cast<u8*>(heap.allocate_aligned(size, alignment));
            if (at == nullptr && given + 65536 <= kSize) {
                heap.add(base + given, 65536);
                given += 65536;
                at = static_cast<u8*>(heap.allocate_aligned(size, alignment));
                ASSERT_NE(at, nullptr);
            }
            if (at == nullptr) continue;
            ASSERT_EQ(reinterpret_cast<pith::u64>(at) % alignment, 0u);
            ASSERT_GE(Tlsf::usable(at), size);
            ASSERT_GE(reinterpret_cast<pith::u64>(at), base);
            ASSERT_LE(reinterpret_cast<pith::u64>(at) + size, base + given);
            std::memset(at, step & 0xff, size);
            areas.push_back({at, size, static_cast<u8>(step)});
        } else if (!areas.empty()) {
            std::swap(areas[random() % areas.size()], areas.back());
            ASSERT_TRUE(holds(areas.back()));
            heap.release(areas.back().at);
            areas.pop_back();
        }
        if (step % 500 == 0) { ASSERT_TRUE(heap.consistent()); }
    }
    for (const Area& area : areas) {
        ASSERT_TRUE(holds(area));
        heap.release(area.at);
    }
    EXPECT_TRUE(heap.consistent());
    EXPECT_EQ(heap.allocated(), 0u);
    // Everything has been joined again.
    EXPECT_NE(heap.allocate(given - given / 16 - 128), nullptr);
}

TEST(Tlsf, NeededIsEnough) {
    for (size_t size = 0; size < 200000; size += 1 + size / 7)
        for (size_t alignment : {16u, 64u, 4096u}) {
            const size_t bytes = (Tlsf::needed(size, alignment) + 15) & ~size_t{15};
            auto memory = std::make_unique<u8[]>(bytes + 16);
            Tlsf heap;
            heap.add((reinterpret_cast<pith::u64>(memory.get()) + 15) & ~pith::u64{15}, bytes);
            EXPECT_NE(heap.allocate_aligned(size, alignment), nullptr) << size << " " << alignment;
        }
}

TEST(Tlsf, Exhaustion) {
    auto memory = std::make_unique<u8[]>(4096 + 16);
    Tlsf heap;
    heap.add((reinterpret_cast<pith::u64>(memory.get()) + 15) & ~pith::u64{15}, 4096);
    EXPECT_EQ(heap.allocate(5000), nullptr);
    EXPECT_EQ(heap.allocate(~size_t{0}), nullptr);
    EXPECT_EQ(heap.allocate_aligned(~size_t{0} - 100, 64), nullptr);
    EXPECT_NE(heap.allocate(3000), nullptr);
    EXPECT_TRUE(heap.consistent());
}

TEST(FreedAreas, KeepsSmallOnesBySize) {
    constexpr size_t kSize = 1 << 20;
    auto memory = std::make_unique<u8[]>(kSize + 16);
    Tlsf heap;
    heap.add((reinterpret_cast<pith::u64>(memory.get()) + 15) & ~pith::u64{15}, kSize);
    pith::FreedAreas freed(heap);
    void* area = heap.allocate(100);
    EXPECT_TRUE(freed.keep(area));
    EXPECT_EQ(heap.allocated(), freed.kept());
    EXPECT_EQ(freed.take(200), nullptr);
    EXPECT_EQ(freed.take(50), nullptr);
    EXPECT_EQ(freed.take(100), area);
    EXPECT_EQ(freed.take(100), nullptr);
    EXPECT_EQ(freed.kept(), 0u);
    void* large = heap.allocate(5000);
    EXPECT_FALSE(freed.keep(large));
    EXPECT_EQ(freed.take(5000), nullptr);
}

TEST(FreedAreas, RandomUse) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    constexpr size_t kSize = 1 << 20;
    auto memory = std::make_unique<u8[]>(kSize + 16);
    Tlsf heap;
    heap.add((reinterpret_cast<pith::u64>(memory.get()) + 15) & ~pith::u64{15}, kSize);
    pith::FreedAreas freed(heap);
    std::vector<Area> areas;
    for (int step = 0; step < 40000; step++) {
        if (areas.size() < 300 && random() % 100 < 52) {
            const size_t size = random() % 1200;
            void* at = freed.take(size);
            if (at == nullptr) at = heap.allocate(size);
            ASSERT_NE(at, nullptr);
            ASSERT_GE(Tlsf::usable(at), size);
            const Area area{static_cast<u8*>(at), size, static_cast<u8>(random())};
            std::memset(area.at, area.fill, size);
            areas.push_back(area);
        } else if (!areas.empty()) {
            std::swap(areas[random() % areas.size()], areas.back());
            ASSERT_TRUE(holds(areas.back()));
            if (!freed.keep(areas.back().at)) heap.release(areas.back().at);
            areas.pop_back();
        }
        ASSERT_LE(freed.kept(), 64u * 1024);
        if (step % 1000 == 0) ASSERT_TRUE(heap.consistent());
    }
    for (const Area& area : areas) heap.release(area.at);
    EXPECT_EQ(heap.allocated(), freed.kept());
    EXPECT_TRUE(freed.kept() == 0 || freed.release_all());
    EXPECT_FALSE(freed.release_all());
    EXPECT_EQ(heap.allocated(), 0u);
    EXPECT_TRUE(heap.consistent());
}

}  // namespace
