// SPDX-License-Identifier: MIT
// Segments that come one behind the other are taken as one (servers/net/stack/merge.hpp), and nobody's bytes or answers are lost by that.
#include <gtest/gtest.h>

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
        EXPECT_TRUE(world.run(
            [&] {
                pump.step();
                return pump.done();
            },
            60'000));
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
