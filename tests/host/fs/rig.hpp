// SPDX-License-Identifier: MIT
// A client and a server with a link between them, and callers that note what they are told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "lib/fs/requests.hpp"
#include "tests/host/fs/server.hpp"

namespace pith::fs_test {

struct Call : FsCaller {
    Call() : FsCaller(&told) {}
    static void told(FsCaller& caller) {
        auto& self = static_cast<Call&>(caller);
        EXPECT_FALSE(self.is_done) << "answered twice";
        self.is_done = true;
    }
    Error ended() const { return is_done ? error : Error::would_block; }
    bool is_done = false;
};

/// Data of a write that stays as it is.
struct Data : FsData {
    explicit Data(std::string content) : bytes(std::move(content)) {}
    usize copy(std::span<u8> to) override {
        EXPECT_FALSE(is_settled);
        const usize count = std::min(to.size(), bytes.size());
        std::ranges::copy(bytes.substr(0, count), to.begin());
        return count;
    }
    void settled(Error how) override {
        EXPECT_FALSE(is_settled) << "settled twice";
        is_settled = true;
        error = how;
    }
    std::string bytes;
    bool is_settled = false;
    Error error = Error::ok;
};

struct Rig {
    explicit Rig(u32 seed = 1, u64 window = 256 << 10)
        : link(window), server(std::make_unique<FakeServer>(link, seed)) {}
    /// The first attach.
    void attach() {
        Call call;
        requests.begin({}, &call);
        open();
        run();
        ASSERT_EQ(call.ended(), Error::ok);
        ASSERT_TRUE(requests.running());
    }
    void open() {
        ASSERT_TRUE(requests.check(link.shape()).ok());
        std::ranges::fill(link.words, 0x5a5a5a5a5a5a5a5a);
        requests.open(link.bytes(), link.shape());
        server->open();
    }
    /// The server dies, and another one is there.
    void rebirth() {
        requests.drain();
        open();
    }
    /// Until nothing is under way.
    void run() {
        for (int rounds = 0; rounds < 100000; ++rounds) {
            server->work();
            requests.serve();
            if (requests.idle() || !requests.opened()) return;
        }
        FAIL() << "it does not end";
    }
    LinkMemory link;
    std::unique_ptr<FakeServer> server;
    FsRequests requests;
};

}  // namespace pith::fs_test
