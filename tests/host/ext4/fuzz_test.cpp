// SPDX-License-Identifier: MIT
// Broken images: superblock, descriptors, bitmaps, inodes, extents, directories and journal with changes at random places (of a fixed
// seed), with and without checksums that would find them. Whatever is mounted is walked, read and written: errors are fine; crashes
// (ASan looks), hangs and accesses outside the image are not. Changes go on after the first thing found broken, so that all of it
// is met; a part is done again as by default, where nothing may be changed any more.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "lib/ext4/checksum.hpp"
#include "lib/ext4/directory.hpp"
#include "lib/ext4/extents.hpp"
#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

namespace {

constexpr unsigned kSeconds = 20;  ///< for one image; it takes milliseconds

volatile u64 current = 0;

void hangs(int) {
    char text[] = "image 0000000000 hangs\n";
    u64 value = current;
    for (int at = 15; at > 5; at--, value /= 10) text[at] = static_cast<char>('0' + value % 10);
    static_cast<void>(!::write(2, text, sizeof text - 1));
    std::abort();
}

/// A file system with something of everything in it; `dirty`: with a journal to be replayed.
std::vector<u8> sample(const char* options, bool dirty) {
    MemoryDisk disk(make_image(4096, std::string("-N 256 ") + options));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    EXPECT_TRUE(mounted.ok());
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    Actor actor(system, std::make_shared<Node>(Node{Node::directory, {}, {}, root}), 3);
    for (int i = 0; i < 150; i++) EXPECT_EQ(actor.step(), "");
    const FileId directory = system.make_directory(root, "big", {.mode = 0755}).value();
    const FileId file = system.create(directory, "file", {.mode = 0100644}).value();
    for (int i = 0; i < 150; i++)
        EXPECT_TRUE(system.link(file, directory, "name " + std::to_string(i) + std::string(60, 'n')).ok());
    const std::vector<u8> data(1024, 1);
    for (u64 i = 0; i < 300; i++) EXPECT_TRUE(system.write(file, i * 2048, data).ok());
    EXPECT_TRUE(system.hold(file).ok());
    const FileId orphan = system.create(root, "orphan", {.mode = 0100644}).value();
    EXPECT_TRUE(system.write(orphan, 0, data).ok());
    EXPECT_TRUE(system.hold(orphan).ok());
    EXPECT_TRUE(system.unlink(root, "orphan").ok());
    EXPECT_TRUE(dirty ? system.sync().ok() : system.unmount().ok());
    return disk.content();
}

/// Places of metadata, each as likely as the others.
std::vector<Blocks> targets(std::vector<u8> image) {
    std::vector<Blocks> found{{0, 3}};  // blocks of 1 KiB: the superblock, and descriptors
    const usize blocks = image.size() / 1024;
    for (u64 block = 3; block < blocks; block++) {
        const u8* at = image.data() + block * 1024;
        const u16 word = static_cast<u16>(at[0] | at[1] << 8);
        u32 journal;
        std::memcpy(&journal, at, 4);
        if (word == 0xf30a || journal == 0x98393bc0)
            found.push_back({block, 1});  // nodes of extents; the journal
    }
    MemoryDisk disk(std::move(image));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    EXPECT_TRUE(mounted.ok());
    Volume& volume = mounted.value()->volume();
    found.push_back({ext2fs_block_bitmap_loc(volume.fs(), 0), 1});
    found.push_back({ext2fs_inode_bitmap_loc(volume.fs(), 0), 1});
    for (u64 i = 0; i < 24; i++) found.push_back({ext2fs_inode_table_loc(volume.fs(), 0) + i, 1});
    for (u32 number = 1; number < 256; number++) {
        Result<Inode> inode = volume.inode(number);
        if (!inode.ok() || !inode.value().directory()) continue;
        for (u64 i = 0; i < inode.value().size() / 1024 && i < 12; i++) {
            const Result<Mapping> mapping = find_blocks(volume, inode.value(), i, 1);
            if (mapping.ok() && mapping.value().state == Mapping::written)
                found.push_back({mapping.value().block, 1});
        }
    }
    return found;
}

void damage(std::vector<u8>& image, const std::vector<Blocks>& places, std::mt19937_64& random) {
    const u64 count = 1 + random() % 6;
    for (u64 i = 0; i < count; i++) {
        const Blocks& place = places[random() % places.size()];
        u8* block = image.data() + (place.first + random() % place.count) * 1024;
        const u64 at = random() % 1024;
        switch (random() % 6) {
            case 0: block[at] = static_cast<u8>(random()); break;
            case 1: block[at] = static_cast<u8>(block[at] ^ 1u << random() % 8); break;
            case 2: std::memset(block + at, random() % 2 == 0 ? 0 : 0xff, std::min<u64>(4, 1024 - at)); break;
            case 3: {  // a small number where there was another
                const u64 aligned = at & ~u64{3};
                const u32 value = static_cast<u32>(random() % 4096);
                std::memcpy(block + aligned, &value, 4);
                break;
            }
            case 4: {  // words of the same block change places
                const u64 from = random() % 256 * 4, to = at & ~u64{3};
                std::memcpy(block + to, block + from, 4);
                break;
            }
            default: {  // a block takes another's content
                const Blocks& other = places[random() % places.size()];
                if (other.first != 0 && place.first != 0)
                    std::memcpy(block, image.data() + other.first * 1024, 1024);
            }
        }
    }
    // So that what is behind the superblock's checksum is reached.
    u8* super = image.data() + 1024;
    const u32 sum = crc32c(~0u, super, 1020);
    if (random() % 4 != 0) std::memcpy(super + 1020, &sum, 4);
}

void walk(FileSystem& system, FileId directory, int depth, u64& budget) {
    std::vector<std::string> names;
    static_cast<void>(system.list(directory, 0, [&](const Listed& entry) {
        if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
        return names.size() < 40;
    }));
    std::vector<u8> data(20'000);
    for (const std::string& name : names) {
        if (budget-- == 0) break;
        const Result<FileId> id = system.lookup(directory, name);
        if (!id.ok()) continue;
        const Result<Attributes> attributes = system.attributes(id.value());
        if (!attributes.ok()) continue;
        static_cast<void>(system.read(id.value(), attributes.value().size / 2, data));
        static_cast<void>(system.read(id.value(), 0, data));
        char target[200];
        static_cast<void>(system.read_link(id.value(), target));
        if (depth > 0) walk(system, id.value(), depth - 1, budget);
    }
}

void use(FileSystem& system, std::mt19937_64& random) {
    const Result<FileId> root = system.root();
    if (!root.ok()) return;
    u64 budget = 60;
    walk(system, root.value(), 3, budget);
    const Result<FileId> big = system.lookup(root.value(), "big");
    const FileId directory = big.ok() ? big.value() : root.value();
    const std::vector<u8> data(3000, 5);
    for (int i = 0; i < 12; i++) {
        const FileId where = i % 2 == 0 ? root.value() : directory;
        const std::string name = "new " + std::to_string(i) + std::string(random() % 100, 'm');
        const Result<FileId> made = system.create(where, name, {.mode = 0100644});
        if (!made.ok()) continue;
        static_cast<void>(system.write(made.value(), random() % 50'000, data));
        if (i % 3 == 0) static_cast<void>(system.rename(where, name, directory, "renamed", true));
    }
    if (const Result<FileId> file = system.lookup(directory, "file"); file.ok()) {
        static_cast<void>(system.write(file.value(), random() % 400'000, data));
        static_cast<void>(system.truncate(file.value(), random() % 400'000));
        static_cast<void>(system.allocate(file.value(), random() % 100'000, 50'000, true));
    }
    std::vector<std::string> names;
    static_cast<void>(system.list(root.value(), 0, [&](const Listed& entry) {
        names.emplace_back(entry.name);
        return names.size() < 30;
    }));
    for (const std::string& name : names) {
        static_cast<void>(system.unlink(root.value(), name));
        static_cast<void>(system.remove_directory(root.value(), name));
    }
    static_cast<void>(system.reap_orphans());
    static_cast<void>(system.statistics());
    static_cast<void>(system.sync());
}

/// As by default: no change after the first thing that is found broken.
void stop_at_the_first(std::vector<u8> broken, std::mt19937_64 random) {
    MemoryDisk disk(std::move(broken));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk,
                                                                    {.cache_blocks = 256, .now = test_time});
    if (!mounted.ok()) return;
    use(*mounted.value(), random);
    if (!mounted.value()->volume().failed()) return;
    const u64 writes = disk.writes();
    use(*mounted.value(), random);
    static_cast<void>(mounted.value()->unmount());
    EXPECT_EQ(disk.writes(), writes);
}

struct Kind {
    const char* name;
    const char* options;
    bool dirty;
};

class BrokenImages : public testing::TestWithParam<Kind> {};

TEST_P(BrokenImages, NeverCrash) {
    const char* wanted = std::getenv("PITH_EXT4_IMAGES");
    const u64 images = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 300;
    const std::vector<u8> image = sample(GetParam().options, GetParam().dirty);
    const std::vector<Blocks> places = targets(image);
    ::signal(SIGALRM, hangs);
    u64 mounted_count = 0;
    for (u64 i = 0; i < images; i++) {
        current = i;
        ::alarm(kSeconds);
        std::mt19937_64 random(i);
        std::vector<u8> broken = image;
        damage(broken, places, random);
        if (i % 4 == 0) stop_at_the_first(broken, random);
        MemoryDisk disk(std::move(broken));
        Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(
            disk,
            {.read_only = random() % 8 == 0, .cache_blocks = 256, .now = test_time, .change_broken = true});
        if (!mounted.ok()) continue;
        mounted_count++;
        use(*mounted.value(), random);
        if (random() % 2 == 0) static_cast<void>(mounted.value()->unmount());
    }
    ::alarm(0);
    EXPECT_GT(mounted_count, images / 20);
}

INSTANTIATE_TEST_SUITE_P(Kinds, BrokenImages,
                         testing::Values(Kind{"NoChecksums", "-O ^metadata_csum,^64bit,^uninit_bg", false},
                                         Kind{"NoChecksumsDirty", "-O ^metadata_csum,^64bit,^uninit_bg",
                                              true},
                                         Kind{"Default", "", false}, Kind{"DefaultDirty", "", true}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace

}  // namespace pith::ext4::test
