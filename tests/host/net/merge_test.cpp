// SPDX-License-Identifier: MIT
// Segments that come one behind the other are taken as one (servers/net/stack/merge.hpp), and nobody's bytes or answers are lost by that.
#include <gtest/gtest.h>

#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

constexpr u64 kLength = 2'000'000;
constexpr usize kData = 1000;  ///< a frame that is longer carries data

struct Transfer {
    World world{1};
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    Pair pair = connect(world, one, two);
    Pump pump{one, pair.a, two, pair.b, kLength};
    u64 begun = world.now;

    void run() {
        EXPECT_TRUE(carry(world, pump, 60'000));
        EXPECT_FALSE(pump.wrong);
    }
};

TEST(Merge, ManySegmentsAreAnsweredByFew) {
    Transfer transfer;
    u64 data = 0, answers = 0;
    transfer.world.tap = [&](Machine& from, Frame& frame) {
        if (&from == &transfer.one && frame.size() > kData) data++;
        if (&from == &transfer.two) answers++;
        return true;
    };
    transfer.run();
    EXPECT_GT(data, kLength / 1460);
    EXPECT_LT(answers, data / 4);
    // Each one is counted.
    EXPECT_GE(transfer.two.stack().statistics().segments_received, data);
}

/// A sender takes three answers to segments out of order for a loss, and sends what is missing at once, without waiting for its time-out.
TEST(Merge, WhatIsOutOfOrderIsAnsweredOneByOne) {
    Transfer transfer;
    u64 data = 0;
    transfer.world.tap = [&](Machine& from, Frame& frame) {
        return &from != &transfer.one || frame.size() <= kData || ++data != 500;
    };
    transfer.run();
    EXPECT_GT(data, 500u);
    EXPECT_LT(transfer.world.now - transfer.begun, 200'000'000u);  // of the world's time
}

/// One whose checksum is wrong is not merged with those around it.
TEST(Merge, BadChecksumAmongOthers) {
    for (const usize at : {usize{30}, usize{45}, usize{60}, usize{300}, usize{1200}}) {
        Transfer transfer;
        u64 data = 0;
        transfer.world.tap = [&](Machine& from, Frame& frame) {
            if (&from == &transfer.one && frame.size() > kData && ++data % 100 == 50) frame[at] ^= 0x10;
            return true;
        };
        transfer.run();
    }
}

/// Frames as large as an interface could bring them: what is merged is never longer than a packet of IP's can be.
TEST(Merge, LargeFrames) {
    constexpr u32 kSize = 8000, kCount = 24, kFirst = 1000;
    World world(1);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    one.kill();
    const u32 listener = two.client().listen(80);
    world.run_for(1);
    u32 theirs = 0, acknowledged = 0;
    world.tap = [&](Machine&, Frame& frame) {
        const auto number = [&](usize at) {
            return static_cast<u32>(frame[at] << 24 | frame[at + 1] << 16 | frame[at + 2] << 8 |
                                    frame[at + 3]);
        };
        if (frame.size() < 54 || frame[23] != 6) return true;
        if (frame[47] == (kSyn | kAck)) theirs = number(38);
        acknowledged = number(42);
        return true;
    };
    // The address of who asks is learnt from this, as no stack is there to answer for it.
    two.deliver({2, 0, 0, 0, 0, 2, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2});
    two.deliver(segment(1, 4000, 2, 80, kFirst - 1, 0, kSyn, {}, {3, 3, 3, 1}));
    two.run();
    ASSERT_NE(theirs, 0u);
    two.deliver(segment(1, 4000, 2, 80, kFirst, theirs + 1, kAck));
    two.run();
    const u32 socket = two.client().accept(listener);
    ASSERT_NE(socket, 0u);
    const auto byte = [](u64 at) { return static_cast<u8>((at * 2654435761u) >> 13); };
    for (u32 i = 0; i < kCount; i++) {
        std::vector<u8> data(kSize);
        for (u32 j = 0; j < kSize; j++) data[j] = byte(i * kSize + j);
        two.deliver(segment(1, 4000, 2, 80, kFirst + i * kSize, theirs + 1, kAck, data));
    }
    two.run();
    EXPECT_EQ(acknowledged, kFirst + kCount * kSize);
    std::vector<u8> got(kSize * kCount + 1);
    ASSERT_EQ(two.client().receive(socket, got.data(), static_cast<u32>(got.size())), kSize * kCount);
    for (u32 at = 0; at < kSize * kCount; at++) ASSERT_EQ(got[at], byte(at)) << at;
}

/// Another field of the header differs in each: nothing is merged, and everything arrives.
TEST(Merge, HeadersThatDiffer) {
    Transfer transfer;
    u64 data = 0, answers = 0;
    transfer.world.tap = [&](Machine& from, Frame& frame) {
        if (&from == &transfer.one && frame.size() > kData) frame[6 + 5] = static_cast<u8>(++data & 1);
        if (&from == &transfer.two) answers++;
        return true;
    };
    transfer.run();
    EXPECT_GT(answers, data / 4);
}

}  // namespace
}  // namespace pith::stack
