// SPDX-License-Identifier: MIT
// The table of names: found again after a restart, with whatever state its memory was left in.
#include "servers/fs/virtio_9p/names.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace pith;
using namespace pith::virtio_9p;

constexpr u32 kDirectory = 0040000, kRegular = 0100000;

struct Table {
    explicit Table(u32 records) : memory(records * Names::kRecordSize / 8) { restart(); }
    void restart() {
        names = std::make_unique<Names>(std::span(reinterpret_cast<u8*>(memory.data()), memory.size() * 8));
        names->set_root(1);
    }
    std::string path(u64 file) {
        std::string text;
        for (int depth = 0; file != 1; depth++) {
            const u32 record = names->find(file);
            if (record == Names::kNone || depth == 100) return "?";
            text = "/" + std::string(names->name(record)) + text;
            file = names->parent(record);
        }
        return text;
    }
    std::vector<u64> memory;
    std::unique_ptr<Names> names;
};

TEST(ShareNames, AreFoundAgainAfterARestart) {
    Table table(64);
    const Fs::FileId folder = table.names->learn(1, "folder", 2, kDirectory);
    const Fs::FileId file = table.names->learn(2, std::string(255, 'x'), 3, kRegular);
    table.names->set_unsynced(3, true);
    table.restart();
    EXPECT_EQ(table.names->type(folder), kDirectory);
    EXPECT_EQ(table.names->type(file), kRegular);
    EXPECT_EQ(table.path(3), "/folder/" + std::string(255, 'x'));
    EXPECT_NE(table.names->next_unsynced(0), Names::kNone);
    EXPECT_EQ(table.names->type({4, 0}), 0u);
    EXPECT_EQ(table.names->type({3, 1}), 0u);
}

TEST(ShareNames, AnotherRootForgetsThem) {
    Table table(64);
    table.names->learn(1, "file", 2, kRegular);
    table.names->set_root(9);
    EXPECT_EQ(table.names->type({2, 0}), 0u);
    EXPECT_EQ(table.names->root().number, 9u);
}

TEST(ShareNames, AFileHasSeveral) {
    Table table(64);
    table.names->learn(1, "a", 2, kRegular);
    table.names->learn(1, "b", 2, kRegular);
    table.names->learn(1, "b", 2, kRegular);
    const u32 first = table.names->find(2);
    EXPECT_NE(table.names->next(first), Names::kNone);
    EXPECT_EQ(table.names->next(table.names->next(first)), Names::kNone);
    table.names->set_held(2, true);
    table.names->forget(1, "b", 2, false);
    EXPECT_EQ(table.path(2), "/a");
    EXPECT_TRUE(table.names->held(2));
}

TEST(ShareNames, ARemovedFilesNumberIsNotUsedAgain) {
    Table table(64);
    const Fs::FileId first = table.names->learn(1, "a", 2, kRegular);
    table.names->forget(1, "a", 2, true);
    EXPECT_EQ(table.names->type(first), 0u);
    table.restart();
    const Fs::FileId second = table.names->learn(1, "b", 2, kRegular);
    EXPECT_FALSE(first == second);
    EXPECT_EQ(table.names->type(first), 0u);
    EXPECT_EQ(table.names->type(second), kRegular);
    // One that only lost its name keeps its number.
    table.names->forget(1, "b", 2, false);
    EXPECT_TRUE(table.names->learn(1, "c", 2, kRegular) == second);
}

TEST(ShareNames, TheOldestGoesAndDirectoriesStayWithWhatIsInThem) {
    Table table(16);
    table.names->learn(1, "folder", 2, kDirectory);
    table.names->learn(2, "kept", 3, kRegular);
    table.names->learn(1, "held", 4, kRegular);
    table.names->set_held(4, true);
    for (u64 i = 0; i < 1000; i++) {
        table.names->learn(1, "file" + std::to_string(i), 10 + i, kRegular);
        table.names->touch(3);
        ASSERT_EQ(table.path(3), "/folder/kept");
        ASSERT_EQ(table.path(4), "/held");
        ASSERT_NE(table.path(10 + i), "?");
    }
    EXPECT_EQ(table.names->type({10, 0}), 0u);
    table.restart();
    EXPECT_EQ(table.path(3), "/folder/kept");
}

TEST(ShareNames, SpoiltMemoryIsDroppedOrRight) {
    std::mt19937 random(3);
    for (int round = 0; round < 300; round++) {
        Table table(32);
        for (u64 i = 0; i < 20; i++)
            table.names->learn(i == 0 ? 1 : 10 + random() % i, "n" + std::to_string(i), 10 + i, kDirectory);
        for (u32 flips = 1 + random() % 40; flips != 0; flips--)
            table.memory[random() % table.memory.size()] ^= u64{1} << random() % 64;
        table.restart();
        for (u64 i = 0; i < 20; i++) {
            table.names->touch(10 + i);
            const u32 record = table.names->find(10 + i);
            if (record != Names::kNone) ASSERT_EQ(table.names->name(record), "n" + std::to_string(i));
        }
        for (u64 i = 0; i < 100; i++) table.names->learn(1, "m" + std::to_string(i), 1000 + i, kRegular);
        ASSERT_EQ(table.path(1099), "/m99");
    }
}

}  // namespace
