// SPDX-License-Identifier: MIT
// A connection from a machine that only answers for its address to the stack of another: its segments are made by hand, and what comes is kept.
#pragma once

#include <algorithm>

#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {

/// It still does what it is for.
inline void works(World& world, Machine& one, Machine& two, u16 port) {
    world.tap = nullptr;
    const Pair pair = connect(world, one, two, static_cast<u16>(port + 1000), port);
    if (testing::Test::HasFailure()) return;
    Pump there{one, pair.a, two, pair.b, 300'000};
    EXPECT_TRUE(carry(world, there, 60'000));
    EXPECT_FALSE(there.wrong);
}

struct HandMadePeer : testing::Test {
    World world{1};
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    u8 flags = 0;                ///< of the last segment that came
    u32 first = 0;               ///< the first byte's sequence number
    u32 accepted = 0;            ///< its socket
    u32 longest = 0;             ///< of the segments' data, in bytes
    std::vector<u8> came, sent;  ///< data from `first` on without gaps; what was given to send
    std::vector<u32> offsets;    ///< of all segments with data that came, also again

    void say(u32 acknowledged, u8 what, u16 window, const std::vector<u8>& options = {}) {
        const u32 sequence = (what & kSyn) != 0 ? 1000 : 1001;
        two.deliver(segment(1, 4000, 2, 80, sequence, first + acknowledged, what, {}, options, window));
    }
    void open(u16 window, const std::vector<u8>& options = {}) {
        const u32 listener = two.client().listen(80);
        world.run_for(10);
        world.tap = [&](Machine& from, Frame& frame) { return take(from, frame); };
        say(0, kSyn, window, options);
        ASSERT_TRUE(world.run([&] { return flags == (kSyn | kAck); }, 5'000));
        say(0, kAck, window);
        ASSERT_TRUE(world.run([&] { return (accepted = two.client().accept(listener)) != 0; }, 5'000));
    }
    void send(u32 length) {
        std::vector<u8> more(length);
        for (u8& byte : more) byte = static_cast<u8>(world.random());
        EXPECT_EQ(two.client().send(accepted, more.data(), length), length);
        sent.insert(sent.end(), more.begin(), more.end());
    }
    u32 have() const { return static_cast<u32>(came.size()); }
    /// Everything came, and the stack works still.
    void end() {
        EXPECT_EQ(came, sent);
        two.client().close(accepted, true);
        works(world, one, two, 5001);
    }

  private:
    bool take(Machine& from, const Frame& frame) {
        const Tcp tcp = find_tcp(frame);
        if (from.number() != 2 || !tcp.found) return true;
        flags = tcp.flags;
        if ((flags & kSyn) != 0) first = tcp.sequence + 1;
        const u32 offset = tcp.sequence - first;
        if (tcp.length == 0) return false;
        offsets.push_back(offset);
        if (offset > have()) return false;
        longest = std::max(longest, tcp.length);
        if (offset + tcp.length > have()) {
            came.resize(offset);
            const auto data = frame.begin() + tcp.start + tcp.header;
            came.insert(came.end(), data, data + tcp.length);
        }
        return false;
    }
};

}  // namespace pith::stack
