// SPDX-License-Identifier: MIT
// What a command finds that is run by the tests: the same, whoever has started them.
#include "tools/suites/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

namespace {

using namespace pith::tools;

TEST(Process, SignalsHaveTheirDefaultActions) {
    constexpr const char* kStatus = "/proc/self/status";
    const auto ignored = ::signal(SIGINT, SIG_IGN);
    sigset_t hup, before;
    ::sigemptyset(&hup);
    ::sigaddset(&hup, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &hup, &before);
    const Finished finished = run_command({{"grep", "-E", "^Sig(Blk|Ign):", kStatus}, 10, "", false, {}});
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::signal(SIGINT, ignored);
    EXPECT_EQ(finished.status, 0);
    EXPECT_EQ(finished.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(Process, StatusAndOutput) {
    const Finished finished = run_command(
        {{"sh", "-c", "echo out; echo err >&2; kill -TERM $$"}, 10, "", true, {}});
    EXPECT_EQ(finished.status, 128 + SIGTERM);
    EXPECT_EQ(finished.output, "out\n");
    EXPECT_EQ(finished.errors, "err\n");
}

TEST(Process, TimeIsUp) {
    const Finished finished = run_command({{"sh", "-c", "sleep 60 & sleep 60"}, 0.2, "", false, {}});
    EXPECT_EQ(finished.status, 124);
    EXPECT_LT(finished.seconds, 30);
}

}  // namespace
