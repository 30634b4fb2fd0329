// SPDX-License-Identifier: MIT
// Full disks and disks with errors: the right error, and nothing else is lost.
#include <gtest/gtest.h>

#include "lib/ext4/extents.hpp"
#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

namespace {

TEST(Faults, FullDisk) {
    for (u64 seed = 1; seed <= 4; seed++) {
        MemoryDisk disk(make_image(4096, "-N 128"));
        Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
        ASSERT_TRUE(mounted.ok());
        FileSystem& system = *mounted.value();
        Actor actor(system, std::make_shared<Node>(Node{Node::directory, {}, {}, system.root().value()}),
                    seed);
        actor.set_sizes(600'000);
        for (int i = 0; i < 1500; i++) {
            ASSERT_EQ(actor.step(), "") << "seed " << seed << " step " << i;
            if (i % 300 == 299) {
                ASSERT_EQ(compare(system, actor.root()->id, *actor.root()), "")
                    << "seed " << seed << " step " << i;
            }
        }
        EXPECT_FALSE(actor.failed());
        EXPECT_GT(actor.full(), 20u);
        ASSERT_EQ(compare(system, actor.root()->id, *actor.root()), "");
        ASSERT_TRUE(system.unmount().ok());
        ASSERT_EQ(check(disk.content()), "");
    }
}

TEST(Faults, SpaceOfRemovedFilesIsUsedAgain) {
    MemoryDisk disk(make_image(8192));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    ASSERT_TRUE(mounted.ok());
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    const std::vector<u8> data(4 << 20, 7);
    for (int i = 0; i < 10; i++) {
        const Result<FileId> file = system.create(root, "big", {.mode = 0100600});
        ASSERT_TRUE(file.ok());
        const Result<usize> written = system.write(file.value(), 0, data);
        ASSERT_TRUE(written.ok());
        ASSERT_EQ(written.value(), data.size()) << "round " << i;
        ASSERT_TRUE(system.unlink(root, "big").ok());
    }
    ASSERT_TRUE(system.unmount().ok());
    EXPECT_EQ(check(disk.content()), "");
}

// A request fails, and all after it or just that one: an error, never a broken file system.
class DiskErrors : public testing::TestWithParam<bool> {};

TEST_P(DiskErrors, NothingIsLost) {
    const std::vector<u8> image = make_image(8192);
    int failed = 0;
    for (u64 seed = 1; seed <= 30; seed++) {
        std::mt19937_64 random(seed);
        const History history = work(image, seed, 150, 20000, [&](RecordingDisk& disk) {
            disk.fail_after(random() % 600, GetParam());
        });
        ASSERT_EQ(history.wrong, "") << "seed " << seed;
        if (history.failed) failed++;
        ASSERT_EQ(recover(history.disk->content(), history, history.disk->events().size()), "")
            << "seed " << seed;
    }
    EXPECT_GT(failed, 5);
}

INSTANTIATE_TEST_SUITE_P(One, DiskErrors, testing::Values(true));
INSTANTIATE_TEST_SUITE_P(All, DiskErrors, testing::Values(false));

// Once a commit has failed, nobody is told that something is durable.
TEST(Faults, SyncAfterAFailedCommit) {
    MemoryDisk disk(make_image(8192));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    ASSERT_TRUE(mounted.ok());
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    ASSERT_TRUE(system.create(root, "a", {.mode = 0100600}).ok());
    disk.fail_after(0, true);
    EXPECT_EQ(system.sync().error(), Error::io);
    EXPECT_EQ(system.sync().error(), Error::io);
    EXPECT_EQ(system.create(root, "b", {.mode = 0100600}).error(), Error::access);
    EXPECT_TRUE(system.lookup(root, "a").ok());
    EXPECT_FALSE(system.unmount().ok());
}

/// Where a directory's first block is.
u64 block_of(FileSystem& system, FileId directory) {
    Inode inode = system.volume().inode(directory.inode).value();
    return find_blocks(system.volume(), inode, 0, 1).value().block;
}

// A broken directory: nothing is changed any more, what was synced is there, and the disk says that it has to be checked.
TEST(Faults, BrokenFileSystemIsNotChanged) {
    for (const bool logged : {false, true}) {
        MemoryDisk disk(make_image(8192));
        auto mounted = FileSystem::mount(disk, kOptions);
        ASSERT_TRUE(mounted.ok());
        const FileId root = mounted.value()->root().value();
        const FileId broken = mounted.value()->make_directory(root, "broken", {.mode = 0755}).value();
        const u64 at = block_of(*mounted.value(), broken);
        ASSERT_TRUE(mounted.value()->unmount().ok());
        disk.content()[at * 1024 + 30] ^= 1;

        mounted = FileSystem::mount(disk, kOptions);
        ASSERT_TRUE(mounted.ok());
        FileSystem& system = *mounted.value();
        const FileId kept = system.create(root, "kept", {.mode = 0100600}).value();
        ASSERT_TRUE(system.write(kept, 0, std::vector<u8>(3000, 'k')).ok());
        // The superblock is in the log, which the next mount writes over the one at home; or it is not.
        if (logged) ASSERT_TRUE(system.sync().ok());
        else ASSERT_TRUE(system.volume().checkpoint().ok());
        ASSERT_TRUE(system.create(root, "lost", {.mode = 0100600}).ok());
        const auto none = [](const Listed&) { return true; };
        if (logged) EXPECT_EQ(system.list(broken, 0, none).error(), Error::io);
        else EXPECT_EQ(system.create(broken, "x", {.mode = 0100600}).error(), Error::io);
        EXPECT_EQ(system.create(root, "more", {.mode = 0100600}).error(), Error::access);
        EXPECT_EQ(system.sync().error(), Error::io);
        std::vector<u8> data(3000);
        EXPECT_EQ(system.read(kept, 0, data).value(), data.size());
        EXPECT_FALSE(system.unmount().ok());

        const auto has_errors = [](std::vector<u8> image) {
            return debugfs(image, "show_super_stats -h").find("with errors") != std::string::npos;
        };
        EXPECT_TRUE(has_errors(disk.content()));
        std::vector<u8> checked = disk.content();
        std::string said;
        EXPECT_EQ(e2fsck(checked, "-fy", &said), "");
        EXPECT_NE(said.find("fails checksum"), std::string::npos) << said;
        mounted = FileSystem::mount(disk, kOptions);
        ASSERT_TRUE(mounted.ok());
        EXPECT_EQ(mounted.value()->read(kept, 0, data).value(), data.size());
        EXPECT_EQ(data, std::vector<u8>(3000, 'k'));
        EXPECT_EQ(mounted.value()->lookup(root, "lost").error(), Error::not_found);
        ASSERT_TRUE(mounted.value()->unmount().ok());
        EXPECT_TRUE(has_errors(disk.content()));
    }
}

// An error of the device while something is looked up is not taken for a broken file system.
TEST(Faults, ErrorWhileReadingChangesNothing) {
    MemoryDisk disk(make_image(8192));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    ASSERT_TRUE(mounted.ok());
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    disk.fail_after(0, true);
    EXPECT_EQ(system.lookup(root, "lost+found").error(), Error::io);
    EXPECT_TRUE(system.lookup(root, "lost+found").ok());
    EXPECT_TRUE(system.create(root, "a", {.mode = 0100600}).ok());
    ASSERT_TRUE(system.unmount().ok());
    EXPECT_EQ(check(disk.content()), "");
}

// A mount that fails says so, and changes nothing that matters.
TEST(Faults, ErrorsWhileMounting) {
    const History history = work(make_image(8192), 5, 60, 20000);
    ASSERT_EQ(history.wrong, "");
    const std::vector<u8>& content = history.disk->content();
    for (u64 request = 0; request < 300; request += 4) {
        MemoryDisk disk(content);
        disk.fail_after(request, true);
        {
            Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
            if (!mounted.ok()) EXPECT_EQ(mounted.error(), Error::io);
        }
        disk.heal();
        if (request % 40 == 0)
            ASSERT_EQ(recover(disk.content(), history, history.disk->events().size()), "")
                << "request " << request;
    }
}

}  // namespace

}  // namespace pith::ext4::test
