// SPDX-License-Identifier: MIT
// Operations on file systems by mke2fs, against a model, and e2fsck's verdict afterwards.
#include <gtest/gtest.h>

#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

namespace {

std::unique_ptr<FileSystem> mount(BlockDevice& disk, bool read_only = false) {
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(
        disk, {.read_only = read_only, .now = test_time});
    EXPECT_TRUE(mounted.ok()) << static_cast<u32>(mounted.error());
    return mounted.ok() ? std::move(mounted).value() : nullptr;
}

NodePointer empty_root(FileSystem& system) {
    const Result<FileId> id = system.root();
    return std::make_shared<Node>(Node{Node::directory, {}, {}, id.ok() ? id.value() : FileId{}});
}

struct Shape {
    const char* name;
    u64 kilobytes;
    const char* options;
};

class Operations : public testing::TestWithParam<Shape> {};

TEST_P(Operations, MountUnmount) {
    MemoryDisk disk(make_image(GetParam().kilobytes, GetParam().options));
    {
        const auto system = mount(disk);
        ASSERT_NE(system, nullptr);
        ASSERT_TRUE(system->unmount().ok());
    }
    EXPECT_EQ(check(disk.content()), "");
}

TEST_P(Operations, RandomSequences) {
    for (u64 seed = 1; seed <= 3; seed++) {
        MemoryDisk disk(make_image(GetParam().kilobytes, GetParam().options));
        auto system = mount(disk);
        ASSERT_NE(system, nullptr);
        Actor actor(*system, empty_root(*system), seed);
        for (int i = 0; i < 1500; i++) {
            const std::string wrong = actor.step();
            ASSERT_EQ(wrong, "") << "seed " << seed << " step " << i;
            if (i % 100 == 99) ASSERT_TRUE(system->sync().ok());
            if (i % 500 == 499) {
                ASSERT_EQ(compare(*system, actor.root()->id, *actor.root()), "")
                    << "seed " << seed << " step " << i;
                ASSERT_TRUE(system->unmount().ok());
                system.reset();
                ASSERT_EQ(check(disk.content()), "") << "seed " << seed << " step " << i;
                system = mount(disk);
                ASSERT_NE(system, nullptr);
                actor.use(*system);
                ASSERT_EQ(compare(*system, actor.root()->id, *actor.root()), "")
                    << "seed " << seed << " step " << i;
            }
        }
        EXPECT_EQ(actor.full(), 0u);
        EXPECT_FALSE(actor.failed());
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Operations,
                         testing::Values(Shape{"Small", 8192, ""}, Shape{"Blocks4K", 32768, "-b 4096"},
                                         Shape{"Blocks2K", 16384, "-b 2048"},
                                         Shape{"No64Bit", 16384, "-O ^64bit,^metadata_csum,uninit_bg"},
                                         Shape{"SmallInodes", 8192, "-I 128 -O ^dir_index"}),
                         [](const auto& shape) { return shape.param.name; });

}  // namespace

}  // namespace pith::ext4::test
