// SPDX-License-Identifier: MIT
// Power cuts: a working file system on a disk that remembers every write and flush; then what the disk may hold after a cut
// between any two of them, with any part of what was not flushed lost. Each is mounted, and, as a copy, repaired by e2fsck: what was
// synced is there byte for byte, the names are those after some step, and e2fsck finds nothing wrong.
#include <gtest/gtest.h>

#include <cstdlib>

#include "lib/ext4/file_system.hpp"
#include "tests/host/ext4/devices.hpp"
#include "tests/host/ext4/image.hpp"
#include "tests/host/ext4/model.hpp"

namespace pith::ext4::test {

namespace {

Time test_time() {
    static i64 seconds = 1'700'000'000;
    return {seconds++, 5};
}

constexpr MountOptions kOptions{.now = test_time};

struct Moment {
    usize events;  ///< of the disk, when the step (or sync) had returned
    u64 step;      ///< the next one
    bool synced;
    NodePointer tree;
};

/// What was done to a disk.
struct History {
    std::unique_ptr<RecordingDisk> disk;
    std::vector<Moment> moments;
};

History work(u64 kilobytes, const char* options, u64 seed, int steps, u64 sizes) {
    History history;
    history.disk = std::make_unique<RecordingDisk>(make_image(kilobytes, options));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(*history.disk, kOptions);
    EXPECT_TRUE(mounted.ok());
    if (!mounted.ok()) return history;
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    Actor actor(system, std::make_shared<Node>(Node{Node::directory, {}, {}, root}), seed);
    actor.set_sizes(sizes);
    const auto note = [&](bool synced) {
        history.moments.push_back({history.disk->events().size(), actor.count(), synced, copy(actor.root())});
    };
    EXPECT_TRUE(system.sync().ok());
    note(true);
    for (int i = 0; i < steps; i++) {
        EXPECT_EQ(actor.step(), "") << "step " << i;
        note(false);
        if (actor.random()() % 8 != 0) continue;
        EXPECT_TRUE(system.sync().ok());
        note(true);
    }
    return history;
}

/// `system` holds what was durable at a cut after `events`.
std::string judge(FileSystem& system, const History& history, usize events) {
    // The last sync that had returned, and everything that had begun.
    usize synced = 0, last = 0;
    while (last < history.moments.size() && history.moments[last].events <= events) {
        if (history.moments[last].synced) synced = last;
        last++;
    }
    if (last == history.moments.size()) last--;
    // What files held is certain only where nothing was done to them since. A step that was cut off is the one before `last`.
    std::map<u32, u64> touched;
    for (usize at = synced; at <= last; at++) collect_touched(*history.moments[at].tree, touched);
    std::string wrong;
    for (usize at = last + 1; at-- > synced;) {
        const Node& tree = *history.moments[at].tree;
        const std::string difference =
            compare_settled(system, tree.id, tree, touched, history.moments[synced].step + 1);
        if (difference.empty()) return "";
        wrong += "  step " + std::to_string(history.moments[at].step) + ": " + difference + "\n";
    }
    return "no state from the last sync on:\n" + wrong;
}

/// Mounts, which replays; compares; unmounts; checks.
std::string recover(std::vector<u8> content, const History& history, usize events) {
    MemoryDisk disk(std::move(content));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    if (!mounted.ok()) return "mount: error " + std::to_string(static_cast<u32>(mounted.error()));
    if (std::string wrong = judge(*mounted.value(), history, events); !wrong.empty()) return wrong;
    if (!mounted.value()->reap_orphans().ok()) return "reap_orphans";
    if (!mounted.value()->unmount().ok()) return "unmount";
    return check(disk.content());
}

/// e2fsck replays, and finds nothing else to be repaired.
std::string repair(std::vector<u8> content, const History& history, usize events) {
    if (std::string wrong = e2fsck(content, "-fy"); !wrong.empty()) return wrong;
    if (std::string wrong = check(content); !wrong.empty()) return wrong;
    MemoryDisk disk(std::move(content));
    disk.set_read_only();
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, {.read_only = true});
    if (!mounted.ok()) return "mount after e2fsck: error " + std::to_string(static_cast<u32>(mounted.error()));
    return judge(*mounted.value(), history, events);
}

/// Cuts for each run; many more with PITH_EXT4_CUTS.
u64 cuts(u64 usual) {
    const char* wanted = std::getenv("PITH_EXT4_CUTS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual;
}

struct Run {
    const char* name;
    u64 kilobytes;
    const char* options;
    u64 sizes;
};

class PowerCut : public testing::TestWithParam<Run> {};

TEST_P(PowerCut, WhatWasSyncedIsThere) {
    const History history = work(GetParam().kilobytes, GetParam().options, 11, 700, GetParam().sizes);
    if (HasFailure()) return;
    std::mt19937_64 random(12);
    const usize all = history.disk->events().size();
    const usize first = history.moments[0].events;
    for (u64 i = 0; i < cuts(120); i++) {
        const usize events = first + random() % (all - first + 1);
        // From nothing lost to nearly everything.
        const u64 kept = random() % 5;
        const std::vector<u8> content = history.disk->cut(events, [&] { return random() % 4 < kept; });
        ASSERT_EQ(recover(content, history, events), "") << "cut " << i << ", after " << events << " of " << all;
        if (i % 4 == 0) ASSERT_EQ(repair(content, history, events), "") << "cut " << i << ", after " << events << " of " << all;
    }
}

// The power goes again while the journal is replayed, and while the file system is unmounted.
TEST_P(PowerCut, InTheMiddleOfRecovery) {
    const History history = work(GetParam().kilobytes, GetParam().options, 21, 120, GetParam().sizes);
    if (HasFailure()) return;
    std::mt19937_64 random(22);
    const usize all = history.disk->events().size();
    const usize first = history.moments[0].events;
    for (u64 i = 0; i < cuts(40); i++) {
        const usize events = first + random() % (all - first + 1);
        RecordingDisk disk(history.disk->cut(events, [&] { return random() % 2 == 0; }));
        {
            Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
            ASSERT_TRUE(mounted.ok()) << "cut " << i;
            ASSERT_TRUE(mounted.value()->reap_orphans().ok());
            ASSERT_TRUE(mounted.value()->unmount().ok());
        }
        const usize again = random() % (disk.events().size() + 1);
        const std::vector<u8> content = disk.cut(again, [&] { return random() % 2 == 0; });
        ASSERT_EQ(recover(content, history, events), "") << "cut " << i << ", after " << events << ", then " << again;
    }
}

INSTANTIATE_TEST_SUITE_P(Runs, PowerCut,
                         testing::Values(Run{"Small", 8192, "", 20000}, Run{"Blocks4K", 32768, "-b 4096", 60000},
                                         Run{"NoChecksums", 8192, "-O ^metadata_csum,^64bit,uninit_bg", 20000}),
                         [](const auto& run) { return run.param.name; });

}  // namespace

}  // namespace pith::ext4::test
