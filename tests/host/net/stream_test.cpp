// SPDX-License-Identifier: MIT
// Connections between two stacks.
#include <gtest/gtest.h>

#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

TEST(Stream, ConnectsAndCarriesBytes) {
    World world(1);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    Pump there{one, pair.a, two, pair.b, 5000};
    Pump back{two, pair.b, one, pair.a, 7000};
    back.seed = 5;
    EXPECT_TRUE(world.run(
        [&] {
            there.step();
            back.step();
            return there.done() && back.done();
        },
        10'000));
    EXPECT_FALSE(there.wrong || back.wrong);
    EXPECT_EQ(two.client().server(pair.b).remote, ipv4(1, 4000));
    EXPECT_EQ(two.client().server(pair.b).local, ipv4(2, 80));
    one.client().shutdown(pair.a);
    EXPECT_TRUE(world.run([&] { return two.client().peer_closed(pair.b); }, 5'000));
    EXPECT_EQ(two.client().state(pair.b), Net::State::established);
    two.client().shutdown(pair.b);
    EXPECT_TRUE(world.run(
        [&] {
            return two.client().state(pair.b) == Net::State::closed &&
                   one.client().state(pair.a) == Net::State::closed;
        },
        5'000));
    EXPECT_EQ(one.client().failure(pair.a), Net::Failure::none);
    EXPECT_EQ(two.client().failure(pair.b), Net::Failure::none);
    one.client().close(pair.a);
    two.client().close(pair.b);
    EXPECT_TRUE(world.run([&] { return one.client().free(pair.a) && two.client().free(pair.b); }, 5'000));
}

/// What finds no room for its frame waits for it, and is not taken for sent: nothing has to be sent again.
TEST(Stream, WaitsForRoomForItsFrames) {
    World world(4);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    one.most_frames = two.most_frames = 3;
    const Pair pair = connect(world, one, two);
    Pump there{one, pair.a, two, pair.b, 3'000'000};
    Pump back{two, pair.b, one, pair.a, 1'000'000};
    EXPECT_TRUE(world.run(
        [&] {
            there.step();
            back.step();
            return there.done() && back.done();
        },
        60'000));
    EXPECT_FALSE(there.wrong || back.wrong);
    EXPECT_EQ(one.stack().statistics().segments_retransmitted, 0u);
    EXPECT_EQ(two.stack().statistics().segments_retransmitted, 0u);
}

/// Who has closed first waits; a new connection from the same port of the peer's does not.
TEST(Stream, PairInTimeWaitIsUsedAgain) {
    World world(5);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    Pair pair = connect(world, one, two);
    for (u32 round = 0; round < 5; round++) {
        two.client().close(pair.b);
        EXPECT_TRUE(world.run([&] { return one.client().peer_closed(pair.a); }, 1'000));
        one.client().close(pair.a);
        EXPECT_TRUE(world.run([&] { return one.client().free(pair.a) && two.client().free(pair.b); }, 1'000));
        EXPECT_EQ(two.stack().statistics().waiting, 1u);
        pair.a = one.client().connect(ipv4(1, 4000), ipv4(2, 80));
        EXPECT_TRUE(world.run([&] { return one.client().state(pair.a) == Net::State::established; }, 1'000))
            << round;
        EXPECT_TRUE(world.run([&] { return (pair.b = two.client().accept(pair.listener)) != 0; }, 1'000));
        EXPECT_EQ(two.stack().statistics().waiting, 0u);
    }
}

/// Bytes both ways over a bad wire, none lost, none twice, in order.
void carry(World& world, Machine& one, Machine& two, u64 length, const std::function<void()>& trouble = {}) {
    const Pair pair = connect(world, one, two);
    Pump there{one, pair.a, two, pair.b, length};
    Pump back{two, pair.b, one, pair.a, length / 2};
    back.seed = 7;
    bool shut = false;
    EXPECT_TRUE(world.run(
        [&] {
            if (trouble) trouble();
            there.step();
            back.step();
            if (!shut && there.sent == length && back.sent == length / 2) {
                one.client().shutdown(pair.a);
                two.client().shutdown(pair.b);
                shut = true;
            }
            return there.done() && back.done() && one.client().state(pair.a) == Net::State::closed &&
                   two.client().state(pair.b) == Net::State::closed;
        },
        3'600'000))
        << there.received << " of " << length << ", " << back.received << " of " << length / 2 << ", states "
        << int(one.client().state(pair.a)) << int(two.client().state(pair.b)) << ", failures "
        << int(one.client().failure(pair.a)) << int(two.client().failure(pair.b));
    EXPECT_FALSE(there.wrong);
    EXPECT_FALSE(back.wrong);
    // A stack that dies forgets TIME_WAIT: the peer's last FIN, sent again, is answered by RST then. Nothing is missing all the same.
    for (const Net::Failure failure : {one.client().failure(pair.a), two.client().failure(pair.b)})
        EXPECT_TRUE(failure == Net::Failure::none || (trouble && failure == Net::Failure::reset))
            << int(failure);
    one.client().close(pair.a);
    two.client().close(pair.b);
    two.client().close(pair.listener);
    EXPECT_TRUE(world.run([&] { return one.client().free(pair.a) && two.client().free(pair.b); }, 60'000));
    for (Machine* machine : {&one, &two}) {
        const auto statistics = machine->stack().statistics();
        EXPECT_EQ(statistics.connections, 0u);
        EXPECT_EQ(statistics.receive_pages_used, 0u);
        EXPECT_EQ(machine->client().pages_free(), Net::kPages - Net::kFirstSendPage);
        EXPECT_EQ(machine->lent(), 0u);
    }
}

TEST(Stream, CarriesMegabytes) {
    World world(2);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u64 begin = world.now;
    carry(world, one, two, 8'000'000);
    // 100 microseconds each way and a window of 256 KiB: more than a second would be a stall.
    EXPECT_LT(world.now - begin, 3'000'000'000u);
}

TEST(Stream, SurvivesLossReorderingAndDuplicates) {
    for (u64 seed = 1; seed <= 6; seed++) {
        World world(seed);
        Machine& one = world.add(1);
        Machine& two = world.add(2);
        world.loss = 50;
        world.duplicates = 20;
        world.reorder = 100;
        SCOPED_TRACE(seed);
        carry(world, one, two, 1'500'000);
        if (HasFailure()) return;
    }
}

TEST(Stream, BadChecksumsAreDropped) {
    World world(3);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    world.corrupt = 50;
    carry(world, one, two, 1'000'000);
    EXPECT_GT(two.stack().statistics().bad_segments, 5u);
    EXPECT_GT(two.stack().statistics().segments_sent, 100u);
}

TEST(Stream, StackDiesUnderTransfers) {
    u32 all_deaths = 0;
    for (u64 seed = 1; seed <= 12; seed++) {
        World world(seed);
        Machine& one = world.add(1);
        Machine& two = world.add(2);
        SCOPED_TRACE(seed);
        u64 next = 0;
        u32 deaths = 0;
        if (seed % 3 == 0) world.loss = 20, world.reorder = 50;
        carry(world, one, two, 2'000'000, [&] {
            if (world.now < next) return;
            next = world.now + 100'000 + world.random() % 3'000'000;
            Machine& victim = (seed % 2 == 0 || world.random() % 2 == 0) ? two : one;
            if (world.random() % 2 == 0) {
                victim.die_in_round(static_cast<u32>(world.random() % 12));
            } else {
                victim.kill();
                victim.start();
            }
            deaths++;
        });
        all_deaths += deaths;
        if (HasFailure()) return;
    }
    EXPECT_GT(all_deaths, 250u);
}

/// A segment that was lost while the interface was away comes when it is there again, and not after a time-out.
TEST(Stream, InterfaceThatComesAgainPromptsPeers) {
    World world(7);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    Pump there{one, pair.a, two, pair.b, 10'000};
    EXPECT_TRUE(world.run([&] { return there.step(), there.done(); }, 1'000));
    world.run_for(500);
    bool lose = true;
    there.length += 1'000;
    world.tap = [&](Machine& from, Frame&) { return !(lose && &from == &one); };
    there.step();
    world.run_for(5);
    lose = false;
    EXPECT_EQ(there.received, 10'000u);
    two.interface_again();
    EXPECT_TRUE(world.run([&] { return there.step(), there.done(); }, 20));
    EXPECT_FALSE(there.wrong);
}

/// A peer that has heard everything hears nothing of a death: the same acknowledgement again would mean to it that a segment is lost.
TEST(Stream, StackThatDiesDoesNotRepeatItself) {
    World world(6);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    Pump there{one, pair.a, two, pair.b, 100'000};
    const auto carried = [&] { return there.step(), there.done(); };
    EXPECT_TRUE(world.run(carried, 10'000));
    const auto die = [&] {
        two.kill();
        two.start();
        world.run_for(500);
    };
    die();  // what its last round has said need not be written down before the next
    for (u32 round = 0; round < 5; round++) {
        const u64 sent = two.stack().statistics().segments_sent;
        die();
        EXPECT_EQ(two.stack().statistics().segments_sent, sent) << round;
    }
    // Of what was not yet acknowledged it does hear.
    there.length += 1'000;
    two.die_in_round(0);
    EXPECT_TRUE(world.run(carried, 10'000));
    world.run_for(500);
    EXPECT_FALSE(there.wrong);
    EXPECT_EQ(one.stack().statistics().segments_retransmitted, 0u);
}

}  // namespace
}  // namespace pith::stack
