// SPDX-License-Identifier: MIT
// The server dies at random requests to its disk, and again while it recovers: the client goes on as protocol/fs.hpp says. Nothing that
// was answered is undone or done twice, every answer is the one that a server without deaths gives, and in the end all
// is there, and e2fsck finds nothing. Of what was not flushed any part may be lost at a death, as by a power cut: the disk's driver may have died
// with the server.
#include <gtest/gtest.h>
#include <cstdlib>

#include "lib/ext4/file_system.hpp"
#include "tests/host/ext4/image.hpp"
#include "tests/host/ext4_server/client.hpp"
#include "tests/storage/ext4/compare.hpp"

namespace pith::ext4fs::test {

namespace {

constexpr u64 kKilobytes = 8192;

std::string judge(const Script& script, Life& life) {
    if (std::string wrong = ext4::test::check(life.disk()); !wrong.empty()) return wrong;
    ext4::test::MemoryDisk disk(life.disk());
    auto mounted = ext4::FileSystem::mount(disk, {.read_only = true});
    if (!mounted.ok()) return "it can't be mounted";
    std::map<u32, u32> seen;
    std::string wrong = pith::test::compare(*mounted.value(), mounted.value()->root().value(), script, 0,
                                            seen);
    for (const auto& [handle, inode] : seen)
        if (wrong.empty() && life.client().ids.at(handle).number != inode)
            wrong = "another file than was answered";
    return wrong;
}

u64 wanted(u64 usual) {
    const char* asked = std::getenv("PITH_EXT4_DEATHS");
    return asked != nullptr ? std::strtoull(asked, nullptr, 10) : usual;
}

class Deaths : public testing::TestWithParam<const char*> {};

TEST_P(Deaths, LoseNothing) {
    const Remains fresh{ext4::test::make_image(kKilobytes, GetParam())};
    const u64 scripts = 4, deaths = wanted(5);
    u64 moments = 0;
    for (u64 seed = 0; seed < scripts; seed++) {
        const Script script(seed, 120);
        Life whole(script, fresh, seed);
        ASSERT_EQ(whole.run(), "") << "script " << seed;
        ASSERT_EQ(judge(script, whole), "") << "script " << seed;
        moments += whole.moments();
        std::mt19937_64 random(seed * 1000 + 1);
        const auto survives = [&] { return random() % 2 == 0; };
        for (u64 i = 0; i < deaths; i++) {
            Remains remains = whole.die(random() % whole.moments(), survives);
            for (u32 further = 0; further < 3; further++) {
                Life life(script, remains, random());
                ASSERT_EQ(life.run(), "") << "script " << seed << ", death " << i << ", " << further;
                if (further != 1)
                    ASSERT_EQ(judge(script, life), "")
                        << "script " << seed << ", death " << i << ", " << further;
                // Early on, where it recovers, as likely as later.
                const usize last = life.moments();
                remains = life.die(random() % (random() % 2 == 0 ? std::min<usize>(last, 40) : last),
                                   survives);
            }
        }
    }
    std::printf("%llu moments at which it could die\n", static_cast<unsigned long long>(moments));
}

INSTANTIATE_TEST_SUITE_P(Images, Deaths,
                         testing::Values("-O ^metadata_csum,^64bit", "-b 1024 -N 512", "-b 4096"));

}  // namespace

}  // namespace pith::ext4fs::test
