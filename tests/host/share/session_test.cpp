// SPDX-License-Identifier: MIT
// The server over a host that does as it should: what each request does, and in which order.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/host/share/client.hpp"

namespace {

using namespace pith;
using namespace pith::test;
using enum Fs::Operation;

constexpr u32 kRegular = 0100000, kDirectory = 0040000;

struct ShareSession : testing::Test, Fixture {
    void SetUp() override {
        host.add("folder", 0040755);
        host.add("folder/file", 0100644, "content");
        host.add("file", 0100600, "other");
        ASSERT_EQ(open(), Error::ok);
    }
    Fs::FileId make(Fs::FileId directory, std::string_view name, u32 mode) {
        Fs::Submission r = change(request(create, directory, name));
        r.mode = mode;
        return run(r) == Error::ok ? found().id : Fs::FileId{};
    }
    Error write_text(Fs::FileId file, u64 offset, std::string_view text) {
        Fs::Submission r = change(request(write, file));
        std::ranges::copy(text, window());
        r.offset = offset;
        r.length = text.size();
        return run(r);
    }
};

TEST_F(ShareSession, Attaches) {
    EXPECT_STREQ(attached().label, "label");
    EXPECT_EQ(attached().root.number, 7u);
    EXPECT_EQ(attached().statistics.available, 800u);
    EXPECT_EQ(attached().block_size, 4096u);
    EXPECT_EQ(run(request(attach, {})), Error::bad_state);
    EXPECT_EQ(run(request(detach, {})), Error::ok);
    EXPECT_EQ(run(request(statistics, {})), Error::bad_state);
    session().set_device({});
    EXPECT_EQ(open(), Error::not_found);
}

TEST_F(ShareSession, TheFoldersOwnerIsTheSuperuser) {
    host.at("file")->user = 0;
    lookup(root(), "file");
    EXPECT_EQ(found().user, 1000u);
    EXPECT_EQ(found().group, 0u);
    // A new file goes to whom it is for, if the host lets it.
    Fs::Submission r = change(request(create, root(), "mine"));
    r.mode = kRegular | 0644, r.user = 4711, r.group = 0;
    EXPECT_EQ(run(r), Error::ok);
    EXPECT_EQ(found().user, 0u);  // the host didn't
    r = change(request(create, root(), "yours"));
    r.mode = kRegular | 0644, r.user = 5, r.group = 6;
    EXPECT_EQ(run(r), Error::ok);
    EXPECT_EQ(host.at("yours")->user, 5u);
    EXPECT_EQ(host.at("yours")->group, 6u);
}

TEST_F(ShareSession, Reads) {
    const Fs::FileId folder = lookup(root(), "folder"), file = lookup(folder, "file");
    EXPECT_EQ(read(file), "content");
    EXPECT_EQ(found().id.number == 0, false);
    EXPECT_EQ(run(request(attributes, file)), Error::ok);
    EXPECT_EQ(found().size, 7u);
    EXPECT_EQ(read(folder), "?");
    Fs::Submission r = request(Fs::Operation::seek, file);
    r.flags = Fs::kHole;
    EXPECT_EQ(run(r), Error::ok);
    EXPECT_EQ(last.value, 7u);
}

TEST_F(ShareSession, ListsWithPlacesOfAnySize) {
    std::set<std::string> wanted{"folder", "file"};
    for (int i = 0; i < 300; i++) {
        const std::string name = std::string(static_cast<usize>(i % 255), 'n') + std::to_string(i);
        if (name.size() > 255) continue;
        host.add(name, 0100644);
        wanted.insert(name);
    }
    host.add(".pith-unlinked-5", 0100644);
    for (const u32 size : {312u, 512u, 1000u, 8192u}) {
        const auto names = list(root(), size);
        EXPECT_EQ(std::set(names.begin(), names.end()), wanted);
        EXPECT_EQ(names.size(), wanted.size());
    }
}

TEST_F(ShareSession, ChangesAreCommittedWhenTheNextAnswerComes) {
    make(root(), "a", kRegular | 0644);
    EXPECT_EQ(last.committed, 0u);
    make(root(), "b", kRegular | 0644);
    EXPECT_EQ(last.committed, 1u);
    EXPECT_EQ(run(request(commit, {})), Error::ok);
    EXPECT_EQ(last.committed, 2u);
    EXPECT_NE(host.at("a")->synced, 0u);
    EXPECT_NE(host.root()->synced, 0u);
    const u32 before = host.at("a")->synced;
    EXPECT_EQ(run(request(commit, {})), Error::ok);
    EXPECT_EQ(host.at("a")->synced, before);
}

/// Many files at once, while others look; and a session that ends in the middle.
TEST_F(ShareSession, CommitsGoOnBesideLooks) {
    shuffled = true;
    for (int round = 0; round < 50; round++) {
        std::vector<std::string> names;
        for (int i = 0; i < 30; i++) {
            names.push_back("round" + std::to_string(round) + "file" + std::to_string(i));
            ASSERT_NE(make(root(), names.back(), kRegular | 0644).number, 0u);
        }
        submit(request(commit, {}), 0);
        for (u64 number = 1; number < 20; number++) submit(request(attributes, root()), number);
        if (round % 2 != 0) {
            ASSERT_TRUE(work());
            ASSERT_EQ(open(), Error::ok);
            ASSERT_EQ(run(request(commit, {})), Error::ok);
        }
        while (const auto done = work()) ASSERT_EQ(done->error, 0u);
        for (const std::string& name : names) ASSERT_NE(host.at(name)->synced, 0u);
    }
}

TEST_F(ShareSession, NumbersOfChangesAreChecked) {
    Fs::Submission r = request(create, root(), "x");
    r.mode = kRegular;
    EXPECT_EQ(run(r), Error::invalid);
    r = request(Fs::Operation::lookup, root(), "file");
    r.change = 5;
    EXPECT_EQ(run(r), Error::invalid);
    make(root(), "a", kRegular | 0644);
    r = request(create, root(), "b");
    r.mode = kRegular, r.change = 1;
    EXPECT_EQ(run(r), Error::invalid);
    EXPECT_EQ(host.at("b"), nullptr);
}

TEST_F(ShareSession, DeepTreesAreWalkedAfterADeath) {
    std::string path;
    Fs::FileId at = root();
    for (int level = 0; level < 50; level++) {
        const std::string name = "level" + std::to_string(level);
        host.add(path + name, 0040755);
        path += name + "/";
        at = this->lookup(at, name);
    }
    host.add(path + "file", 0100644, "deep");
    const Fs::FileId file = this->lookup(at, "file");
    die();
    ASSERT_EQ(open(), Error::ok);
    EXPECT_EQ(read(file), "deep");
}

TEST_F(ShareSession, WhatTheHostDoesIsSeen) {
    const Fs::FileId folder = this->lookup(root(), "folder"), file = this->lookup(folder, "file");
    // Replaced: the old file is gone, the name means the new one.
    host.add("folder/file", 0100644, "new");
    EXPECT_EQ(run(request(attributes, file)),
              Error::ok);  // through the fid that is there still, as with an open file
    die();
    ASSERT_EQ(open(), Error::ok);
    EXPECT_EQ(run(request(attributes, file)), Error::bad_handle);
    const Fs::FileId other = this->lookup(folder, "file");
    EXPECT_EQ(read(other), "new");
    // Removed, and its number used again.
    const u64 number = host.at("folder/file")->number;
    host.at("folder")->entries.clear();
    die();
    ASSERT_EQ(open(), Error::ok);
    EXPECT_EQ(run(request(attributes, other)), Error::bad_handle);
    host.add("folder/again", 0100644, "again")->number = number;
    const Fs::FileId again = this->lookup(folder, "again");
    EXPECT_EQ(again.number, number);
    EXPECT_FALSE(again == other);
    EXPECT_EQ(run(request(attributes, other)), Error::bad_handle);
}

TEST_F(ShareSession, HeldFilesHaveAHiddenName) {
    for (const bool refused : {false, true}) {
        host.links_refused = refused;
        const Fs::FileId file = make(root(), "held", kRegular | 0644);
        EXPECT_EQ(write_text(file, 0, "text"), Error::ok);
        Fs::Submission r = change(request(unlink, root(), "held"));
        r.flags = Fs::kHold;
        EXPECT_EQ(run(r), Error::ok);
        EXPECT_EQ(host.at("held"), nullptr);
        EXPECT_EQ(host.root()->entries.size(), 3u);
        EXPECT_EQ(read(file), "text");
        EXPECT_EQ(run(request(attributes, file)), Error::ok);
        EXPECT_EQ(found().links, 0u);
        EXPECT_EQ(list(root()).size(), 2u);
        die();
        ASSERT_EQ(open(), Error::ok);
        EXPECT_EQ(run(request(hold, file)), Error::ok);
        EXPECT_EQ(run(request(recovered, {})), Error::ok);
        EXPECT_EQ(read(file), "text");
        EXPECT_EQ(run(change(request(release, file))), Error::ok);
        EXPECT_EQ(host.root()->entries.size(), 2u);
        EXPECT_EQ(read(file), "?");
    }
}

TEST_F(ShareSession, HeldFilesGoWithTheirSession) {
    for (int how = 0; how < 3; how++) {
        make(root(), "held", kRegular | 0644);
        Fs::Submission r = change(request(unlink, root(), "held"));
        r.flags = Fs::kHold;
        EXPECT_EQ(run(r), Error::ok);
        EXPECT_EQ(host.root()->entries.size(), 3u);
        if (how == 0) EXPECT_EQ(open(2), Error::ok);
        if (how == 1) EXPECT_EQ(run(request(detach, {})), Error::ok);
        if (how == 2) {
            die();
            ASSERT_EQ(open(3), Error::ok);
            EXPECT_EQ(run(request(recovered, {})), Error::ok);
        }
        EXPECT_EQ(host.root()->entries.size(), 2u);
        ASSERT_EQ(open(3), Error::ok);
    }
}

/// Looks and writes go on together; each sees what was submitted before it, and may see what came later.
TEST_F(ShareSession, RequestsSeeWhatWasBeforeThem) {
    constexpr u64 kRequests = 24;
    shuffled = true;
    const Fs::FileId file = make(root(), "busy", kRegular | 0644);
    std::string content(4096, 0);
    for (int round = 0; round < 200; round++) {
        std::vector<std::string> states;  // after each request
        std::map<u64, Fs::Submission> reads;
        for (u64 number = 0; number < kRequests; number++) {
            Fs::Submission r = request(random() % 2 != 0 ? write : Fs::Operation::read, file);
            r.offset = random() % 3000, r.length = 1 + random() % 1000;
            if (r.operation == static_cast<u32>(write)) {
                const std::string text(r.length, static_cast<char>('a' + random() % 26));
                std::ranges::copy(text, place(number).data());
                content.replace(r.offset, r.length, text);
                r = change(r);
            } else {
                reads[number] = r;
            }
            states.push_back(content);
            submit(r, number);
        }
        for (u64 left = kRequests; left != 0; left--) {
            const auto completion = work();
            ASSERT_TRUE(completion && completion->error == 0);
            const auto asked = reads.find(completion->id);
            if (asked == reads.end()) continue;
            std::string text(reinterpret_cast<char*>(place(completion->id).data()), completion->value);
            text.resize(asked->second.length);
            for (u64 i = 0; i < text.size(); i++) {
                const auto is_there = [&](const std::string& state) {
                    return state[asked->second.offset + i] == text[i];
                };
                ASSERT_TRUE(
                    std::any_of(states.begin() + static_cast<long>(completion->id), states.end(), is_there));
            }
        }
    }
    EXPECT_EQ(host.at("busy")->content, content.substr(0, host.at("busy")->content.size()));
}

TEST_F(ShareSession, FidsAreBounded) {
    for (u32 i = 0; i < virtio_9p::Fids::kMost + 500; i++) {
        const std::string name = "file" + std::to_string(i);
        host.add(name, 0100644, name);
        const Fs::FileId file = this->lookup(root(), name);
        ASSERT_EQ(read(file), name);
        ASSERT_LE(host.fids(), virtio_9p::Fids::kMost);
    }
}

TEST_F(ShareSession, ForgottenFilesAreFoundAgain) {
    const Fs::FileId first = this->lookup(root(), "file");
    for (u32 i = 0; i < virtio_9p::Names::kMaxRecords; i++) {
        const std::string name = "file" + std::to_string(i);
        host.add(name, 0100644);
        ASSERT_NE(this->lookup(root(), name).number, 0u);
    }
    EXPECT_EQ(run(request(attributes, first)), Error::bad_handle);
    EXPECT_TRUE(this->lookup(root(), "file") == first);
    EXPECT_EQ(read(first), "other");
}

TEST_F(ShareSession, ReadOnlyIsReadOnly) {
    ASSERT_EQ(open(9, Fs::kReadOnly), Error::ok);
    EXPECT_EQ(make(root(), "x", kDirectory | 0755).number, 0u);
    EXPECT_EQ(last.error, static_cast<u32>(Error::access));
    EXPECT_EQ(last.flags, Fs::kReadOnly);
}

}  // namespace
