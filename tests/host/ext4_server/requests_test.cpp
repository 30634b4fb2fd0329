// SPDX-License-Identifier: MIT
// Submissions that a client must not make, and what sessions promise about numbers, holds and what is committed.
#include <gtest/gtest.h>

#include "tests/host/ext4/image.hpp"
#include "tests/host/ext4_server/client.hpp"

namespace pith::ext4fs::test {

namespace {

using enum Fs::Operation;

class Requests : public testing::Test {
  protected:
    void SetUp() override { begin({ext4::test::make_image(8192)}); }
    void begin(const Remains& remains) {
        life_ = std::make_unique<Life>(script_, remains, 1);
        life_->begin();
        ASSERT_EQ(life_->attach(), "");
        root_ = life_->client().ids.at(0);
    }
    Fs::Completion send(Fs::Submission request, std::string_view content = {}) {
        if (request.operation >= static_cast<u32>(create) && request.change == 0) request.change = ++changes_;
        return life_->send(request, content);
    }
    Error error(const Fs::Submission& request, std::string_view content = {}) {
        return static_cast<Error>(send(request, content).error);
    }
    Fs::Submission request(Fs::Operation operation, Fs::FileId file = {}) {
        Fs::Submission made{};
        made.operation = static_cast<u32>(operation);
        made.file = file;
        made.time.seconds = 1'700'000'000;
        return made;
    }
    Fs::Submission named(Fs::Operation operation, std::string_view name, u32 mode = 0) {
        Fs::Submission made = request(operation, root_);
        made.name_size = static_cast<u16>(name.size());
        made.mode = mode;
        return made;
    }
    Fs::FileId make(std::string_view name) {
        EXPECT_EQ(error(named(create, name, 0100644), name), Error::ok);
        return made();
    }
    Fs::FileId made() {
        Fs::Attributes found;
        std::memcpy(&found, life_->window(), sizeof found);
        return found.id;
    }

    const Script script_{1, 1};
    std::unique_ptr<Life> life_;
    Fs::FileId root_;
    u64 changes_ = 0;
};

TEST_F(Requests, BadOnesAreRefused) {
    const Fs::FileId file = make("file");
    Fs::Submission bad = request(Fs::Operation::read, file);
    for (const u64 place : {u64{1}, u64{511}, u64{1} << 40, ~u64{511}}) {
        bad.place = place;
        bad.place_size = 512;
        EXPECT_EQ(error(bad), Error::invalid) << place;
    }
    bad = request(Fs::Operation::read, file);
    bad.place_size = ~0u;
    EXPECT_EQ(error(bad), Error::invalid);
    bad.place_size = 4096;
    bad.length = 4097;
    EXPECT_EQ(error(bad), Error::invalid);
    bad.length = ~u64{0};
    EXPECT_EQ(error(bad), Error::invalid);
    bad = request(write, file);
    bad.place_size = 4096;
    bad.length = 4097;
    EXPECT_EQ(error(bad), Error::invalid);
    bad = request(write, file);
    bad.offset = ~u64{0} - 5;
    bad.length = 4000;
    EXPECT_EQ(error(bad), Error::invalid);
    // Names longer than they may be, or than their place.
    const std::string name(300, 'n');
    EXPECT_EQ(error(named(Fs::Operation::lookup, name), name), Error::invalid);
    bad = named(Fs::Operation::lookup, "name");
    bad.place_size = 3;
    EXPECT_EQ(error(bad, "name"), Error::invalid);
    for (const std::string_view odd :
         {std::string_view(""), std::string_view("a/b"), std::string_view("a\0b", 3), std::string_view("."),
          std::string_view("..")})
        EXPECT_EQ(error(named(create, odd, 0100644), odd), Error::invalid) << odd;
    // No room for the answer.
    bad = named(Fs::Operation::lookup, "file");
    bad.place_size = 100;
    EXPECT_EQ(error(bad, "file"), Error::invalid);
    bad = named(create, "new", 0100644);
    bad.place_size = 100;
    EXPECT_EQ(error(bad, "new"), Error::invalid);
    EXPECT_EQ(error(named(Fs::Operation::lookup, "new"), "new"), Error::not_found);
    bad = request(Fs::Operation::list, root_);
    bad.place_size = 279;
    EXPECT_EQ(error(bad), Error::invalid);
    // Times, flags, operations, types.
    bad = request(truncate, file);
    bad.time.nanoseconds = 1'000'000'000;
    EXPECT_EQ(error(bad), Error::invalid);
    bad = request(truncate, file);
    bad.flags = Fs::kHold;
    EXPECT_EQ(error(bad), Error::invalid);
    for (const u32 operation : {0u, 13u, 31u, 46u, ~0u}) {
        bad = request(static_cast<Fs::Operation>(operation), file);
        bad.change = operation >= 32 && operation < 46 ? ++changes_ : 0;
        EXPECT_EQ(static_cast<Error>(life_->send(bad).error), Error::invalid) << operation;
    }
    EXPECT_EQ(error(named(create, "odd", 0170000), "odd"), Error::invalid);
    EXPECT_EQ(error(named(create, "odd", 1u << 20), "odd"), Error::invalid);
    // Files that are none.
    for (const Fs::FileId odd :
         {Fs::FileId{0, 0}, Fs::FileId{file.number, file.generation + 1},
          Fs::FileId{file.number | u64{1} << 32, file.generation}, Fs::FileId{~u64{0}, ~u64{0}}}) {
        EXPECT_EQ(error(request(Fs::Operation::attributes, odd)), Error::bad_handle);
        EXPECT_EQ(error(request(truncate, odd)), Error::bad_handle);
    }
    EXPECT_EQ(error(request(Fs::Operation::list, file)), Error::wrong_type);
}

TEST_F(Requests, NumbersGrow) {
    const Fs::FileId file = make("file");
    Fs::Submission change = request(truncate, file);
    change.change = changes_;  // once more
    EXPECT_EQ(error(change), Error::invalid);
    change.change = changes_ + 10;
    EXPECT_EQ(error(change), Error::ok);
    change.change = changes_ + 9;
    EXPECT_EQ(error(change), Error::invalid);
    Fs::Submission look = request(Fs::Operation::attributes, file);
    look.change = changes_ + 20;
    EXPECT_EQ(static_cast<Error>(life_->send(look).error), Error::invalid);
    const Fs::Completion done = send(request(Fs::Operation::commit));
    EXPECT_EQ(done.error, 0u);
    EXPECT_EQ(done.committed, changes_ + 10);
}

TEST_F(Requests, FailedChangesCountAsCommitted) {
    make("file");
    EXPECT_EQ(send(request(Fs::Operation::commit)).committed, 1u);
    EXPECT_EQ(error(named(create, "file", 0100644), "file"), Error::exists);
    EXPECT_TRUE(life_->session().uncommitted());
    EXPECT_EQ(send(request(Fs::Operation::commit)).committed, 2u);
    EXPECT_FALSE(life_->session().uncommitted());
    // Also across a death.
    begin(life_->die(life_->moments() - 1, [] { return true; }));
    EXPECT_GE(life_->client().committed, 1u);
}

TEST_F(Requests, OpenedAgainItGoesBackToWhatIsCommitted) {
    make("first");
    EXPECT_EQ(send(request(Fs::Operation::commit)).error, 0u);
    make("second");
    life_->begin();
    EXPECT_EQ(error(request(Fs::Operation::attributes, root_)), Error::bad_state);
    ASSERT_EQ(life_->attach(), "");
    EXPECT_EQ(error(named(Fs::Operation::lookup, "first"), "first"), Error::ok);
    EXPECT_EQ(error(named(Fs::Operation::lookup, "second"), "second"), Error::not_found);
}

TEST_F(Requests, AnotherSessionLetsGoOfHolds) {
    const Fs::FileId file = make("file");
    Fs::Submission change = named(unlink, "file");
    change.flags = Fs::kHold;
    EXPECT_EQ(error(change, "file"), Error::ok);
    EXPECT_EQ(error(request(hold, file)), Error::ok);  // a set: once more is nothing
    EXPECT_EQ(send(request(Fs::Operation::commit)).error, 0u);
    // The same session: it may hold it again.
    life_->begin();
    ASSERT_EQ(life_->attach(), "");
    changes_ = life_->client().committed;
    EXPECT_EQ(error(request(hold, file)), Error::ok);
    EXPECT_EQ(error(request(recovered)), Error::ok);
    EXPECT_EQ(error(request(Fs::Operation::attributes, file)), Error::ok);
    life_->session().open(Life::kSession + 1);
    Fs::Attach where{0, 0, life_->disk().size() / 512, 0};
    EXPECT_EQ(error(request(Fs::Operation::attach), {reinterpret_cast<const char*>(&where), sizeof where}),
              Error::ok);
    EXPECT_EQ(error(request(Fs::Operation::attributes, file)), Error::bad_handle);
}

TEST_F(Requests, MadeAgainAsItWas) {
    const Fs::FileId file = make("file");
    Fs::Submission again = named(create, "other", 0100644);
    again.flags = Fs::kAnswered;
    again.answer = file;
    EXPECT_EQ(error(again, "other"), Error::occupied);
    again.answer = {2000, 12345};
    EXPECT_EQ(error(again, "other"), Error::ok);
    EXPECT_EQ(made(), (Fs::FileId{2000, 12345}));
    EXPECT_EQ(error(request(Fs::Operation::attributes, {2000, 12345})), Error::ok);
    again = named(create, "third", 0100644);
    again.flags = Fs::kAnswered;
    for (const Fs::FileId odd :
         {Fs::FileId{}, Fs::FileId{2, 1}, Fs::FileId{1u << 30, 1}, Fs::FileId{u64{1} << 33, 1}}) {
        again.answer = odd;
        EXPECT_EQ(error(again, "third"), Error::invalid);
    }
    EXPECT_EQ(error(request(detach)), Error::ok);
    EXPECT_EQ(ext4::test::check(life_->disk()), "");
    EXPECT_EQ(error(request(Fs::Operation::attributes, file)), Error::bad_state);
}

TEST_F(Requests, HolesAreFound) {
    const Fs::FileId file = make("file");
    Fs::Submission change = request(write, file);
    change.offset = 40'960;
    change.length = 5;
    EXPECT_EQ(error(change, "bytes"), Error::ok);
    change = request(allocate, file);
    change.offset = 100'000;
    change.length = 5000;
    EXPECT_EQ(error(change), Error::ok);
    Fs::Submission seek = request(Fs::Operation::seek, file);
    EXPECT_EQ(send(seek).value, 40'960u);
    seek.flags = Fs::kHole;
    EXPECT_EQ(send(seek).value, 0u);
    seek.offset = 40'963;
    EXPECT_GT(send(seek).value, 40'963u);
    seek.offset = 105'000;
    EXPECT_EQ(error(seek), Error::not_found);
    seek.flags = 0;
    seek.offset = 50'000;
    EXPECT_EQ(error(seek), Error::not_found);
}

/// Any bytes as a submission: an error is fine, and so is an effect; crashes (ASan looks) and places outside the window are not.
TEST_F(Requests, FilesWithoutNames) {
    Fs::Submission unnamed = request(create_unnamed, root_);
    unnamed.mode = 0100600;
    ASSERT_EQ(error(unnamed), Error::ok);
    const Fs::FileId kept = made();
    ASSERT_EQ(error(unnamed), Error::ok);
    const Fs::FileId gone = made();
    Fs::Submission link = named(Fs::Operation::link, "kept");
    link.file = kept;
    link.other = root_;
    EXPECT_EQ(error(link, "kept"), Error::ok);
    EXPECT_EQ(error(request(release, gone)), Error::ok);
    EXPECT_EQ(error(request(Fs::Operation::attributes, gone)), Error::bad_handle);
    // As what it was, and held at once.
    unnamed.flags = Fs::kAnswered;
    unnamed.answer = gone;
    EXPECT_EQ(error(unnamed), Error::ok);
    EXPECT_TRUE(made() == gone);
    link = named(Fs::Operation::link, "gone");
    link.file = gone;
    link.other = root_;
    EXPECT_EQ(error(link, "gone"), Error::ok);
    unnamed.flags = 0;
    unnamed.mode = 0040700;
    EXPECT_EQ(error(unnamed), Error::invalid);
    unnamed.mode = 0100600;
    unnamed.file = kept;
    EXPECT_EQ(error(unnamed), Error::wrong_type);
    // Who leaves holds nothing.
    unnamed.file = root_;
    ASSERT_EQ(error(unnamed), Error::ok);
    EXPECT_EQ(error(request(detach)), Error::ok);
    EXPECT_EQ(ext4::test::check(life_->disk()), "");
}

TEST_F(Requests, RandomOnesDoNoHarm) {
    std::mt19937_64 random(7);
    std::vector<Fs::FileId> files{root_, make("a"), make("b")};
    for (u32 i = 0; i < 20'000; i++) {
        Fs::Submission any{};
        auto* words = reinterpret_cast<u64*>(&any);
        for (usize w = 0; w < sizeof any / 8; w++)
            words[w] = random() % 3 == 0 ? 0 : random() >> random() % 64;
        any.operation = random() % 4 == 0 ? static_cast<u32>(any.operation % 50)
                                          : static_cast<u32>(random() % 2 * 31 + random() % 15);
        if (any.operation == static_cast<u32>(detach) ||
            any.operation == static_cast<u32>(Fs::Operation::attach))
            continue;
        if (random() % 4 != 0) any.file = files[random() % files.size()];
        if (random() % 4 != 0) any.other = files[random() % files.size()];
        if (random() % 8 != 0) any.place = random() % 8 * 512;
        if (random() % 8 != 0) any.place_size = static_cast<u32>(random() % 20'000);
        if (random() % 2 == 0) any.length %= 20'000;
        if (random() % 2 == 0) any.offset %= 1'000'000;
        any.name_size %= 8;
        any.other_size %= 8;
        any.mode &= 0177777;
        if (random() % 16 != 0) any.flags = random() % 2 == 0 ? 0 : 1u << random() % 9;
        any.time.nanoseconds %= 1'000'000'001;
        any.accessed.nanoseconds = any.modified.nanoseconds = 0;
        any.change = any.operation >= 32 ? changes_ += 1 : 0;
        std::string names(8 + random() % 8, 'a');
        for (char& c : names) c = static_cast<char>('a' + random() % 3);
        static_cast<void>(life_->send(any, names));
    }
    EXPECT_EQ(error(request(detach)), Error::ok);
    EXPECT_EQ(ext4::test::check(life_->disk()), "");
}

}  // namespace

}  // namespace pith::ext4fs::test
