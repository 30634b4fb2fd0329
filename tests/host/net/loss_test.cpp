// SPDX-License-Identifier: MIT
// Loss recovery (servers/net/stack/loss_recovery.hpp): what is lost is sent again, once, without a wait for a time-out. Nothing here takes less than 300 ms
// that needs one.
#include <functional>
#include <map>
#include <set>

#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

constexpr u32 kMss = 1448;  ///< with timestamps
constexpr u64 kNoTimeOut = 290;

/// A sender and a receiver, and a wire that sees all segments from one to the other. `loses` says which are lost.
struct Wire {
    struct Sent {
        u32 offset, length;  ///< of its data in the stream
        u32 times;           ///< so often it was sent, with this time
        bool fin;
    };
    struct Sacked {
        u64 at;  ///< when the sender hears of it
        u32 left, right;
    };

    World world;
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    bool selective;
    std::function<bool(const Sent&)> loses;
    std::map<u32, u32> times;  ///< by offset
    std::set<u32> lost;        ///< offsets
    std::vector<u64> again;    ///< when something was sent again
    std::vector<Sacked> sacked;
    bool resent_sacked = false;
    u32 first = 0;  ///< sequence number of the first byte
    u64 began = 0;  ///< when it was chosen
    Pair pair{};

    explicit Wire(u64 seed, bool sack = true) : world(seed), selective(sack) {
        world.latency = 5'000'000;
        world.tap = [this](Machine& from, Frame& frame) { return see(from, frame); };
    }
    bool see(Machine& from, Frame& frame) {
        const Tcp tcp = find_tcp(frame);
        if (!tcp.found) return true;
        if ((tcp.flags & kSyn) != 0 && !selective) forbid_sack(frame, tcp);
        if (&from == &two) note_sacked(frame, tcp);
        if (&from != &one) return true;
        if ((tcp.flags & kSyn) != 0) first = tcp.sequence + 1, began = world.now;
        const bool fin = (tcp.flags & kFin) != 0;
        if ((tcp.length == 0 && !fin) || (tcp.flags & kSyn) != 0) return true;
        Sent sent{tcp.sequence - first, tcp.length, 0, fin};
        sent.times = ++times[sent.offset];
        if (sent.times > 1) {
            again.push_back(world.now);
            for (const Sacked& block : sacked)
                resent_sacked |= block.at < world.now && block.left - first <= sent.offset &&
                                 sent.offset + sent.length <= block.right - first;
        }
        if (!loses || !loses(sent)) return true;
        lost.insert(sent.offset);
        return false;
    }
    void note_sacked(const Frame& frame, const Tcp& tcp) {
        for (u32 at = tcp.start + 20; at + 10 <= tcp.start + tcp.header;) {
            if (frame[at] != 5) {
                at += frame[at] == 1 ? 1 : std::max<u32>(frame[at + 1], 2);
                continue;
            }
            const u32 end = at + frame[at + 1];
            const auto word = [&](u32 i) {
                return u32{frame[i]} << 24 | u32{frame[i + 1]} << 16 | u32{frame[i + 2]} << 8 | frame[i + 3];
            };
            for (at += 2; at < end; at += 8)
                sacked.push_back({world.now + world.latency, word(at), word(at + 4)});
        }
    }
    static void forbid_sack(Frame& frame, const Tcp& tcp) {
        for (u32 at = tcp.start + 20; at + 1 < tcp.start + tcp.header;
             at += frame[at] == 1 ? 1 : std::max<u32>(frame[at + 1], 2)) {
            if (frame[at] == 4) frame[at] = frame[at + 1] = 1;
        }
        repair_checksum(frame, tcp);
    }
    void open(u16 from = 4000) { pair = connect(world, one, two, 80, from); }
    Pump pump(u64 length) { return {one, pair.a, two, pair.b, length}; }
    /// A connection whose window is large.
    Pump open_warm() {
        open();
        Pump there = pump(0);
        warm_up(there);
        return there;
    }
    /// Without losses, so that the window is large.
    void warm_up(Pump& there, u32 length = 300'000) {
        there.length = length;
        EXPECT_TRUE(stack::carry(world, there, 5'000));
        world.run_for(50);
        EXPECT_TRUE(again.empty());
    }
    /// Carries so many bytes more.
    bool carry(Pump& there, u32 length, u64 milliseconds) {
        there.length += length;
        return stack::carry(world, there, milliseconds);
    }
    /// The same, and the end of it, without a wait for a time-out.
    bool carry_and_close(Pump& there, u32 length) {
        there.length += length;
        there.step();
        one.client().shutdown(pair.a);
        return world.run([&] { return there.step(), there.done() && two.client().peer_closed(pair.b); },
                         kNoTimeOut);
    }
    bool closed_in_order() {
        return world.run([&] { return one.client().state(pair.a) == Net::State::closed; }, 5'000) &&
               one.client().failure(pair.a) == Net::Failure::none;
    }
    /// Each lost segment came twice, each other one once, and nothing of which the sender knew that it had arrived.
    void expect_only_lost_again() const {
        for (const auto& [offset, count] : times) EXPECT_EQ(count, lost.contains(offset) ? 2u : 1u) << offset;
        EXPECT_FALSE(resent_sacked);
    }
};

/// Loses the first time that it is sent each of these segments of full size, counted from `base`.
std::function<bool(const Wire::Sent&)> lose_once(u32 base, std::set<u32> segments) {
    return [base, segments](const Wire::Sent& sent) {
        return sent.times == 1 && sent.offset >= base && segments.contains((sent.offset - base) / kMss);
    };
}

const std::set<u32> kSome = {0, 3, 4, 5, 9, 17, 18, 24};

TEST(Loss, SeveralOfAWindow) {
    Wire wire(1);
    Pump there = wire.open_warm();
    wire.loses = lose_once(300'000, kSome);
    EXPECT_TRUE(wire.carry(there, 40 * kMss, kNoTimeOut));
    EXPECT_FALSE(there.wrong);
    EXPECT_EQ(wire.lost.size(), kSome.size());
    wire.expect_only_lost_again();
    EXPECT_EQ(wire.one.stack().statistics().segments_retransmitted, kSome.size());
}

/// Without SACK one hole a round trip is found.
TEST(Loss, SeveralOfAWindowWithoutSack) {
    Wire wire(2, false);
    Pump there = wire.open_warm();
    wire.loses = lose_once(300'000, kSome);
    EXPECT_TRUE(wire.carry(there, 40 * kMss, kNoTimeOut));
    EXPECT_FALSE(there.wrong);
    EXPECT_TRUE(wire.sacked.empty());
    EXPECT_EQ(wire.lost.size(), kSome.size());
    wire.expect_only_lost_again();
    ASSERT_EQ(wire.again.size(), kSome.size());
    for (usize i = 1; i < wire.again.size(); i++)
        EXPECT_EQ(wire.again[i] - wire.again[i - 1], 2 * wire.world.latency) << i;
}

/// The window is halved once, however many of it were lost: not for each of them.
TEST(Loss, OneWindowIsHalvedOnce) {
    for (const bool sack : {true, false}) {
        Wire wire(3, sack);
        Pump there = wire.open_warm();
        wire.loses = lose_once(300'000, kSome);
        EXPECT_TRUE(wire.carry(there, 40 * kMss, kNoTimeOut));
        EXPECT_TRUE(wire.carry(there, 60 * kMss, kNoTimeOut));
        // Of 31 segments, and grown by slow start up to that.
        EXPECT_GE(wire.one.client().server(wire.pair.a).congestion_window, 15 * kMss) << sack;
        EXPECT_LE(wire.one.client().server(wire.pair.a).congestion_window, 25 * kMss) << sack;
    }
}

/// More than half of a window, its end too.
TEST(Loss, MostOfAWindow) {
    Wire wire(4);
    Pump there = wire.open_warm();
    wire.one.client().set_flags(wire.pair.a, Net::kNoDelay);  // all of it goes out at once
    std::set<u32> most;
    for (u32 i = 0; i < 28; i++) {
        if (i % 2 == 0 || i > 25) most.insert(i);
    }
    wire.loses = lose_once(300'000, most);
    EXPECT_TRUE(wire.carry(there, 28 * kMss, kNoTimeOut));
    EXPECT_FALSE(there.wrong);
    wire.expect_only_lost_again();
}

/// The sequence numbers begin anew among what is lost.
TEST(Loss, AcrossTheWrapOfSequenceNumbers) {
    for (const bool sack : {true, false}) {
        Wire wire(5, sack);
        wire.open();
        // Initial sequence numbers grow by one in four microseconds (RFC 6528).
        wire.one.client().close(wire.pair.a, true);
        wire.two.client().close(wire.pair.b, true);
        wire.two.client().close(wire.pair.listener);
        wire.world.run_for(1'000);
        wire.world.now = wire.began + u64{0u - 315'000 - wire.first} * 4'000;
        wire.open();
        ASSERT_LE(0u - wire.first, 315'001u);
        ASSERT_GE(0u - wire.first, 300'000u);
        const u32 before = (0u - wire.first) / kMss * kMss;
        wire.times.clear();
        Pump there = wire.pump(0);
        wire.warm_up(there, before - 10 * kMss);
        wire.loses = lose_once(before - 10 * kMss, {3, 8, 9, 10, 11, 12, 15, 19});
        EXPECT_TRUE(wire.carry(there, 40 * kMss, kNoTimeOut));
        EXPECT_FALSE(there.wrong);
        EXPECT_EQ(wire.lost.size(), 8u);
        wire.expect_only_lost_again();
    }
}

TEST(Loss, FinAmongData) {
    for (const bool sack : {true, false}) {
        Wire wire(6, sack);
        Pump there = wire.open_warm();
        const auto some = lose_once(300'000, {2, 6});
        wire.loses = [&](const Wire::Sent& sent) { return some(sent) || (sent.fin && sent.times == 1); };
        EXPECT_TRUE(wire.carry_and_close(there, 12 * kMss));
        EXPECT_FALSE(there.wrong);
        EXPECT_EQ(wire.lost.size(), 3u);
        wire.expect_only_lost_again();
        wire.two.client().shutdown(wire.pair.b);
        EXPECT_TRUE(wire.closed_in_order());
    }
}

/// One that closed first goes on to recover: its states are CLOSE_WAIT and LAST_ACK.
TEST(Loss, WhenThePeerHasClosed) {
    Wire wire(7);
    Pump there = wire.open_warm();
    wire.two.client().shutdown(wire.pair.b);
    EXPECT_TRUE(wire.world.run([&] { return wire.one.client().peer_closed(wire.pair.a); }, 100));
    wire.loses = lose_once(300'000, kSome);
    EXPECT_TRUE(wire.carry(there, 20 * kMss, kNoTimeOut));
    EXPECT_TRUE(wire.carry_and_close(there, 20 * kMss));
    EXPECT_FALSE(there.wrong);
    wire.expect_only_lost_again();
    EXPECT_TRUE(wire.closed_in_order());
}

/// What was sent again is lost too: that takes a time-out, after which all goes on.
TEST(Loss, OfWhatIsSentAgain) {
    for (const bool sack : {true, false}) {
        Wire wire(8, sack);
        Pump there = wire.open_warm();
        wire.loses = [&](const Wire::Sent& sent) {
            return sent.times <= 2 &&
                   (sent.offset == 300'000 + 4 * kMss || sent.offset == 300'000 + 9 * kMss);
        };
        const u64 begin = wire.world.now;
        EXPECT_TRUE(wire.carry(there, 60 * kMss, 3'000));
        EXPECT_GT(wire.world.now - begin, 300'000'000u);
        EXPECT_FALSE(there.wrong);
        EXPECT_TRUE(wire.carry(there, 200 * kMss, 3'000));
        wire.world.run_for(100);
        wire.loses = lose_once(300'000 + 260 * kMss, {1, 4});
        wire.lost.clear();
        wire.times.clear();
        wire.resent_sacked = false;
        EXPECT_TRUE(wire.carry(there, 20 * kMss, kNoTimeOut));
        EXPECT_FALSE(there.wrong);
        EXPECT_EQ(wire.lost.size(), 2u);
        wire.expect_only_lost_again();
    }
}

/// One segment in fifty is lost, but none twice: no time-out is needed.
TEST(Loss, OfTwoInAHundredNeedsNoTimeOut) {
    for (const bool sack : {true, false}) {
        Wire wire(9, sack);
        Pump there = wire.open_warm();
        constexpr u32 kLength = 3'000'000;
        wire.loses = [&](const Wire::Sent& sent) {
            return sent.times == 1 && sent.offset < 300'000 + kLength - 20 * kMss && wire.world.chance() < 20;
        };
        u64 last = wire.world.now, longest = 0;
        u64 received = there.received;
        there.length += kLength;
        EXPECT_TRUE(wire.world.run(
            [&] {
                there.step();
                if (there.received != received) {
                    longest = std::max(longest, wire.world.now - last);
                    last = wire.world.now;
                    received = there.received;
                }
                return there.done();
            },
            60'000));
        EXPECT_FALSE(there.wrong);
        EXPECT_GT(wire.lost.size(), 20u);
        EXPECT_LT(longest, 300'000'000u) << sack;
        if (sack) wire.expect_only_lost_again();
    }
}

/// Bytes both ways, in pieces of any size, over a wire that loses, delays and doubles, with little room for frames and stacks that die at times.
void endure(u64 seed, bool sack) {
    Wire wire(seed, sack);
    wire.open();
    wire.world.latency = 1'000'000;
    wire.world.loss = 10 + seed % 5 * 15;
    wire.world.reorder = seed % 3 * 40;
    wire.world.duplicates = seed % 4 * 15;
    if (seed % 2 == 0) wire.one.most_frames = wire.two.most_frames = 1 + seed % 5;
    Pump there = wire.pump(400'000);
    Pump back{wire.two, wire.pair.b, wire.one, wire.pair.a, 150'000};
    back.seed = 3;
    u64 next_death = seed % 6 == 5 ? wire.world.now + 100'000'000 : ~u64{0};
    bool shut = false;
    EXPECT_TRUE(wire.world.run(
        [&] {
            if (wire.world.now >= next_death && !there.done()) {
                next_death = wire.world.now + 50'000'000 + wire.world.random() % 500'000'000;
                Machine& victim = wire.world.random() % 2 == 0 ? wire.one : wire.two;
                victim.kill();
                victim.start();
            }
            const u32 most = seed % 4 == 1 ? 1 + static_cast<u32>(wire.world.random() % 3000) : 65536;
            there.step(most);
            back.step(most);
            if (!shut && there.sent == there.length) {
                wire.one.client().shutdown(wire.pair.a);
                shut = true;
            }
            return there.done() && back.done() && wire.two.client().peer_closed(wire.pair.b);
        },
        600'000))
        << there.received << ' ' << back.received;
    EXPECT_FALSE(there.wrong || back.wrong);
    wire.two.client().shutdown(wire.pair.b);
    EXPECT_TRUE(
        wire.world.run([&] { return wire.two.client().state(wire.pair.b) == Net::State::closed; }, 60'000));
}

TEST(Loss, WithReorderingAndDuplicates) {
    for (u64 seed = 1; seed <= 40; seed++) {
        SCOPED_TRACE(seed);
        endure(seed, seed % 3 != 0);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace pith::stack
