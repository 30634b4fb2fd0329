// SPDX-License-Identifier: MIT
// The server dies before every single store that a change makes to the memory, and again while its successor recovers; the client goes on as
// protocol/fs.hpp says. Then everything is as if it had not died: nothing lost, nothing done twice, no page and no file forgotten.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/host/memory_fs/world.hpp"

namespace pith::memory_fs::test {
namespace {

u64 scripts() {
    const char* const text = std::getenv("PITH_MEMORY_FS_SCRIPTS");
    return text == nullptr ? 2 : std::strtoull(text, nullptr, 10);
}

/// Whether the files are what the script says.
std::string compare(World& world, const Script& script) {
    for (u32 i = 1; i < script.made().size(); i++) {
        const auto& made = script.made()[i];
        if (made.links == 0 || (made.mode & 0170000) != 0100000) continue;
        Fs::Submission request{};
        request.file = world.client.ids[i];
        request.operation = static_cast<u32>(Fs::Operation::read);
        request.length = World::kWindow;
        const auto done = world.send(request);
        const std::string content(reinterpret_cast<const char*>(world.window().data()), done.value);
        if (done.error != 0 || content != made.content)
            return "file " + std::to_string(i) + " has other content";
    }
    return {};
}

TEST(MemoryFs, DeathsLoseNothing) {
    u64 deaths = 0;
    for (u64 seed = 0; seed < scripts(); seed++) {
        const Script script(seed, 100);
        std::mt19937_64 random(seed);
        World world;
        world.begin();
        ASSERT_EQ(world.resume(), "");
        for (usize i = 0; i < script.steps().size(); i++) {
            const Step& step = script.steps()[i];
            const std::string where = "script " + std::to_string(seed) + " step " + std::to_string(i);
            const std::vector<u64> memory = world.memory;
            const Client client = world.client;
            const auto again = [&] {
                world.memory = memory;
                world.client = client;
                world.begin();
                ASSERT_EQ(world.resume(), "") << where;
            };
            again();
            ASSERT_EQ(world.perform(step), "") << where;
            const std::string wanted = world.digest();
            const u64 stride = 1 + random() % (step.operation == Fs::Operation::write ? 12 : 4);
            for (u64 moment = random() % stride;; moment += stride) {
                again();
                world.die_after(moment);
                bool died = false;
                std::string wrong;
                try {
                    wrong = world.perform(step);
                } catch (Death) { died = true; }
                if (!died) {
                    ASSERT_EQ(wrong, "") << where;
                    break;
                }
                deaths++;
                for (bool recovered = false; !recovered;) {
                    try {
                        world.begin(random() % 2 == 0 ? std::optional<u64>(random() % 40) : std::nullopt);
                        ASSERT_FALSE(world.store().broken()) << where << " moment " << moment;
                        ASSERT_EQ(world.resume(), "") << where << " moment " << moment;
                        recovered = true;
                    } catch (Death) { deaths++; }
                }
                world.die_after({});
                ASSERT_EQ(world.digest(), wanted) << where << " moment " << moment;
            }
        }
        world.begin();
        ASSERT_EQ(world.resume(), "");
        ASSERT_EQ(compare(world, script), "");
    }
    std::printf("%llu deaths\n", static_cast<unsigned long long>(deaths));
}

/// A client asks its file for the data again: it may be newer, and the file may know nothing of a write that is still to come.
TEST(MemoryFs, AWriteThatComesAgainHasNewData) {
    for (u64 moment = 0;; moment++) {
        World world;
        world.begin();
        ASSERT_EQ(world.resume(), "");
        ASSERT_EQ(
            world.perform({.operation = Fs::Operation::create, .makes = 1, .name = "file", .mode = 0100644}),
            "");
        Step step{.operation = Fs::Operation::write, .file = 1, .offset = 1000, .length = 10'000, .seed = 1};
        world.die_after(moment);
        try {
            ASSERT_EQ(world.perform(step), "");
            ASSERT_GT(moment, 10u);
            return;
        } catch (Death) {
            if (!world.client.kept) continue;
        }
        world.client.kept->seed = step.seed = 2;
        world.begin();
        ASSERT_EQ(world.resume(), "");
        Fs::Submission read{};
        read.operation = static_cast<u32>(Fs::Operation::read);
        read.file = world.client.ids[1];
        read.offset = step.offset;
        read.length = step.length;
        EXPECT_EQ(world.send(read).value, step.length);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(world.window().data()), step.length),
                  Script::data(step))
            << "moment " << moment;
    }
}

TEST(MemoryFs, DeathsWhileItIsMade) {
    for (u64 moment = 0;; moment++) {
        World world(64);
        try {
            world.begin(moment);
            ASSERT_EQ(world.resume(), "");
            ASSERT_GT(moment, 10u);
            return;
        } catch (Death) {
            world.begin();
            ASSERT_FALSE(world.store().broken());
            ASSERT_EQ(world.resume(), "");
        }
    }
}

}  // namespace
}  // namespace pith::memory_fs::test
