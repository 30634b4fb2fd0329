// SPDX-License-Identifier: MIT
// Full disks and disks with errors: the right error, and nothing else is lost.
#include <gtest/gtest.h>

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
