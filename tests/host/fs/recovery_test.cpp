// SPDX-License-Identifier: MIT
// What a reborn server is told, and what callers are told when it does not play along.
#include <gtest/gtest.h>

#include <list>

#include "tests/host/fs/rig.hpp"

namespace pith::fs_test {
namespace {

constexpr Fs::FileId kRoot{1, 1};

Fs::FileId make_file(Rig& rig, std::string_view name) {
    Call made;
    rig.requests.create(made, kRoot, name, {kFile | 0644, 0, 0, 0}, {});
    rig.run();
    EXPECT_EQ(made.ended(), Error::ok);
    return made.attributes.id;
}

void commit(Rig& rig, Error error = Error::ok) {
    Call committed;
    rig.requests.commit(committed);
    rig.run();
    EXPECT_EQ(committed.ended(), error);
}

/// What the server has taken, without carrying it out.
std::vector<Fs::Operation> taken(Rig& rig) {
    rig.server->take();
    std::vector<Fs::Operation> operations;
    for (const Fs::Submission& entry : rig.server->todo)
        operations.push_back(static_cast<Fs::Operation>(entry.operation));
    return operations;
}

TEST(Recovery, AnExclusiveCreateIsAnsweredOnce) {
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    rig.rebirth();
    rig.run();
    const Node* const node = rig.server->tree.lookup(kRoot, "file");
    ASSERT_NE(node, nullptr);
    EXPECT_TRUE(node->id == file);
    // One that was carried out, and not answered, is carried out as a new one.
    Call made, again;
    rig.requests.create(made, kRoot, "other", {kFile | 0644, 0, 0, 0}, {});
    rig.requests.create(again, kRoot, "other", {kFile | 0644, 0, 0, 0}, {});
    rig.server->take();
    while (rig.server->tree.lookup(kRoot, "other") == nullptr) rig.server->step();
    rig.rebirth();
    rig.run();
    EXPECT_EQ(made.ended(), Error::ok);
    EXPECT_EQ(again.ended(), Error::exists);
}

TEST(Recovery, FilesWithoutNames) {
    Rig rig;
    rig.attach();
    Call first, second;
    rig.requests.create_unnamed(first, kRoot, {kFile | 0600, 0, 0, 0}, {});
    commit(rig);
    rig.requests.create_unnamed(second, kRoot, {kFile | 0600, 0, 0, 0}, {});
    rig.run();
    ASSERT_EQ(first.ended(), Error::ok);
    ASSERT_EQ(second.ended(), Error::ok);
    const Fs::FileId committed = first.attributes.id, later = second.attributes.id;
    // The one is held again, the other made again.
    rig.rebirth();
    rig.run();
    EXPECT_EQ(rig.server->holds, 1u);
    ASSERT_NE(rig.server->tree.find(committed), nullptr);
    ASSERT_NE(rig.server->tree.find(later), nullptr);
    // With a name it needs no hold any more.
    Call named;
    rig.requests.link(named, later, kRoot, "named", {});
    rig.requests.release(later, {});
    rig.requests.release(committed, {});
    rig.rebirth();
    rig.run();
    EXPECT_EQ(named.ended(), Error::ok);
    EXPECT_EQ(rig.server->tree.lookup(kRoot, "named")->id, later);
    EXPECT_EQ(rig.server->tree.find(committed), nullptr);
    commit(rig);
    // One whose caller has gone is let go of.
    {
        Call gone;
        rig.requests.create_unnamed(gone, kRoot, {kFile | 0600, 0, 0, 0}, {});
        rig.server->take();
    }
    rig.run();
    EXPECT_EQ(rig.server->tree.nodes.size(), 2u);
}

TEST(Recovery, TheOrder) {
    Rig rig;
    rig.attach();
    const Fs::FileId held = make_file(rig, "held"), later = make_file(rig, "later");
    Call first, second, looks, waits;
    rig.requests.unlink(first, kRoot, "held", held, true, {});
    commit(rig);
    rig.requests.unlink(second, kRoot, "later", later, true, {});
    rig.run();
    rig.requests.get_attributes(looks, held);
    rig.rebirth();
    Call made;
    rig.requests.create(made, kRoot, "new", {kFile | 0644, 0, 0, 0}, {});
    using Operation = Fs::Operation;
    for (const Operation expected : {Operation::attach, Operation::hold, Operation::unlink}) {
        EXPECT_EQ(taken(rig), std::vector{expected});
        if (expected == Operation::unlink) EXPECT_NE(rig.server->todo[0].flags & Fs::kAnswered, 0u);
        while (rig.server->step()) {}
        rig.requests.serve();
    }
    EXPECT_EQ(taken(rig), (std::vector{Operation::recovered, Operation::attributes, Operation::create}));
    EXPECT_EQ(rig.server->todo[2].flags & Fs::kAnswered, 0u);
    rig.run();
    EXPECT_EQ(rig.server->holds, 1u);
    EXPECT_EQ(looks.ended(), Error::ok);
    EXPECT_NE(rig.server->tree.find(later), nullptr);
    // After its release it goes.
    rig.requests.release(held, {});
    rig.requests.release(later, {});
    rig.requests.release(later, {});
    commit(rig);
    EXPECT_EQ(rig.server->disk.nodes.size(), 2u);
    rig.rebirth();
    rig.run();
    EXPECT_EQ(rig.server->holds, 1u);
}

TEST(Recovery, TheLogIsLongerThanTheRing) {
    std::list<Data> data;
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    std::list<Call> calls;
    for (u32 i = 0; i < 500; ++i) {
        data.emplace_back(std::string(i % 3000 + 1, static_cast<char>('a' + i % 26)));
        rig.requests.write(calls.emplace_back(), file, i * 10, data.back().bytes.size(), data.back(), {});
    }
    rig.run();
    const std::string before = rig.server->tree.find(file)->data;
    rig.rebirth();
    rig.run();
    EXPECT_EQ(rig.server->tree.find(file)->data, before);
    for (const Data& each : data) EXPECT_FALSE(each.is_settled);
    commit(rig);
    for (const Data& each : data) EXPECT_TRUE(each.is_settled && each.error == Error::ok);
}

TEST(Recovery, DataThatIsNotThereAnyMore) {
    Data gone("gone"), half("half");
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    Call first, second, cut;
    rig.requests.write(first, file, 10, 4, gone, {});
    rig.requests.write(second, file, 0, 4, half, {});
    rig.run();
    gone.bytes.clear();
    half.bytes = "ha";
    rig.requests.truncate(cut, file, 2, {});
    rig.rebirth();
    rig.run();
    EXPECT_EQ(cut.ended(), Error::ok);
    EXPECT_TRUE(gone.is_settled && gone.error == Error::ok);
    EXPECT_FALSE(half.is_settled);
    rig.rebirth();
    while (rig.server->todo.empty() || rig.server->todo[0].change == 0) {
        rig.server->step();
        rig.requests.serve();
        rig.server->take();
    }
    while (rig.server->todo[0].operation != static_cast<u32>(Fs::Operation::write)) rig.server->step();
    EXPECT_EQ(rig.server->todo[0].length, 2u);
    rig.run();
    EXPECT_EQ(rig.server->tree.find(file)->data, "ha");
    commit(rig);
}

TEST(Recovery, WhatCannotBeDoneAgainIsLost) {
    Data data("lost"), more("more");
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    commit(rig);
    Call first, second;
    rig.requests.write(first, file, 0, 4, data, {});
    rig.requests.write(second, file, 4, 4, more, {});
    rig.run();
    rig.server->write_limit = 2;
    rig.rebirth();
    rig.run();
    EXPECT_TRUE(data.is_settled && data.error == Error::io);
    EXPECT_TRUE(more.is_settled && more.error == Error::io);
    commit(rig, Error::io);
    commit(rig);
}

TEST(Recovery, AShortWriteIsRepeatedAsItWas) {
    Data data("short");
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    rig.server->write_limit = 3;
    Call written;
    rig.requests.write(written, file, 0, 5, data, {});
    rig.run();
    EXPECT_TRUE(written.ended() == Error::ok && written.value == 3);
    rig.server->write_limit = 100;
    rig.rebirth();
    rig.run();
    EXPECT_EQ(rig.server->tree.find(file)->data, "sho");
    commit(rig);
}

TEST(Recovery, AChangeThatFailedIsNotRepeated) {
    Rig rig;
    rig.attach();
    make_file(rig, "file");
    Call again;
    rig.requests.create(again, kRoot, "file", {kFile | 0644, 0, 0, 0}, {});
    rig.run();
    EXPECT_EQ(again.ended(), Error::exists);
    EXPECT_EQ(rig.requests.kept(), 1u);
}

TEST(Recovery, HeldDown) {
    Data answered("answered"), waiting("waiting");
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    const Fs::FileId file = make_file(rig, "file"), held = make_file(rig, "held");
    Call written, unlinked;
    fs.write(written, file, 0, 8, answered, {});
    fs.unlink(unlinked, kRoot, "held", held, true, {});
    rig.run();
    // Under way and waiting when it is held down.
    Call write, hold, look, now;
    fs.write(write, file, 0, 7, waiting, {});
    fs.unlink(hold, kRoot, "file", file, true, {});
    fs.lookup(look, kRoot, "file");
    fs.release(held, {});
    fs.fail_all(Error::held_down);
    EXPECT_EQ(write.ended(), Error::held_down);
    EXPECT_EQ(hold.ended(), Error::held_down);
    EXPECT_EQ(look.ended(), Error::held_down);
    EXPECT_TRUE(waiting.is_settled && waiting.error == Error::held_down);
    EXPECT_FALSE(answered.is_settled);
    u8 bytes[8];
    now.to = bytes;
    fs.read_now(now, file, 0, 8);
    EXPECT_EQ(now.ended(), Error::held_down);
    Call late;
    fs.commit(late);
    EXPECT_EQ(late.ended(), Error::held_down);
    rig.open();
    rig.run();
    EXPECT_EQ(rig.server->tree.find(file)->data, "answered");
    EXPECT_EQ(rig.server->tree.nodes.size(), 2u);
    commit(rig);
    EXPECT_EQ(fs.kept(), 0u);
}

TEST(Recovery, TheServerDoesNotAttach) {
    Rig rig;
    Call first;
    rig.requests.begin({}, &first);
    rig.server->attach_error = Error::unsupported;
    rig.open();
    rig.run();
    EXPECT_EQ(rig.requests.take_attach_error(), Error::unsupported);
    EXPECT_EQ(rig.requests.take_attach_error(), Error::ok);
    EXPECT_FALSE(rig.requests.opened() || first.is_done);
    rig.requests.fail_all(Error::unsupported);
    EXPECT_EQ(first.ended(), Error::unsupported);
}

TEST(Recovery, WhileItIsDetached) {
    Rig rig;
    rig.attach();
    make_file(rig, "file");
    Call detached;
    rig.requests.detach(detached);
    rig.server->take();
    rig.rebirth();
    rig.run();
    EXPECT_EQ(detached.ended(), Error::ok);
    EXPECT_NE(rig.server->disk.lookup(kRoot, "file"), nullptr);
    EXPECT_FALSE(rig.requests.opened());
}

TEST(Recovery, AHoldThatFails) {
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    Call unlinked;
    rig.requests.unlink(unlinked, kRoot, "another", file, true, {});
    rig.run();
    EXPECT_EQ(unlinked.ended(), Error::not_found);
    const u64 last = rig.requests.last_change();
    rig.requests.release(file, {});
    EXPECT_EQ(rig.requests.last_change(), last);
    commit(rig);
    rig.rebirth();
    rig.run();
    EXPECT_EQ(rig.server->holds, 0u);
}

TEST(Recovery, ReadNowWhileItRecovers) {
    Data data("data");
    Rig rig;
    rig.attach();
    const Fs::FileId file = make_file(rig, "file");
    Call written, now;
    rig.requests.write(written, file, 0, 4, data, {});
    rig.run();
    rig.rebirth();
    u8 bytes[8];
    now.to = bytes;
    rig.requests.read_now(now, file, 0, 8);
    EXPECT_FALSE(now.is_done);
    rig.run();
    EXPECT_TRUE(now.ended() == Error::ok && now.value == 4);
}

}  // namespace
}  // namespace pith::fs_test
