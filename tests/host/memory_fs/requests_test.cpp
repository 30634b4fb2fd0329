// SPDX-License-Identifier: MIT
// Submissions that a client must not make, what does not fit, and a store that was spoilt: errors, and nothing else.
#include <gtest/gtest.h>

#include <random>

#include "tests/host/memory_fs/world.hpp"

namespace pith::memory_fs::test {
namespace {

using enum Fs::Operation;

class MemoryFsRequests : public testing::Test {
  protected:
    void SetUp() override {
        world_.begin();
        ASSERT_EQ(world_.resume(), "");
        root_ = world_.client.ids.at(0);
    }
    static Fs::Submission request(Fs::Operation operation, Fs::FileId file) {
        Fs::Submission made{};
        made.operation = static_cast<u32>(operation);
        made.file = file;
        return made;
    }
    Fs::Completion send(Fs::Submission request, std::string_view content = {}) {
        if (request.operation >= static_cast<u32>(create) && request.change == 0) request.change = ++changes_;
        return world_.send(request, content);
    }
    Error error(const Fs::Submission& request, std::string_view content = {}) {
        return static_cast<Error>(send(request, content).error);
    }
    Fs::Submission named(Fs::Operation operation, std::string_view name, u32 mode = 0) {
        Fs::Submission made = request(operation, root_);
        made.name_size = static_cast<u16>(name.size());
        made.mode = mode;
        return made;
    }
    Fs::Attributes made() {
        Fs::Attributes found;
        std::memcpy(&found, world_.window().data(), sizeof found);
        return found;
    }
    Fs::FileId make(std::string_view name, u32 mode = 0100644) {
        EXPECT_EQ(error(named(create, name, mode), name), Error::ok);
        return made().id;
    }
    Fs::FileId root() const { return root_; }

    World world_;
    Fs::FileId root_;
    u64 changes_ = 0;
};

TEST_F(MemoryFsRequests, BadOnesAreRefused) {
    const Fs::FileId file = make("file");
    Fs::Submission bad = request(read, file);
    for (const u64 place : {u64{1}, u64{511}, u64{1} << 40, ~u64{511}}) {
        bad.place = place;
        bad.place_size = 512;
        EXPECT_EQ(error(bad), Error::invalid) << place;
    }
    bad = request(write, file);
    bad.place_size = 4096;
    bad.length = 4097;
    EXPECT_EQ(error(bad), Error::invalid);
    bad.length = 4096;
    bad.offset = ~u64{0} - 5;
    EXPECT_EQ(error(bad), Error::no_space);
    for (const std::string_view name : {"", ".", "..", "a/b"})
        EXPECT_EQ(error(named(create, name, 0100644), name), Error::invalid);
    EXPECT_EQ(error(named(create, "link", 0120777), "link"), Error::invalid);
    EXPECT_EQ(error(named(create, "none", 0), "none"), Error::invalid);
    EXPECT_EQ(error(named(create, "file", 0100644), "file"), Error::exists);
    EXPECT_EQ(error(named(lookup, "none"), "none"), Error::not_found);
    EXPECT_EQ(error(request(read, root())), Error::wrong_type);
    EXPECT_EQ(error(request(list, file)), Error::wrong_type);
    for (const u64 number : {u64{0}, u64{3}, u64{511}, u64{512}, ~u64{0}})
        EXPECT_EQ(error(request(attributes, {number, 2})), Error::bad_handle) << number;
    Fs::Submission again = request(truncate, file);
    again.change = changes_;
    EXPECT_EQ(error(again), Error::invalid);
    again.change = changes_ + 1;
    again.flags = Fs::kAnswered;
    EXPECT_EQ(error(again), Error::invalid);
    again = request(attributes, file);
    again.change = 1;
    EXPECT_EQ(error(again), Error::invalid);
    EXPECT_EQ(error(request(static_cast<Fs::Operation>(31), file)), Error::invalid);
    EXPECT_EQ(error(request(static_cast<Fs::Operation>(90), file)), Error::invalid);
}

TEST_F(MemoryFsRequests, DirectoriesDoNotComeBelowThemselves) {
    const Fs::FileId one = make("one", 0040755);
    Fs::Submission inner = request(create, one);
    inner.mode = 0040755;
    inner.name_size = 3;
    ASSERT_EQ(error(inner, "two"), Error::ok);
    const Fs::FileId two = made().id;
    for (const Fs::Operation how : {rename, exchange}) {
        Fs::Submission move = named(how, "one");
        move.other = two;
        move.other_size = 1;
        EXPECT_NE(error(move, "onex"), Error::ok);
    }
    EXPECT_EQ(error(named(remove_directory, "one"), "one"), Error::occupied);
    EXPECT_EQ(error(named(unlink, "one"), "one"), Error::wrong_type);
}

TEST_F(MemoryFsRequests, AFullStoreLosesNothing) {
    const Fs::FileId file = make("file");
    const std::string data(World::kWindow, 'x');
    Fs::Submission write = request(Fs::Operation::write, file);
    write.length = data.size();
    Fs::Completion done{};
    for (; (done = send(write, data)).error == 0 && done.value != 0; write.offset += done.value) {}
    EXPECT_EQ(static_cast<Error>(done.error), Error::no_space);
    EXPECT_EQ(done.available, 0u);
    Fs::Submission link = named(create_link, "link");
    link.other_size = 6;
    EXPECT_EQ(error(link, "linktarget"), Error::no_space);
    EXPECT_EQ(error(named(lookup, "link"), "link"), Error::not_found);
    ASSERT_EQ(error(request(attributes, file)), Error::ok);
    EXPECT_EQ(made().size, write.offset);
    write.offset = 0;
    EXPECT_EQ(send(write, data).value, data.size());
    EXPECT_EQ(error(request(truncate, file)), Error::ok);
    Fs::Submission allocate = request(Fs::Operation::allocate, file);
    allocate.length = u64{1} << 40;
    EXPECT_EQ(error(allocate), Error::no_space);
    allocate.length = 600 * kPage;
    EXPECT_EQ(error(allocate), Error::ok);
    EXPECT_EQ(error(allocate), Error::ok);
    EXPECT_EQ(error(named(unlink, "file"), "file"), Error::ok);
    const u64 free = world_.store().free_pages();
    world_.begin();
    EXPECT_FALSE(world_.store().broken());
    EXPECT_EQ(world_.store().free_pages(), free);
    EXPECT_EQ(free, world_.store().geometry().pages - world_.store().geometry().first - 1);
}

TEST_F(MemoryFsRequests, HolesAreFound) {
    const Fs::FileId file = make("file");
    Fs::Submission write = request(Fs::Operation::write, file);
    write.length = 100;
    write.offset = 10'000'000'000;
    ASSERT_EQ(error(write), Error::ok);
    Fs::Submission seek = request(Fs::Operation::seek, file);
    seek.offset = 9'999'900'000;
    EXPECT_EQ(send(seek).value, 10'000'000'000 / kPage * kPage);
    seek.flags = Fs::kHole;
    EXPECT_EQ(send(seek).value, seek.offset);
    seek.offset = 10'000'000'050;
    EXPECT_EQ(send(seek).value, 10'000'000'100u);
    Fs::Submission punch = request(Fs::Operation::punch, file);
    punch.offset = 0;
    punch.length = 20'000'000'000;
    ASSERT_EQ(error(punch), Error::ok);
    EXPECT_EQ(error(request(attributes, file)), Error::ok);
    EXPECT_EQ(made().sectors, 0u);
    EXPECT_EQ(made().size, 10'000'000'100u);
}

TEST_F(MemoryFsRequests, AnotherSessionBeginsItsCount) {
    const Fs::FileId file = make("file");
    Fs::Submission gone = named(unlink, "file");
    gone.flags = Fs::kHold;
    ASSERT_EQ(error(gone, "file"), Error::ok);
    EXPECT_EQ(error(request(attributes, file)), Error::ok);
    world_.client = {};
    ASSERT_EQ(world_.resume(78), "");
    EXPECT_EQ(error(request(attributes, file)), Error::bad_handle);
    changes_ = 0;
    make("other");
}

/// Anything with numbers that make some sense.
void use(World& world, std::mt19937_64& random) {
    std::vector<Fs::FileId> files{world.client.ids[0]};
    u64 changes = 0;
    for (u32 i = 0; i < 100; i++) {
        Fs::Submission request{};
        request.file = files[random() % files.size()];
        request.other = files[random() % files.size()];
        request.operation = static_cast<u32>(random() % 3 == 0 ? 32 + random() % 13 : 3 + random() % 10);
        if (request.operation >= 32) request.change = ++changes;
        request.place_size = 32 << 10;
        request.length = random() % request.place_size;
        request.offset = random() % 2 == 0 ? 0 : random() % 300'000;
        request.mode = random() % 2 == 0 ? 0100644 : 0040755;
        std::string name = "n" + std::to_string(random() % 10);
        request.name_size = static_cast<u16>(name.size());
        name += "m" + std::to_string(random() % 10);
        request.other_size = static_cast<u16>(name.size() - request.name_size);
        const auto done = world.send(request, name);
        ASSERT_NE(done.error, static_cast<u32>(Error::protocol)) << "not one completion";
        if (done.error != 0 || (request.operation != 32 && request.operation != 6)) continue;
        Fs::Attributes found;
        std::memcpy(&found, world.window().data(), sizeof found);
        files.push_back(found.id);
    }
}

TEST(MemoryFsDamage, DoesNotSpread) {
    World sample;
    sample.begin();
    ASSERT_EQ(sample.resume(), "");
    const Script script(3, 150);
    for (const Step& step : script.steps()) ASSERT_EQ(sample.perform(step), "");
    u64 opened = 0;
    for (u64 i = 0; i < 600; i++) {
        std::mt19937_64 random(i);
        World world;
        world.memory = sample.memory;
        const bool before = random() % 2 == 0;
        if (!before) world.begin();
        for (u64 bits = 1 + random() % 3; bits-- > 0;) {
            // What there is much of is not all that matters.
            const u64 word = random() % 2 == 0   ? random() % world.memory.size()
                             : random() % 2 == 0 ? random() % 32
                                                 : kTablePage * kPage / 8 + random() % (16 * 40);
            world.memory[word] ^= random() % 2 == 0 ? u64{1} << random() % 64 : random();
        }
        if (before) world.begin();
        world.client.ids[0] = {kRoot, 1};
        if (!world.resume(78).empty()) continue;
        opened++;
        use(world, random);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(opened, 60u);
    EXPECT_LT(opened, 580u);
}

}  // namespace
}  // namespace pith::memory_fs::test
