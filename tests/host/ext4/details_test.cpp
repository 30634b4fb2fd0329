// SPDX-License-Identifier: MIT
// Single promises: names, attributes, links, orphans, big directories, journals of others, what is refused.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "lib/ext4/checksum.hpp"
#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

namespace {

class Details : public testing::Test {
  protected:
    void open(std::vector<u8> image) {
        disk_ = std::make_unique<MemoryDisk>(std::move(image));
        remount();
    }
    void remount() {
        system_.reset();
        Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(*disk_, kOptions);
        ASSERT_TRUE(mounted.ok()) << static_cast<u32>(mounted.error());
        system_ = std::move(mounted).value();
        root_ = system_->root().value();
    }
    void close() {
        ASSERT_TRUE(system_->unmount().ok());
        EXPECT_EQ(check(disk_->content()), "");
    }
    FileId file(std::string_view name) {
        Result<FileId> made = system_->create(root_, name, {.mode = 0100644});
        EXPECT_TRUE(made.ok()) << name;
        return made.ok() ? made.value() : FileId{};
    }

    std::unique_ptr<MemoryDisk> disk_;
    std::unique_ptr<FileSystem> system_;
    FileId root_;
};

TEST_F(Details, Attributes) {
    open(make_image(8192));
    const FileId id = file("a");
    ASSERT_TRUE(system_
                    ->set_attributes(id, {.permissions = 04755,
                                          .user = 100'000,
                                          .group = 200'000,
                                          .accessed = Time{-5, 1},
                                          .modified = Time{5'000'000'000, 999'999'999}})
                    .ok());
    const Result<FileId> device = system_->create(
        root_, "d", {.mode = 0020600, .user = 1, .device_major = 4, .device_minor = 1000});
    ASSERT_TRUE(device.ok());
    ASSERT_TRUE(system_->unmount().ok());
    remount();
    const Attributes found = system_->attributes(id).value();
    EXPECT_EQ(found.mode, 0104755);
    EXPECT_EQ(found.user, 100'000u);
    EXPECT_EQ(found.group, 200'000u);
    EXPECT_EQ(found.links, 1u);
    EXPECT_EQ(found.accessed.seconds, -5);
    EXPECT_EQ(found.accessed.nanoseconds, 1u);
    EXPECT_EQ(found.modified.seconds, 5'000'000'000);
    EXPECT_EQ(found.modified.nanoseconds, 999'999'999u);
    EXPECT_GT(found.created.seconds, 1'600'000'000);
    const Attributes node = system_->attributes(device.value()).value();
    EXPECT_EQ(node.device_major, 4u);
    EXPECT_EQ(node.device_minor, 1000u);
    close();
}

TEST_F(Details, NamesThatAreImpossible) {
    open(make_image(8192));
    for (const std::string& name : {std::string(""), std::string("."), std::string(".."), std::string("a/b"),
                                    std::string(256, 'x'), std::string("a\0b", 3)}) {
        EXPECT_EQ(system_->create(root_, name, {.mode = 0100644}).error(), Error::invalid) << name;
        EXPECT_EQ(system_->make_directory(root_, name, {}).error(), Error::invalid) << name;
    }
    file(std::string(255, 'x'));
    EXPECT_EQ(system_->lookup(root_, "nobody").error(), Error::not_found);
    close();
}

TEST_F(Details, HandlesOfWhatIsGone) {
    open(make_image(8192));
    const FileId first = file("a");
    ASSERT_TRUE(system_->unlink(root_, "a").ok());
    const FileId second = file("b");
    EXPECT_EQ(second.inode, first.inode);  // so that the test tests something
    EXPECT_EQ(system_->attributes(first).error(), Error::bad_handle);
    EXPECT_TRUE(system_->attributes(second).ok());
    close();
}

TEST_F(Details, HolesArePunched) {
    open(make_image(8192));
    const FileId id = file("a");
    constexpr usize kSize = 100'000, kFrom = 1500, kTo = 70'100;
    std::vector<u8> data(kSize);
    for (usize i = 0; i < kSize; i++) data[i] = static_cast<u8>(i % 250 + 1);
    ASSERT_EQ(system_->write(id, 0, data).value(), kSize);
    const u64 before = system_->attributes(id).value().sectors;
    // Twice, as after a restart.
    for (int i = 0; i < 2; i++) {
        ASSERT_TRUE(system_->punch(id, kFrom, kTo - kFrom).ok());
        std::fill(data.begin() + kFrom, data.begin() + kTo, u8{0});
        std::vector<u8> found(kSize);
        ASSERT_EQ(system_->read(id, 0, found).value(), kSize);
        EXPECT_EQ(found, data);
        EXPECT_EQ(system_->attributes(id).value().sectors, before - (68 - 2) * 2);
        EXPECT_EQ(system_->seek(id, 0, true).value(), 2048u);
        EXPECT_EQ(system_->seek(id, 5000, false).value(), 68u * 1024);
    }
    // The last block goes as a whole, and what is allocated behind the end.
    ASSERT_TRUE(system_->allocate(id, kSize, 10'000, true).ok());
    ASSERT_TRUE(system_->punch(id, 80 * 1024, kSize).ok());
    EXPECT_EQ(system_->attributes(id).value().size, kSize);
    EXPECT_EQ(system_->attributes(id).value().sectors, (2 + 80 - 68) * 2u);
    EXPECT_EQ(system_->punch(id, 0, 0).error(), Error::invalid);
    EXPECT_EQ(system_->punch(id, ~u64{0}, 2).error(), Error::invalid);
    EXPECT_EQ(system_->punch(root_, 0, 1).error(), Error::wrong_type);
    // As many extents as make a tree, and all of them at once.
    const FileId comb = file("comb");
    for (u64 i = 0; i < 1500; i++) ASSERT_TRUE(system_->write(comb, i * 2048, std::vector<u8>(1, 9)).ok());
    ASSERT_TRUE(system_->punch(comb, 100 * 2048, 1000 * 2048).ok());
    EXPECT_EQ(system_->seek(comb, 99 * 2048 + 1024, false).value(), 1100u * 2048);
    ASSERT_TRUE(system_->punch(comb, 0, 1u << 30).ok());
    EXPECT_EQ(system_->attributes(comb).value().sectors, 0u);
    close();
}

TEST_F(Details, FilesWithoutNames) {
    open(make_image(8192));
    const FileId a = system_->create_unnamed(root_, {.mode = 0100600}).value();
    const FileId b = system_->create_unnamed(root_, {.mode = 0100600}).value();
    const std::vector<u8> data(50'000, 3);
    ASSERT_TRUE(system_->write(a, 0, data).ok());
    ASSERT_TRUE(system_->write(b, 0, data).ok());
    EXPECT_EQ(system_->attributes(a).value().links, 0u);
    EXPECT_EQ(system_->create_unnamed(root_, {.mode = 0040700}).error(), Error::invalid);
    EXPECT_EQ(system_->create_unnamed(a, {.mode = 0100600}).error(), Error::wrong_type);
    ASSERT_TRUE(system_->sync().ok());
    // The server dies, and comes back: who is not held can't have a name.
    remount();
    ASSERT_TRUE(system_->hold(a).ok());
    EXPECT_EQ(system_->link(b, root_, "b").error(), Error::not_found);
    ASSERT_TRUE(system_->link(a, root_, "a").ok());
    ASSERT_TRUE(system_->reap_orphans().ok());
    ASSERT_TRUE(system_->release(a).ok());
    EXPECT_EQ(system_->attributes(b).error(), Error::bad_handle);
    EXPECT_EQ(system_->lookup(root_, "a").value(), a);
    EXPECT_EQ(system_->attributes(a).value().links, 1u);
    // Made again as what it was.
    const FileId again = system_->create_unnamed(root_, {.mode = 0100600, .as = {b.inode, 77}}).value();
    EXPECT_EQ(again, (FileId{b.inode, 77}));
    EXPECT_EQ(system_->create_unnamed(root_, {.mode = 0100600, .as = again}).error(), Error::occupied);
    ASSERT_TRUE(system_->release(again).ok());
    close();
}

TEST_F(Details, NamesAreExchanged) {
    open(make_image(8192));
    const FileId one = file("file");
    const FileId d = system_->make_directory(root_, "d", {.mode = 0755}).value();
    const FileId in = system_->make_directory(d, "in", {.mode = 0755}).value();
    const FileId deep = system_->make_directory(in, "deep", {.mode = 0755}).value();
    EXPECT_EQ(system_->exchange(root_, "file", root_, "none").error(), Error::not_found);
    EXPECT_EQ(system_->exchange(root_, "none", root_, "file").error(), Error::not_found);
    EXPECT_EQ(system_->exchange(root_, "d", in, "deep").error(), Error::invalid);
    EXPECT_EQ(system_->exchange(in, "deep", root_, "d").error(), Error::invalid);
    EXPECT_EQ(system_->exchange(root_, "d", d, "in").error(), Error::invalid);
    EXPECT_TRUE(system_->exchange(root_, "d", root_, "d").ok());
    ASSERT_TRUE(system_->exchange(root_, "file", in, "deep").ok());
    EXPECT_EQ(system_->lookup(root_, "file").value(), deep);
    EXPECT_EQ(system_->lookup(in, "deep").value(), one);
    EXPECT_EQ(system_->lookup(deep, "..").value(), root_);
    EXPECT_EQ(system_->attributes(in).value().links, 2u);
    ASSERT_TRUE(system_->exchange(root_, "file", root_, "d").ok());
    EXPECT_EQ(system_->lookup(root_, "file").value(), d);
    EXPECT_EQ(system_->attributes(root_).value().links, 5u);
    close();
}

TEST_F(Details, HeldFilesStayWithoutNames) {
    open(make_image(8192));
    const FileId id = file("a"), other = file("b");
    const std::vector<u8> data(50'000, 3);
    ASSERT_TRUE(system_->write(id, 0, data).ok());
    ASSERT_TRUE(system_->hold(id).ok());
    ASSERT_TRUE(system_->hold(id).ok());
    ASSERT_TRUE(system_->hold(other).ok());
    ASSERT_TRUE(system_->unlink(root_, "a").ok());
    ASSERT_TRUE(system_->unlink(root_, "b").ok());
    ASSERT_TRUE(system_->sync().ok());
    // The server dies, and comes back: a client holds its file again.
    remount();
    ASSERT_TRUE(system_->hold(id).ok());
    ASSERT_TRUE(system_->reap_orphans().ok());
    EXPECT_EQ(system_->attributes(other).error(), Error::bad_handle);
    std::vector<u8> read(data.size());
    EXPECT_EQ(system_->read(id, 0, read).value(), data.size());
    EXPECT_EQ(read, data);
    ASSERT_TRUE(system_->release(id).ok());
    EXPECT_EQ(system_->attributes(id).error(), Error::bad_handle);
    EXPECT_EQ(system_->release(id).error(), Error::bad_handle);
    close();
}

TEST_F(Details, OrphansAreFreedByE2fsck) {
    open(make_image(8192));
    const FileId id = file("a");
    ASSERT_TRUE(system_->write(id, 0, std::vector<u8>(50'000, 3)).ok());
    ASSERT_TRUE(system_->hold(id).ok());
    ASSERT_TRUE(system_->unlink(root_, "a").ok());
    ASSERT_TRUE(system_->unmount().ok());
    std::string said;
    EXPECT_EQ(e2fsck(disk_->content(), "-fy", &said), "");
    EXPECT_EQ(said.find("? yes"), std::string::npos) << said;
    EXPECT_EQ(check(disk_->content()), "");
}

/// Thousands of names: an index is made, splits, and gets a second level.
class BigDirectory : public Details, public testing::WithParamInterface<const char*> {};

TEST_P(BigDirectory, EveryNameOnce) {
    open(make_image(24 * 1024, GetParam()));
    const FileId directory = system_->make_directory(root_, "d", {.mode = 0755}).value();
    const auto name = [](int i) {
        return "entry number " + std::to_string(i) + std::string(static_cast<usize>(i % 90), 'x');
    };
    constexpr int kCount = 4000;
    std::set<std::string> expected;
    const FileId target = file("target");
    for (int i = 0; i < kCount; i++) {
        // A symbolic link takes no block, but an inode: names of one file would be of no more than 65,000.
        ASSERT_TRUE(system_->link(target, directory, name(i)).ok()) << i;
        expected.insert(name(i));
        if (i % 1000 == 999) { ASSERT_TRUE(system_->sync().ok()); }
    }
    for (int i = 0; i < kCount; i += 3) {
        ASSERT_TRUE(system_->unlink(directory, name(i)).ok()) << i;
        expected.erase(name(i));
    }
    for (int i = 0; i < kCount; i++) ASSERT_EQ(system_->lookup(directory, name(i)).ok(), i % 3 != 0) << i;
    // Listed a few at a time while others come and go.
    std::set<std::string> listed;
    bool more = true;
    int added = 0;
    for (u64 cookie = 0; more;) {
        more = false;
        int count = 0;
        ASSERT_TRUE(system_
                        ->list(directory, cookie,
                               [&](const Listed& entry) {
                                   EXPECT_TRUE(listed.insert(std::string(entry.name)).second) << entry.name;
                                   cookie = entry.next;
                                   more = true;
                                   return ++count < 40;
                               })
                        .ok());
        ASSERT_TRUE(
            system_->link(target, directory, "added " + std::to_string(added++) + std::string(100, 'y'))
                .ok());
    }
    for (const std::string& one : expected) EXPECT_TRUE(listed.contains(one)) << one;
    close();
    remount();
    for (int i = 1; i < kCount; i += 3) ASSERT_TRUE(system_->lookup(directory, name(i)).ok()) << i;
    for (int i = 0; i < kCount; i++) {
        if (i % 3 != 0) ASSERT_TRUE(system_->unlink(directory, name(i)).ok()) << i;
    }
    for (int i = 0; i < added; i++)
        ASSERT_TRUE(system_->unlink(directory, "added " + std::to_string(i) + std::string(100, 'y')).ok())
            << i;
    ASSERT_TRUE(system_->remove_directory(root_, "d").ok());
    close();
}

INSTANTIATE_TEST_SUITE_P(Shapes, BigDirectory,
                         testing::Values("", "-b 4096", "-O ^metadata_csum", "-O ^dir_index"));

// A block that is full of long names is split so that the next one fits, wherever it belongs.
TEST_F(Details, LongNamesFitAfterASplit) {
    open(make_image(24 * 1024));
    const FileId directory = system_->make_directory(root_, "d", {.mode = 0755}).value(),
                 target = file("target");
    std::mt19937_64 random(1);
    for (int i = 0; i < 4000; i++) {
        const std::string name = std::to_string(i) + std::string(215 + random() % 36, 'x');
        ASSERT_EQ(system_->link(target, directory, name).error(), Error::ok) << i;
    }
    close();
}

TEST_F(Details, ManySmallExtents) {
    open(make_image(24 * 1024));
    const FileId id = file("holes");
    const std::vector<u8> data(1024, 9);
    for (u64 i = 0; i < 3000; i++)
        ASSERT_EQ(system_->write(id, (i * 7919 % 3000) * 2048, data).value(), data.size()) << i;
    std::vector<u8> read(2048);
    for (u64 i = 0; i < 2999; i++) {
        ASSERT_EQ(system_->read(id, i * 2048, read).value(), read.size());
        ASSERT_EQ(read[0], 9);
        ASSERT_EQ(read[1024], 0);
    }
    ASSERT_TRUE(system_->sync().ok());
    EXPECT_EQ(check(disk_->content()).find("e2fsck -fn ends with 8"), std::string::npos);
    ASSERT_TRUE(system_->truncate(id, 1'000'000).ok());
    close();
    remount();
    ASSERT_TRUE(system_->unlink(root_, "holes").ok());
    close();
}

// What is cut and written again before a sync: the old file or the new one is there after a power cut, not the new
// one's bytes in the old one.
TEST_F(Details, CutTwiceAndWrittenAgain) {
    open(make_image(8192));
    const FileId id = file("a");
    ASSERT_TRUE(system_->write(id, 0, std::vector<u8>(1000, 'a')).ok());
    ASSERT_TRUE(system_->sync().ok());
    ASSERT_TRUE(system_->truncate(id, 500).ok());
    ASSERT_TRUE(system_->truncate(id, 500).ok());
    ASSERT_TRUE(system_->write(id, 500, std::vector<u8>(100, 'b')).ok());
    remount();
    std::vector<u8> read(1000);
    const usize size = system_->read(id, 0, read).value();
    for (usize i = 500; i < size; i++) ASSERT_EQ(read[i], size == 1000 ? 'a' : 'b') << i << " of " << size;
    close();
}

// Files and directories of ext3 are read; what would need another block of theirs is refused, and not taken for an error.
TEST_F(Details, BlockMaps) {
    const std::string source = scratch("maps");
    int status = 0;
    run("mkdir -p " + source + "/sub && head -c 100000 /dev/zero | tr '\\0' 'q' > " + source + "/sub/file",
        status);
    ASSERT_EQ(status, 0);
    std::vector<u8> image = make_image(8192, "-O ^extent,^64bit -d " + source);
    debugfs(image, "feature extent", true);
    open(image);
    const FileId sub = system_->lookup(root_, "sub").value(), id = system_->lookup(sub, "file").value();
    std::vector<u8> read(100'001);
    ASSERT_EQ(system_->read(id, 0, read).value(), 100'000u);
    EXPECT_EQ(read[99'999], 'q');
    EXPECT_EQ(system_->write(id, 0, read).error(), Error::unsupported);
    EXPECT_EQ(system_->truncate(id, 5).error(), Error::unsupported);
    EXPECT_EQ(system_->truncate(id, 1'000'000).error(), Error::unsupported);
    EXPECT_EQ(system_->unlink(sub, "file").error(), Error::unsupported);
    Error error = Error::ok;
    for (int i = 0; i < 20 && error == Error::ok; i++)
        error = system_->create(sub, std::to_string(i) + std::string(200, 'x'), {.mode = 0100644}).error();
    EXPECT_EQ(error, Error::unsupported);
    close();
}

TEST_F(Details, FilesOfMke2fsAreRead) {
    // Made by mke2fs -d: a directory of its own, with a link and a file.
    const std::string source = scratch("source");
    int status = 0;
    run("mkdir -p " + source + "/sub && head -c 100000 /dev/zero | tr '\\0' 'q' > " + source +
            "/sub/file && ln -s sub/file " + source + "/link",
        status);
    ASSERT_EQ(status, 0);
    open(make_image(8192, "-d " + source));
    const FileId sub = system_->lookup(root_, "sub").value();
    const FileId id = system_->lookup(sub, "file").value();
    std::vector<u8> data(200'000);
    ASSERT_EQ(system_->read(id, 0, data).value(), 100'000u);
    EXPECT_EQ(data[99'999], 'q');
    char target[100];
    EXPECT_EQ(
        std::string_view(target, system_->read_link(system_->lookup(root_, "link").value(), target).value()),
        "sub/file");
    ASSERT_TRUE(system_->rename(sub, "file", root_, "moved", true).ok());
    close();
}

// debugfs writes journals by code of its own.
TEST_F(Details, JournalOfAnotherIsReplayed) {
    std::vector<u8> image = make_image(8192);
    // A block of data for the last block of the file system, and one that is revoked afterwards.
    const std::string first = scratch("first"), commands = scratch("commands"), path = scratch("journalled");
    std::ofstream(first) << std::string(1024, 'A') << std::string(1024, 'B');
    std::ofstream(commands) << "journal_open -c -v 3\njournal_write -b 8000,8001 " << first
                            << "\njournal_write -r 8001\njournal_close\n";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
    int status = 0;
    const std::string said = run("debugfs -w -f " + commands + " " + path, status);
    ASSERT_EQ(status, 0) << said;
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(image.data()), static_cast<std::streamsize>(image.size()));
    open(image);
    EXPECT_EQ(system_->volume().replayed(), 2u) << said;
    EXPECT_EQ(disk_->content()[8000 * 1024], 'A');
    EXPECT_NE(disk_->content()[8001 * 1024], 'B');
    close();
}

TEST_F(Details, WhatIsRefused) {
    const auto mount = [](std::vector<u8> image, bool read_only) {
        MemoryDisk disk(std::move(image));
        return FileSystem::mount(disk, {.read_only = read_only}).error();
    };
    EXPECT_EQ(mount(std::vector<u8>(1 << 20), false), Error::invalid);
    EXPECT_EQ(mount(std::vector<u8>(512), false), Error::invalid);
    EXPECT_EQ(mount(make_image(8192, "-O inline_data"), false), Error::unsupported);
    EXPECT_EQ(mount(make_image(8192, "-O encrypt"), false), Error::unsupported);
    EXPECT_EQ(mount(make_image(8192, "-O bigalloc"), false), Error::unsupported);
    EXPECT_EQ(mount(make_image(8192, "-O ^has_journal"), false), Error::unsupported);
    EXPECT_EQ(mount(make_image(8192, "-O ^has_journal"), true), Error::ok);
    EXPECT_EQ(mount(make_image(8192, "-O quota"), false), Error::unsupported);
    EXPECT_EQ(mount(make_image(8192, "-O quota"), true), Error::ok);
    std::vector<u8> cut_off = make_image(8192);
    cut_off.resize(4 << 20);
    EXPECT_EQ(mount(cut_off, false), Error::io);
}

TEST_F(Details, ReadOnly) {
    open(make_image(8192));
    file("a");
    ASSERT_TRUE(system_->sync().ok());
    const std::vector<u8> dirty = disk_->content();
    close();
    MemoryDisk disk(disk_->content());
    disk.set_read_only();
    EXPECT_EQ(FileSystem::mount(disk, {}).error(), Error::access);
    const auto mounted = FileSystem::mount(disk, {.read_only = true});
    ASSERT_TRUE(mounted.ok());
    EXPECT_TRUE(mounted.value()->lookup(root_, "a").ok());
    EXPECT_EQ(mounted.value()->create(root_, "b", {.mode = 0100644}).error(), Error::access);
    EXPECT_TRUE(mounted.value()->sync().ok());
    // Its journal can't be replayed.
    MemoryDisk unclean(dirty);
    unclean.set_read_only();
    EXPECT_EQ(FileSystem::mount(unclean, {.read_only = true}).error(), Error::access);
}

TEST_F(Details, Statistics) {
    open(make_image(8192));
    const Statistics before = system_->statistics().value();
    EXPECT_EQ(before.block_size, 1024u);
    const FileId id = file("a");
    ASSERT_TRUE(system_->write(id, 0, std::vector<u8>(10 * 1024)).ok());
    const Statistics after = system_->statistics().value();
    EXPECT_EQ(before.free - after.free, 10u);
    EXPECT_EQ(before.free_files - after.free_files, 1u);
    EXPECT_LT(after.available, after.free);
    EXPECT_EQ(system_->attributes(id).value().sectors, 20u);
    close();
}

TEST(Checksum, BothWaysAgree) {
    std::vector<u8> data(1000);
    for (usize i = 0; i < data.size(); i++) data[i] = static_cast<u8>(i * 7 + i / 13);
    EXPECT_EQ(~crc32c(~0u, "123456789", 9), 0xe3069283u);
    for (usize at = 0; at < 20; at++)
        for (usize size = 0; size < 100; size++)
            EXPECT_EQ(crc32c(5, data.data() + at, size), crc32c_by_tables(5, data.data() + at, size));
}

}  // namespace

}  // namespace pith::ext4::test
