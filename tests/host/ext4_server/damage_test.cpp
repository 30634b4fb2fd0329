// SPDX-License-Identifier: MIT
// Damaged images through the server: random bytes where metadata is. Errors are fine; crashes (ASan looks), hangs, completions that are missing,
// and writes after the file system was found broken are not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/host/ext4/image.hpp"
#include "tests/host/ext4_server/client.hpp"

namespace pith::ext4fs::test {

namespace {

constexpr unsigned kSeconds = 30;  ///< for one image; it takes milliseconds
constexpr u64 kKilobytes = 4096;

/// An image with what a script has left, unmounted or, `dirty`, not.
std::vector<u8> sample(const char* options, bool dirty) {
    const Script script(3, 80);
    Life life(script, {ext4::test::make_image(kKilobytes, std::string("-N 256 -b 1024 ") + options)}, 3);
    EXPECT_EQ(life.run(), "");
    return dirty ? life.die(life.moments() - 8, [] { return true; }).disk : life.disk();
}

/// Blocks that are not all zero and not a file's: near the beginning, or with the numbers of a directory or journal; simply all that
/// are not zero, as there is little data.
std::vector<usize> used_blocks(const std::vector<u8>& image) {
    std::vector<usize> blocks;
    for (usize at = 0; at + 1024 <= image.size(); at += 1024)
        if (std::ranges::any_of(image.begin() + static_cast<long>(at),
                                image.begin() + static_cast<long>(at) + 1024,
                                [](u8 byte) { return byte != 0; }))
            blocks.push_back(at);
    return blocks;
}

void damage(std::vector<u8>& image, const std::vector<usize>& blocks, std::mt19937_64& random) {
    for (u64 changes = 1 + random() % 20; changes > 0; changes--) {
        // The first blocks and the tables of inodes hold the most.
        const usize block = blocks[random() %
                                   (random() % 2 == 0 ? std::min<usize>(blocks.size(), 60) : blocks.size())];
        const usize at = block + random() % 1024;
        switch (random() % 4) {
            case 0: image[at] = static_cast<u8>(random()); break;
            case 1: image[at] ^= static_cast<u8>(1u << random() % 8); break;
            case 2: image[at] = random() % 2 == 0 ? 0 : 0xff; break;
            default:
                for (usize i = at / 4 * 4; i < at / 4 * 4 + 4; i++)
                    image[i] = static_cast<u8>(random() % 3 == 0 ? random() : 0);
        }
    }
}

/// Something of everything, whatever comes of it.
void use(Life& life, std::mt19937_64& random) {
    std::vector<Fs::FileId> files{{2, 0}};
    u64 changes = 0;
    for (u32 i = 0; i < 120; i++) {
        Fs::Submission request{};
        request.file = files[random() % files.size()];
        request.other = files[random() % files.size()];
        request.operation = static_cast<u32>(random() % 3 == 0 ? 32 + random() % 11 : 5 + random() % 8);
        if (request.operation >= 32) request.change = ++changes;
        request.place_size = 32 << 10;
        request.length = random() % request.place_size;
        request.offset = random() % 2 == 0 ? 0 : random() % 300'000;
        request.mode = random() % 2 == 0 ? 0100644 : 0040755;
        request.time.seconds = 1'700'000'000;
        std::string name = "n" + std::to_string(random() % 10);
        request.name_size = static_cast<u16>(name.size());
        name += "m" + std::to_string(random() % 10);
        request.other_size = static_cast<u16>(name.size() - request.name_size);
        const Fs::Completion done = life.send(request, name);
        ASSERT_NE(done.error, static_cast<u32>(Error::protocol)) << "not one completion";
        if (done.error != 0) continue;
        if (request.operation == static_cast<u32>(Fs::Operation::list)) {
            // What it lists is looked for, and used.
            std::vector<std::string> names;
            for (u64 at = 0; at < done.value;) {
                Fs::Entry entry;
                std::memcpy(&entry, life.window() + at, sizeof entry);
                ASSERT_LE(sizeof entry + entry.length, entry.size);
                names.emplace_back(reinterpret_cast<char*>(life.window() + at + sizeof entry), entry.length);
                at += entry.size;
            }
            for (usize n = 0; n < std::min<usize>(names.size(), 6); n++) {
                Fs::Submission lookup{};
                lookup.operation = static_cast<u32>(Fs::Operation::lookup);
                lookup.file = request.file;
                lookup.name_size = static_cast<u16>(names[n].size());
                if (life.send(lookup, names[n]).error != 0) continue;
                Fs::Attributes found;
                std::memcpy(&found, life.window(), sizeof found);
                files.push_back(found.id);
            }
        }
        if (request.operation == 32) {
            Fs::Attributes made;
            std::memcpy(&made, life.window(), sizeof made);
            files.push_back(made.id);
        }
    }
}

struct Kind {
    const char* name;
    const char* options;
    bool dirty;
};

class Damage : public testing::TestWithParam<Kind> {};

TEST_P(Damage, DoesNotSpread) {
    const char* asked = std::getenv("PITH_EXT4_IMAGES");
    const u64 images = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 120;
    const std::vector<u8> image = sample(GetParam().options, GetParam().dirty);
    const std::vector<usize> blocks = used_blocks(image);
    const Script none(1, 1);
    u64 attached = 0;
    for (u64 i = 0; i < images; i++) {
        ::alarm(kSeconds);
        std::mt19937_64 random(i);
        std::vector<u8> broken = image;
        damage(broken, blocks, random);
        Life life(none, {std::move(broken)}, i);
        life.begin();
        if (!life.attach().empty()) continue;
        attached++;
        use(life, random);
        if (HasFatalFailure()) return;
        Fs::Submission request{};
        request.operation = static_cast<u32>(random() % 2 == 0 ? Fs::Operation::recovered
                                                               : Fs::Operation::commit);
        static_cast<void>(life.send(request));
        request.operation = static_cast<u32>(Fs::Operation::detach);
        static_cast<void>(life.send(request));
    }
    ::alarm(0);
    EXPECT_GT(attached, images / 20);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Damage,
                         testing::Values(Kind{"NoChecksums", "-O ^metadata_csum,^64bit,^uninit_bg", false},
                                         Kind{"NoChecksumsDirty", "-O ^metadata_csum,^64bit,^uninit_bg",
                                              true},
                                         Kind{"Default", "", false}, Kind{"DefaultDirty", "", true}),
                         [](const auto& kind) { return kind.param.name; });

/// What makes no sense in memory is looked at again, by a new life, before the disk is taken for broken and told so.
TEST(Doubt, ComesBeforeTheVerdict) {
    const std::vector<u8> image = ext4::test::make_image(kKilobytes, "-N 256 -b 1024");
    const Script none(1, 1);
    Life life(none, {image}, 1);
    life.begin();
    ASSERT_EQ(life.attach(), "");
    Fs::Submission lookup{};
    lookup.operation = static_cast<u32>(Fs::Operation::lookup);
    lookup.file = {2, 0};
    const std::string name = "lost+found";
    lookup.name_size = static_cast<u16>(name.size());
    ASSERT_EQ(life.send(lookup, name).error, 0u);
    Fs::Attributes found;
    std::memcpy(&found, life.window(), sizeof found);
    // The directory's block, by the name of its parent: here what was read of it is wrong, and what is on the disk is not.
    std::vector<u8>& disk = life.device().content();
    const u8 names[] = {'.', '.', 0, 0};
    std::vector<usize> blocks;
    for (usize at = 0; at + 1024 <= disk.size(); at += 1024)
        if (std::ranges::equal(names, std::span(&disk[at + 20], 4)) && disk[at] != 2) blocks.push_back(at);
    ASSERT_EQ(blocks.size(), 1u);
    disk[blocks[0] + 21] ^= 1;
    lookup.file = found.id;
    EXPECT_EQ(life.send(lookup, name).error, static_cast<u32>(Error::io));
    EXPECT_EQ(life.doubts(), 1u);
    // It ends there; what it leaves is as it was.
    std::vector<u8> left = life.at_doubt();
    left[blocks[0] + 21] ^= 1;
    Life next(none, {left}, 2);
    next.begin();
    ASSERT_EQ(next.attach(), "");
    const Fs::Completion answer = next.send(lookup, name);
    EXPECT_EQ(answer.error, static_cast<u32>(Error::not_found));
    EXPECT_EQ(answer.flags & Fs::kReadOnly, 0u);
    EXPECT_EQ(next.doubts(), 0u);
    // One that goes on, as the disk is broken, changes nothing more, and raises no doubts again.
    EXPECT_NE(life.send(lookup, name).flags & Fs::kReadOnly, 0u);
    EXPECT_EQ(life.doubts(), 1u);
}

}  // namespace

}  // namespace pith::ext4fs::test
