// SPDX-License-Identifier: MIT
// Power cuts: a working file system on a disk that remembers every write and flush; then what the disk may hold after a cut
// between any two of them, with any part of what was not flushed lost. Each is mounted, and, as a copy, repaired by e2fsck: what was
// synced is there byte for byte, the names are those after some step, and e2fsck finds nothing wrong.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

namespace {

/// Cuts for each run; many more with PITH_EXT4_CUTS.
u64 cuts(u64 usual) {
    const char* wanted = std::getenv("PITH_EXT4_CUTS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual;
}

/// A moment from `first` on; half of them just before a flush, where most can be lost.
usize moment(const RecordingDisk& disk, usize first, std::mt19937_64& random) {
    const auto& events = disk.events();
    usize at = first + random() % (events.size() - first + 1);
    if (random() % 2 == 0) return at;
    while (at < events.size() && !events[at].data.empty()) at++;
    return at;
}

struct Run {
    const char* name;
    u64 kilobytes;
    const char* options;
    u64 sizes;
};

class PowerCut : public testing::TestWithParam<Run> {};

TEST_P(PowerCut, WhatWasSyncedIsThere) {
    const History history = work(make_image(GetParam().kilobytes, GetParam().options), 11, 700,
                                 GetParam().sizes);
    ASSERT_EQ(history.wrong, "");
    std::mt19937_64 random(12);
    const usize all = history.disk->events().size();
    const usize first = history.moments[0].events;
    for (u64 i = 0; i < cuts(60); i++) {
        const usize events = moment(*history.disk, first, random);
        // From nothing lost to nearly everything.
        const u64 kept = random() % 5;
        const std::vector<u8> content = history.disk->cut(events, [&] { return random() % 4 < kept; });
        ASSERT_EQ(recover(content, history, events), "")
            << "cut " << i << ", after " << events << " of " << all;
        if (i % 4 == 0)
            ASSERT_EQ(repair(content, history, events), "")
                << "cut " << i << ", after " << events << " of " << all;
    }
}

// The power goes again while the journal is replayed, and while the file system is unmounted.
TEST_P(PowerCut, InTheMiddleOfRecovery) {
    const History history = work(make_image(GetParam().kilobytes, GetParam().options), 21, 120,
                                 GetParam().sizes);
    ASSERT_EQ(history.wrong, "");
    std::mt19937_64 random(22);
    const usize first = history.moments[0].events;
    for (u64 i = 0; i < cuts(20); i++) {
        const usize events = moment(*history.disk, first, random);
        RecordingDisk disk(history.disk->cut(events, [&] { return random() % 2 == 0; }));
        {
            Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
            ASSERT_TRUE(mounted.ok()) << "cut " << i;
            ASSERT_TRUE(mounted.value()->reap_orphans().ok());
            ASSERT_TRUE(mounted.value()->unmount().ok());
        }
        const usize again = moment(disk, 0, random);
        const std::vector<u8> content = disk.cut(again, [&] { return random() % 2 == 0; });
        ASSERT_EQ(recover(content, history, events), "")
            << "cut " << i << ", after " << events << ", then " << again;
    }
}

// A hole that takes many operations is cut off anywhere, and punched again, as a client does.
TEST(PowerCutOnce, ALongPunch) {
    constexpr u64 kPieces = 1500, kStep = 2048, kFrom = 50 * kStep + 300, kTo = 1400 * kStep + 700;
    RecordingDisk disk(make_image(8192));
    FileId file;
    usize first = 0;
    std::vector<u8> wanted((kPieces - 1) * kStep + 1000);
    {
        Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
        ASSERT_TRUE(mounted.ok());
        FileSystem& system = *mounted.value();
        file = system.create(system.root().value(), "comb", {.mode = 0100644}).value();
        const std::vector<u8> data(1000, 5);
        for (u64 i = 0; i < kPieces; i++) {
            ASSERT_TRUE(system.write(file, i * kStep, data).ok());
            std::ranges::copy(data, wanted.begin() + static_cast<long>(i * kStep));
        }
        ASSERT_TRUE(system.sync().ok());
        first = disk.events().size();
        ASSERT_TRUE(system.punch(file, kFrom, kTo - kFrom).ok());
        ASSERT_TRUE(system.unmount().ok());
    }
    std::fill(wanted.begin() + kFrom, wanted.begin() + kTo, u8{0});
    std::mt19937_64 random(3);
    for (u64 i = 0; i < cuts(25); i++) {
        const u64 kept = random() % 5;
        MemoryDisk after(disk.cut(moment(disk, first, random), [&] { return random() % 4 < kept; }));
        Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(after, kOptions);
        ASSERT_TRUE(mounted.ok()) << "cut " << i;
        ASSERT_TRUE(mounted.value()->punch(file, kFrom, kTo - kFrom).ok()) << "cut " << i;
        std::vector<u8> found(wanted.size());
        ASSERT_EQ(mounted.value()->read(file, 0, found).value(), wanted.size());
        ASSERT_TRUE(found == wanted) << "cut " << i;
        ASSERT_TRUE(mounted.value()->unmount().ok());
        ASSERT_EQ(check(after.content()), "") << "cut " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Runs, PowerCut,
    testing::Values(Run{"Small", 8192, "", 20000}, Run{"Blocks4K", 12288, "-b 4096", 60000},
                    Run{"NoChecksums", 8192, "-O ^metadata_csum,^64bit,uninit_bg", 20000}),
    [](const auto& run) { return run.param.name; });

}  // namespace

}  // namespace pith::ext4::test
