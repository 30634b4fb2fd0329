// SPDX-License-Identifier: MIT
// The file system client's requests against a server that works: each operation, the queue, the log.
#include "lib/fs/requests.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <list>

#include "tests/host/fs/rig.hpp"

namespace pith::fs_test {
namespace {

TEST(Requests, EachOperation) {
    Data data("some data");
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    const Fs::FileId root = fs.attached().root;
    Call made, linked, made_link, made_directory;
    fs.create(made, root, "file", {kFile | 0644, 7, 8, 0}, {5, 0, 0});
    fs.create(made_directory, root, "directory", {kDirectory | 0755, 0, 0, 0}, {5, 0, 0});
    fs.create_link(made_link, root, "symbolic", std::string(4000, 'x'), {}, {6, 0, 0});
    rig.run();
    ASSERT_EQ(made.ended(), Error::ok);
    ASSERT_EQ(made_directory.ended(), Error::ok);
    ASSERT_EQ(made_link.ended(), Error::ok);
    EXPECT_EQ(made.attributes.user, 7u);
    const Fs::FileId file = made.attributes.id;
    fs.link(linked, file, root, "another", {7, 0, 0});
    Call again, lookup, missing, attributes, moved, target, mode;
    fs.create(again, root, "file", {kFile | 0644, 7, 8, 0}, {5, 0, 0});
    fs.lookup(lookup, root, "another");
    fs.lookup(missing, root, std::string(255, 'n'));
    fs.rename(moved, root, "another", made_directory.attributes.id, "moved", {}, false, {8, 0, 0});
    fs.set_attributes(mode, file, {Fs::kSetMode, 0600, 0, 0, {}, {}}, {9, 0, 0});
    fs.get_attributes(attributes, file);
    char text[10];
    target.to = {reinterpret_cast<u8*>(text), sizeof(text)};
    fs.read_link(target, made_link.attributes.id);
    rig.run();
    EXPECT_EQ(linked.ended(), Error::ok);
    EXPECT_EQ(again.ended(), Error::exists);
    EXPECT_TRUE(lookup.ended() == Error::ok && lookup.attributes.id == file);
    EXPECT_EQ(missing.ended(), Error::not_found);
    EXPECT_EQ(moved.ended(), Error::ok);
    EXPECT_EQ(mode.ended(), Error::ok);
    EXPECT_TRUE(attributes.ended() == Error::ok && attributes.attributes.mode == (kFile | 0600) &&
                attributes.attributes.links == 2);
    EXPECT_TRUE(target.ended() == Error::ok && target.value == 10);

    Call written, cut, grown, hole, read, listed, statistics;
    fs.write(written, file, 3, 9, data, {10, 0, 0});
    fs.truncate(cut, file, 10, {11, 0, 0});
    fs.allocate(grown, file, 0, 20, false, {12, 0, 0});
    fs.seek(hole, file, 2, true);
    u8 bytes[100], entries[1000];
    read.to = bytes;
    fs.read(read, file, 0, sizeof(bytes));
    listed.to = entries;
    fs.list(listed, root, 0);
    Fs::Statistics numbers{};
    statistics.to = {reinterpret_cast<u8*>(&numbers), sizeof(numbers)};
    fs.statistics(statistics);
    rig.run();
    EXPECT_TRUE(written.ended() == Error::ok && written.value == 9);
    EXPECT_TRUE(cut.ended() == Error::ok && grown.ended() == Error::ok);
    EXPECT_TRUE(hole.ended() == Error::ok && hole.value == 20);
    EXPECT_TRUE(read.ended() == Error::ok && read.value == 20);
    EXPECT_EQ(std::memcmp(bytes, "\0\0\0some da\0", 11), 0);
    EXPECT_TRUE(listed.ended() == Error::ok && listed.value > 0);
    EXPECT_EQ(numbers.max_name, 255u);

    Call unlinked, removed, occupied, committed;
    EXPECT_FALSE(data.is_settled);
    fs.remove_directory(occupied, root, "directory", {});
    fs.unlink(unlinked, made_directory.attributes.id, "moved", file, false, {});
    fs.remove_directory(removed, root, "directory", {});
    fs.commit(committed);
    EXPECT_EQ(fs.kept(), 12u);
    rig.run();
    EXPECT_EQ(occupied.ended(), Error::occupied);
    EXPECT_TRUE(unlinked.ended() == Error::ok && removed.ended() == Error::ok &&
                committed.ended() == Error::ok);
    EXPECT_EQ(fs.kept(), 0u);
    EXPECT_EQ(fs.committed(), fs.last_change());
    EXPECT_TRUE(data.is_settled && data.error == Error::ok);
    EXPECT_TRUE(fs.idle());
}

TEST(Requests, ReadNow) {
    Data data("now");
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    Call made;
    fs.create(made, {1, 1}, "file", {kFile | 0644, 0, 0, 0}, {});
    rig.run();
    // The ring and the window are full of others' requests, and more wait.
    std::list<Call> others;
    std::vector<u8> sink(fs.max_transfer());
    for (int i = 0; i < 200; ++i) {
        others.emplace_back().to = sink;
        fs.read(others.back(), made.attributes.id, 0, i % 2 == 0 ? sink.size() : 10);
    }
    Call written, now, second;
    fs.write(written, made.attributes.id, 0, 3, data, {});
    for (int i = 0; i < 200; ++i) {
        others.emplace_back().to = sink;
        fs.read(others.back(), made.attributes.id, 0, sink.size());
    }
    u8 bytes[10];
    now.to = second.to = bytes;
    fs.read_now(now, made.attributes.id, 0, sizeof(bytes));
    fs.read_now(second, made.attributes.id, 0, sizeof(bytes));
    EXPECT_EQ(second.ended(), Error::busy);
    EXPECT_FALSE(now.is_done);
    rig.run();
    EXPECT_TRUE(now.ended() == Error::ok && now.value == 3 && bytes[2] == 'w');
    for (Call& each : others) EXPECT_EQ(each.ended(), Error::ok);
    Call large;
    fs.read_now(large, made.attributes.id, 0, fs.max_now() + 1);
    EXPECT_EQ(large.ended(), Error::invalid);
}

TEST(Requests, RefusesWhatCannotBe) {
    Data data("");
    Rig rig;
    Call early;
    rig.requests.lookup(early, {1, 1}, "x");
    EXPECT_EQ(early.ended(), Error::bad_state);
    rig.attach();
    FsRequests& fs = rig.requests;
    Call empty, name, target, read, write, list;
    fs.lookup(empty, {1, 1}, "");
    fs.create(name, {1, 1}, std::string(256, 'x'), {}, {});
    fs.create_link(target, {1, 1}, "x", std::string(4096, 'x'), {}, {});
    fs.read(read, {1, 1}, 0, fs.max_transfer() + 1);
    fs.write(write, {1, 1}, 0, fs.max_transfer() + 1, data, {});
    fs.list(list, {1, 1}, 0);
    EXPECT_EQ(empty.ended(), Error::invalid);
    EXPECT_EQ(name.ended(), Error::invalid);
    EXPECT_EQ(target.ended(), Error::invalid);
    EXPECT_EQ(read.ended(), Error::invalid);
    EXPECT_TRUE(write.ended() == Error::invalid && data.is_settled && data.error == Error::invalid);
    EXPECT_EQ(list.ended(), Error::invalid);
    EXPECT_EQ(fs.last_change(), 0u);
}

TEST(Requests, TheLogIsCommittedWhenItIsLong) {
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    std::list<Call> calls;
    for (u32 i = 0; i < 3 * FsRequests::kMaxKept; ++i)
        fs.set_attributes(calls.emplace_back(), {1, 1}, {Fs::kSetMode, i % 8, 0, 0, {}, {}}, {});
    // Those that are not sent yet are kept, too.
    EXPECT_EQ(fs.kept(), 3 * FsRequests::kMaxKept);
    rig.run();
    for (Call& call : calls) ASSERT_EQ(call.ended(), Error::ok);
    EXPECT_LE(fs.kept(), FsRequests::kMaxKept);
    EXPECT_GT(rig.server->committed, FsRequests::kMaxKept);
}

TEST(Requests, CommitFails) {
    Data data("lost");
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    Call made, written, committed, again;
    fs.create(made, {1, 1}, "file", {kFile | 0644, 0, 0, 0}, {});
    rig.run();
    fs.write(written, made.attributes.id, 0, 4, data, {});
    rig.server->commit_fails = true;
    fs.commit(committed);
    rig.run();
    EXPECT_EQ(committed.ended(), Error::io);
    EXPECT_TRUE(data.is_settled && data.error == Error::io);
    EXPECT_EQ(fs.kept(), 0u);
    fs.commit(again);
    EXPECT_EQ(again.ended(), Error::ok);
}

TEST(Requests, Detach) {
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    Call made, detached, late, later;
    fs.create(made, {1, 1}, "file", {kFile | 0644, 0, 0, 0}, {});
    fs.detach(detached);
    fs.lookup(late, {1, 1}, "file");
    rig.server->take();
    EXPECT_EQ(rig.server->todo.size(), 1u);  // by itself
    while (rig.server->step()) {}
    fs.serve();
    fs.lookup(later, {1, 1}, "file");
    rig.server->take();
    EXPECT_EQ(rig.server->todo.size(), 1u);
    rig.run();
    EXPECT_EQ(later.ended(), Error::bad_state);
    EXPECT_EQ(made.ended(), Error::ok);
    EXPECT_EQ(detached.ended(), Error::ok);
    EXPECT_EQ(late.ended(), Error::bad_state);
    EXPECT_FALSE(fs.opened());
    EXPECT_NE(rig.server->disk.lookup({1, 1}, "file"), nullptr);
    // And again, by another session.
    rig.server->committed = 0;
    rig.attach();
    Call found, made_again, committed;
    fs.lookup(found, {1, 1}, "file");
    fs.create(made_again, {1, 1}, "other", {kFile | 0644, 0, 0, 0}, {});
    fs.commit(committed);
    rig.run();
    EXPECT_EQ(found.ended(), Error::ok);
    EXPECT_EQ(committed.ended(), Error::ok);
    EXPECT_TRUE(fs.running());
}

TEST(Requests, CallersThatGo) {
    Rig rig;
    rig.attach();
    FsRequests& fs = rig.requests;
    {
        std::list<Call> calls;
        std::vector<u8> sink(fs.max_transfer());
        for (int i = 0; i < 100; ++i) {
            calls.emplace_back().to = sink;
            fs.read(calls.back(), {1, 1}, 0, sink.size());
        }
        fs.create(calls.emplace_back(), {1, 1}, "file", {kFile | 0644, 0, 0, 0}, {});
    }
    Call found;
    fs.lookup(found, {1, 1}, "file");
    rig.run();
    EXPECT_EQ(found.ended(), Error::ok);  // a change that has begun is carried out
    EXPECT_LT(rig.server->carried_out, 20u);
}

}  // namespace
}  // namespace pith::fs_test
