// SPDX-License-Identifier: MIT
// The IOMMU's page tables: what is mapped and what is not, and that a successor notices what isn't as it should be.
#include "servers/devices/iommu/domain.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace pith::devices {
namespace {

constexpr u64 kPage = abi::kPageSize;
constexpr u64 kFirst = 0x1234'5000;

class Tables : public testing::TestWithParam<u32> {
  protected:
    explicit Tables(u32 chunks = 4) {
        for (u32 i = 0; i < chunks; i++) {
            memory_[i].reset(static_cast<u8*>(std::aligned_alloc(kPage, TablePages::kChunkSize)));
            // What was in a page before does not matter.
            std::memset(memory_[i].get(), 0xee, TablePages::kChunkSize);
            EXPECT_TRUE(pages_.add(kFirst + i * 0x100'0000, memory_[i].get()));
        }
        top_ = *pages_.allocate();
    }
    DomainTable table() { return {pages_, top_, GetParam()}; }
    u64 end() const { return u64{1} << (12 + 9 * GetParam()); }
    void map(u64 address, u64 size) {
        ASSERT_TRUE(table().reserve(address, size).ok());
        table().map(address, size);
    }
    bool sound(const std::set<u64>& allowed) {
        pages_.unmark_all();
        return table().check([&](u64 address) { return allowed.contains(address); });
    }
    /// The entries that lead to that page, from the top.
    std::vector<u64*> path(u64 address) {
        std::vector<u64*> entries;
        u64 at = top_;
        for (u32 level = GetParam(); level >= 1; level--) {
            entries.push_back(pages_.words(at) + (address >> (12 + 9 * (level - 1)) & 511));
            at = *entries.back() & kEntryAddress;
        }
        return entries;
    }

    struct Free {
        void operator()(u8* memory) const { std::free(memory); }
    };
    std::unique_ptr<u8, Free> memory_[TablePages::kMaxChunks];
    TablePages pages_;
    u64 top_ = 0;
};

TEST_P(Tables, MapWhatTheyWereTold) {
    map(0x20'0000 - kPage, 3 * kPage);  // across two tables
    map(0x8000'0000, kPage);
    const std::set<u64> mapped = {0x1f'f000, 0x20'0000, 0x20'1000, 0x8000'0000};
    for (const u64 address : mapped)
        for (const u64 near :
             {address - kPage, address, address + kPage, address + 0x20'0000, address + 0x4000'0000})
            EXPECT_EQ(table().access(near), mapped.contains(near) ? kEntryAccess : 0) << near;
    EXPECT_EQ(table().access(end()), 0u);
    EXPECT_EQ(table().access(~u64{0}), 0u);
    EXPECT_TRUE(sound(mapped));
}

TEST_P(Tables, ReservingMapsNothing) {
    ASSERT_TRUE(table().reserve(0x1000, 0x40'0000).ok());
    EXPECT_EQ(table().access(0x1000), 0u);
    EXPECT_TRUE(sound({}));
}

TEST_P(Tables, RangesAreChecked) {
    for (const auto& [address, size] : std::initializer_list<std::pair<u64, u64>>{{0x1001, kPage},
                                                                                  {0x1000, 0},
                                                                                  {0x1000, 1},
                                                                                  {end(), kPage},
                                                                                  {end() - kPage, 2 * kPage},
                                                                                  {kPage, end()},
                                                                                  {~(kPage - 1), kPage},
                                                                                  {~(kPage - 1), 2 * kPage},
                                                                                  {0, ~(kPage - 1)}})
        EXPECT_EQ(table().reserve(address, size).error(), Error::invalid) << address << " " << size;
    map(end() - kPage, kPage);
    EXPECT_EQ(table().access(end() - kPage), kEntryAccess);
}

TEST_P(Tables, RunningOutOfPagesChangesNothingThatIsMapped) {
    map(0x1000, kPage);
    u64 address = 0x4000'0000;
    while (table().reserve(address, kPage).ok()) address += 0x4000'0000;
    EXPECT_LE(pages_.left(), 1u);
    EXPECT_EQ(table().access(address), 0u);
    EXPECT_EQ(table().access(0x1000), kEntryAccess);
    EXPECT_TRUE(sound({0x1000}));
}

TEST_P(Tables, AWalkFindsThePagesInUse) {
    map(0x1000, kPage);
    map(0x4000'0000, kPage);
    const u32 left = pages_.left();
    ASSERT_TRUE(sound({0x1000, 0x4000'0000}));
    EXPECT_EQ(pages_.left(), left);
    map(0x8000'0000, kPage);  // with new pages, none of them twice
    EXPECT_TRUE(sound({0x1000, 0x4000'0000, 0x8000'0000}));
}

TEST_P(Tables, StrangeEntriesAreNoticed) {
    const std::set<u64> allowed = {0x1000, 0x2000};
    map(0x1000, kPage);
    ASSERT_TRUE(sound(allowed));
    EXPECT_FALSE(sound({0x2000})) << "a page that isn't the driver's";
    for (u64* entry : path(0x1000)) {
        const u64 kept = *entry;
        for (const u64 strange : {kept ^ kEntryWrite, kept ^ kEntryRead, kept | 1 << 7, kept | u64{1} << 62,
                                  kept + kPage * 512, kept + TablePages::kChunkSize, top_ | kEntryAccess,
                                  u64{0x7777'7000} | kEntryAccess, kEntryAccess, ~u64{0}}) {
            *entry = strange;
            EXPECT_FALSE(sound(allowed)) << std::hex << strange;
        }
        *entry = kept;
    }
    ASSERT_TRUE(sound(allowed));
    u64* leaf = path(0x1000).back();
    leaf[1] = 0x1000 | kEntryAccess;
    EXPECT_FALSE(sound(allowed)) << "found at another address";
    leaf[1] = 0x2000 | kEntryAccess;
    EXPECT_TRUE(sound(allowed));
    // The same table twice.
    u64* entry = path(0x1000)[GetParam() - 2];
    entry[1] = entry[0];
    EXPECT_FALSE(sound(allowed)) << "a table that is used twice";
}

TEST_P(Tables, NoiseIsWalkedWithoutHarm) {
    std::mt19937_64 random(GetParam());
    map(0x1000, 4 * kPage);
    const auto entries = path(0x1000);
    for (u32 round = 0; round < 2000; round++) {
        u64& entry = entries[random() % entries.size()][random() % 8];
        const u64 kept = entry;
        const u64 somewhere = kFirst + random() % 4 * 0x100'0000 + random() % 16 * kPage;
        entry = random() % 2 != 0 ? random() : somewhere | kEntryAccess;
        static_cast<void>(sound({0x1000, 0x2000, 0x3000, 0x4000}));
        entry = kept;
    }
    EXPECT_TRUE(sound({0x1000, 0x2000, 0x3000, 0x4000}));
}

INSTANTIATE_TEST_SUITE_P(Levels, Tables, testing::Values(3u, 4u));

TEST(TablePages, AreTheirOwn) {
    TablePages pages;
    EXPECT_EQ(pages.allocate().error(), Error::no_memory);
    EXPECT_EQ(pages.words(0), nullptr);
    alignas(kPage) static u8 memory[TablePages::kChunkSize];
    ASSERT_TRUE(pages.add(0x10'0000, memory));
    pages.write_back_caches(true);
    std::set<u64> seen;
    while (pages.left() != 0) {
        const u64 page = *pages.allocate();
        EXPECT_TRUE(seen.insert(page).second);
        EXPECT_NE(pages.words(page), nullptr);
        EXPECT_FALSE(pages.mark(page));
    }
    EXPECT_EQ(seen.size(), TablePages::kChunkPages);
    EXPECT_EQ(pages.allocate().error(), Error::no_memory);
    EXPECT_EQ(pages.words(0x10'0008), nullptr);
    EXPECT_EQ(pages.words(0x10'0000 - kPage), nullptr);
    EXPECT_EQ(pages.words(0x10'0000 + TablePages::kChunkSize), nullptr);
    pages.unmark_all();
    EXPECT_TRUE(pages.mark(0x10'1000));
    EXPECT_FALSE(pages.mark(0x10'1000));
    EXPECT_FALSE(pages.mark(0x20'0000));
    for (u32 i = 1; i < TablePages::kMaxChunks; i++) EXPECT_TRUE(pages.add(0x100'0000 * i, memory));
    EXPECT_FALSE(pages.add(0x9000'0000, memory));
}

}  // namespace
}  // namespace pith::devices
