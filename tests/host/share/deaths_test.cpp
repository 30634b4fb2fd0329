// SPDX-License-Identifier: MIT
// The server dies after each of the messages that a change takes, with the answer lost; its client sends the change again. Afterwards all is as if it
// had been done once.
#include <gtest/gtest.h>

#include "tests/host/share/client.hpp"

namespace {

using namespace pith;
using namespace pith::test;
using enum Fs::Operation;

constexpr u32 kRegular = 0100000, kDirectory = 0040000;

struct Case {
    const char* name;
    Fs::Operation operation;
    u32 mode;
    const char* first;
    const char* second;
    u32 flags = 0;
    bool elsewhere = false;  ///< the second directory is the folder
    Error wanted = Error::ok;
};

const Case kCases[] = {
    {"create", create, kRegular | 0640, "new", ""},
    {"create_there", create, kRegular | 0640, "a", "", 0, false, Error::exists},
    {"mkdir", create, kDirectory | 0750, "new", ""},
    {"pipe", create, 0010000 | 0600, "new", ""},
    {"symlink", create_link, 0120777, "new", "target"},
    {"link", link, 0, "new", "", 0, true},
    {"link_there", link, 0, "inner", "", 0, true, Error::exists},
    {"unlink", unlink, 0, "a", ""},
    {"unlink_held", unlink, 0, "a", "", Fs::kHold},
    {"unlink_nothing", unlink, 0, "nothing", "", 0, false, Error::not_found},
    {"rename", rename, 0, "a", "moved", 0, true},
    {"rename_over", rename, 0, "a", "inner", Fs::kReplace, true},
    {"rename_over_held", rename, 0, "a", "inner", Fs::kReplace | Fs::kHold, true},
    {"rename_not_over", rename, 0, "a", "inner", 0, true, Error::exists},
    {"rename_nothing", rename, 0, "nothing", "moved", 0, true, Error::not_found},
    {"rename_directory", rename, 0, "empty", "moved", 0, true},
    {"rmdir", remove_directory, 0, "empty", ""},
    {"rmdir_full", remove_directory, 0, "folder", "", 0, false, Error::occupied},
};

struct Scene : Fixture {
    Fs::FileId folder, a, inner;
    explicit Scene(bool no_links) {
        host.links_refused = no_links;
        host.add("folder", 0040755);
        host.add("folder/inner", 0100644, "inner");
        host.add("empty", 0040755);
        host.add("a", 0100644, "content");
        EXPECT_EQ(open(), Error::ok);
        folder = this->lookup(root(), "folder");
        a = this->lookup(root(), "a");
        inner = this->lookup(folder, "inner");
    }
    Fs::Submission make(const Case& c) {
        Fs::Submission r = request(c.operation, c.operation == link ? a : root(), c.first, c.second);
        r.other = c.elsewhere ? folder : root();
        r.mode = c.mode;
        r.flags = c.flags;
        r.change = changes + 1;
        return r;
    }
};

void check(Scene& scene, const Case& c) {
    // What is held is there, and goes when it is released.
    const Fs::FileId held = c.operation == unlink ? scene.a : scene.inner;
    if ((c.flags & Fs::kHold) != 0) {
        EXPECT_EQ(scene.read(held), c.operation == unlink ? "content" : "inner");
        scene.changes++;
        EXPECT_EQ(scene.run(scene.change(scene.request(release, held))), Error::ok);
        EXPECT_EQ(scene.read(held), "?");
    }
}

class ShareDeaths : public testing::TestWithParam<bool> {};

TEST_P(ShareDeaths, AChangeIsDoneOnce) {
    for (const Case& c : kCases) {
        SCOPED_TRACE(c.name);
        Scene straight(GetParam());
        const bool refused = GetParam() && c.operation == link && c.wanted == Error::ok;
        EXPECT_EQ(straight.run(straight.make(c)), refused ? Error::access : c.wanted);
        check(straight, c);
        const std::string wanted = straight.host.dump();
        for (u64 messages = 0;; messages++) {
            SCOPED_TRACE(messages);
            Scene scene(GetParam());
            scene.submit(scene.make(c));
            if (scene.work(messages)) break;  // it was answered: this was the last
            scene.die();
            ASSERT_EQ(scene.open(), Error::ok);
            ASSERT_EQ(scene.attached().committed, 0u);
            const Error again = scene.run(scene.make(c));
            ASSERT_EQ(again, refused ? Error::access : c.wanted);
            EXPECT_EQ(scene.run(scene.request(recovered, {})), Error::ok);
            check(scene, c);
            ASSERT_EQ(scene.host.dump(), wanted);
        }
    }
}

/// It was answered, and the server died before it could note that: it comes again with its answer.
TEST_P(ShareDeaths, AnAnsweredChangeIsNotDoneAgain) {
    for (const Case& c : kCases) {
        if (c.wanted != Error::ok || (c.operation == link && GetParam())) continue;
        SCOPED_TRACE(c.name);
        Scene straight(GetParam());
        ASSERT_EQ(straight.run(straight.make(c)), Error::ok);
        check(straight, c);
        Scene scene(GetParam());
        const std::vector<u64> before = scene.committed_state();
        ASSERT_EQ(scene.run(scene.make(c)), Error::ok);
        const Fs::FileId made = scene.found().id;
        scene.uncommit(before);
        scene.die();
        ASSERT_EQ(scene.open(), Error::ok);
        ASSERT_EQ(scene.attached().committed, 0u);
        Fs::Submission r = scene.make(c);
        r.flags |= Fs::kAnswered;
        r.answer = made;
        EXPECT_EQ(scene.run(r), Error::ok);
        if (c.operation == create || c.operation == create_link) EXPECT_TRUE(scene.found().id == made);
        EXPECT_EQ(scene.run(scene.request(recovered, {})), Error::ok);
        check(scene, c);
        EXPECT_EQ(scene.host.dump(), straight.host.dump());
    }
}

INSTANTIATE_TEST_SUITE_P(Host, ShareDeaths, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "WithoutLinks" : "WithLinks"; });

}  // namespace
