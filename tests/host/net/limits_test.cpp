// SPDX-License-Identifier: MIT
// Many connections, and too many of everything: established ones live, and all is given back.
#include <algorithm>

#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/hand_made_peer.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

/// `count` connections from ports `port` on, carried to the end: opened, some bytes each way, closed by the first machine.
void serve_batch(World& world, Machine& one, Machine& two, u32 listener, u32 count, u16 port, u32 bytes) {
    std::vector<u32> ours, theirs;
    std::vector<u8> data(bytes, 0x5a), got(bytes);
    for (u32 i = 0; i < count; i++)
        ours.push_back(one.client().connect(ipv4(1, static_cast<u16>(port + i)), ipv4(2, 80)));
    u32 steps = 0;
    ASSERT_TRUE(world.run(
        [&] {
            while (const u32 arrived = two.client().accept(listener)) theirs.push_back(arrived);
            return theirs.size() == count && (++steps % 16 != 0 || std::ranges::all_of(ours, [&](u32 s) {
                       return one.client().state(s) == Net::State::established;
                   }));
        },
        120'000))
        << theirs.size();
    if (count > 1) EXPECT_EQ(two.stack().statistics().connections, count);
    for (u32 socket : ours) ASSERT_EQ(one.client().send(socket, data.data(), bytes), bytes);
    ASSERT_TRUE(world.run(
        [&] {
            return ++steps % 16 == 0 &&
                   std::ranges::all_of(theirs, [&](u32 s) { return two.client().readable(s) == bytes; });
        },
        120'000));
    for (u32 socket : theirs) {
        ASSERT_EQ(two.client().receive(socket, got.data(), bytes), bytes);
        ASSERT_EQ(got, data);
    }
    for (u32 socket : ours) one.client().shutdown(socket);
    ASSERT_TRUE(world.run(
        [&] {
            return ++steps % 16 == 0 &&
                   std::ranges::all_of(theirs, [&](u32 s) { return two.client().peer_closed(s); });
        },
        120'000));
    for (u32 socket : theirs) two.client().close(socket);
    ASSERT_TRUE(world.run(
        [&] {
            return ++steps % 16 == 0 && std::ranges::all_of(ours, [&](u32 s) {
                return one.client().state(s) == Net::State::closed;
            });
        },
        120'000));
    for (u32 socket : ours) one.client().close(socket);
    ASSERT_TRUE(world.run(
        [&] {
            return ++steps % 16 == 0 &&
                   std::ranges::all_of(ours, [&](u32 s) { return one.client().free(s); }) &&
                   std::ranges::all_of(theirs, [&](u32 s) { return two.client().free(s); });
        },
        120'000));
}

TEST(Limits, AThousandAtOnce) {
    World world(1);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u32 listener = two.client().listen(80, 1000);
    world.run_for(1);
    serve_batch(world, one, two, listener, 1000, 10'000, 2000);
    EXPECT_EQ(two.stack().statistics().connections, 0u);
    EXPECT_EQ(two.stack().statistics().receive_pages_used, 0u);
}

TEST(Limits, AHundredThousandLeaveNothing) {
    World world(2);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u32 listener = two.client().listen(80, 1000);
    world.run_for(1);
    constexpr u32 kBatch = 500;
    for (u32 done = 0; done < 100'000; done += kBatch) {
        serve_batch(world, one, two, listener, kBatch, static_cast<u16>(5000 + done % 50'000), 100);
        if (HasFatalFailure()) FAIL() << done;
    }
    for (Machine* machine : {&one, &two}) {
        const auto statistics = machine->stack().statistics();
        EXPECT_EQ(statistics.connections, 0u);
        EXPECT_EQ(statistics.half_open, 0u);
        EXPECT_EQ(statistics.receive_pages_used, 0u);
        EXPECT_EQ(machine->client().pages_free(), Net::kPages - Net::kFirstSendPage);
        EXPECT_EQ(machine->lent(), 0u);
    }
    EXPECT_EQ(two.stack().statistics().opened_passively, 100'000u);
    EXPECT_LE(one.stack().statistics().waiting, 960u);
    world.run_for(70'000);
    EXPECT_EQ(one.stack().statistics().waiting, 0u);
}

TEST(Limits, BacklogHoldsNewcomersBack) {
    World world(3);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u32 listener = two.client().listen(80, 3);
    world.run_for(1);
    std::vector<u32> ours;
    for (u16 i = 0; i < 8; i++)
        ours.push_back(one.client().connect(ipv4(1, static_cast<u16>(7000 + i)), ipv4(2, 80)));
    world.run_for(500);
    u32 there = 0;
    for (u32 i = Net::kFirstServerSocket; i < Net::kSockets; i++)
        there += two.client().server(i).state == Net::State::established;
    EXPECT_EQ(there, 3u);
    u32 accepted = 0;
    EXPECT_TRUE(world.run(
        [&] {
            while (two.client().accept(listener) != 0) accepted++;
            return accepted == 8;
        },
        60'000))
        << accepted;
}

TEST(Limits, EstablishedConnectionsOutliveASynFlood) {
    World world(4);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    u32 flood = 0;
    world.each = [&] {
        for (u32 i = 0; i < 200; i++, flood++)
            two.deliver(segment(static_cast<u8>(100 + world.random() % 100), static_cast<u16>(world.random()),
                                2, 80, static_cast<u32>(world.random()), 0, kSyn));
        two.run();
    };
    Pump there{one, pair.a, two, pair.b, 3'000'000};
    EXPECT_TRUE(carry(world, there, 60'000));
    EXPECT_FALSE(there.wrong);
    EXPECT_GT(flood, 10'000u);
    EXPECT_LE(two.stack().statistics().half_open, 1024u);
    EXPECT_EQ(two.client().state(pair.b), Net::State::established);
    world.each = nullptr;
    // What is half open goes, and newcomers are let in.
    const u32 next = one.client().connect(ipv4(1, 4001), ipv4(2, 80));
    EXPECT_TRUE(world.run([&] { return one.client().state(next) == Net::State::established; }, 60'000));
    world.run_for(120'000);
    EXPECT_EQ(two.stack().statistics().half_open, 0u);
}

TEST(Limits, PagesRunOutAndComeBack) {
    World world(5);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    Machine& three = world.add(3);
    const u32 listener = two.client().listen(80, 100);
    world.run_for(1);
    std::vector<Pump> pumps;
    constexpr u32 kCount = 24;  // rings of 256 KiB: half as many again as there are pages for
    std::vector<std::pair<Machine*, u32>> ours;
    for (u32 i = 0; i < kCount; i++) {
        Machine& from = i % 2 == 0 ? one : three;
        ours.emplace_back(
            &from, from.client().connect(ipv4(from.number(), static_cast<u16>(7000 + i)), ipv4(2, 80)));
    }
    std::vector<u32> theirs;
    ASSERT_TRUE(world.run(
        [&] {
            while (const u32 arrived = two.client().accept(listener)) theirs.push_back(arrived);
            return theirs.size() == kCount;
        },
        30'000));
    for (const auto& [from, socket] : ours) {
        for (u32 there : theirs) {
            if (two.client().server(there).remote == from->client().client(socket).local)
                pumps.push_back({*from, socket, two, there, 600'000});
        }
    }
    ASSERT_EQ(pumps.size(), kCount);
    // Nobody reads: one's send pages (1,024) are less than all want, and two's receive pages run out.
    u32 steps = 0;
    const auto send = [&](Pump& pump) {
        u8 bytes[4096];
        const u32 length = static_cast<u32>(std::min<u64>(sizeof bytes, pump.length - pump.sent));
        for (u32 i = 0; i < length; i++) bytes[i] = pump.byte(pump.sent + i);
        pump.sent += pump.from.client().send(pump.sender, bytes, length);
    };
    world.run(
        [&] {
            if (++steps % 8 == 0) std::ranges::for_each(pumps, send);
            return false;
        },
        20'000);
    EXPECT_EQ(two.stack().statistics().receive_pages_used, u64{Net::kFirstSendPage});
    EXPECT_TRUE(world.run(
        [&] {
            if (++steps % 8 == 0) {
                for (Pump& pump : pumps) pump.step();
            }
            return std::ranges::all_of(pumps, [](const Pump& pump) { return pump.done(); });
        },
        600'000));
    for (const Pump& pump : pumps) EXPECT_FALSE(pump.wrong);
}

/// Rings that nobody reads, which leave a certain number of pages of `two`.
struct FullPages {
    static constexpr u32 kWhole = Net::kPageSize - sizeof(Net::Datagram);  ///< a datagram that fills a page
    FullPages(World& in, Machine& one, Machine& two) : world(in), sender(one), to(two) {
        from = one.client().datagram(Net::Kind::datagram, ipv4(one.number(), 9999));
        for (u16 i = 0; i < Net::kFirstSendPage / Net::kRingPages; i++)
            rings.push_back(
                two.client().datagram(Net::Kind::datagram, ipv4(two.number(), static_cast<u16>(6000 + i))));
        world.run_for(1);
    }
    void leave(u32 pages) {
        Net::Datagram header{};
        for (u32 sent = 0; free() > pages; sent++) {
            ASSERT_LT(sent, Net::kFirstSendPage);
            header.remote = ipv4(to.number(), static_cast<u16>(6000 + sent / Net::kRingPages));
            ASSERT_TRUE(sender.client().send_datagram(from, header, std::vector<u8>(kWhole)));
            world.run_for(5);
        }
        ASSERT_EQ(free(), pages);
    }
    u32 free() { return Net::kFirstSendPage - static_cast<u32>(to.stack().statistics().receive_pages_used); }
    void read_all() {
        for (u32 ring : rings) {
            Net::Datagram header;
            std::vector<u8> bytes;
            while (to.client().receive_datagram(ring, header, bytes)) {}
        }
    }
    World& world;
    Machine& sender;
    Machine& to;
    u32 from = 0;
    std::vector<u32> rings;
};

/// The pages that a ring needs are not taken from what was reserved of it a moment ago.
TEST(Limits, LastPageIsNotTakenFromItsOwnRing) {
    World world(23);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    FullPages others(world, one, two);
    others.leave(1);
    Pump there{one, pair.a, two, pair.b, 4000};
    const auto pump = [&] { return carry(world, there, 30'000); };
    ASSERT_TRUE(pump());
    there.length += 3000;
    static_cast<void>(pump());
    EXPECT_FALSE(there.wrong);
    others.read_all();
    EXPECT_TRUE(pump()) << there.received;
    EXPECT_FALSE(there.wrong);
    EXPECT_EQ(two.client().state(pair.b), Net::State::established);
}

TEST(Limits, LastPagesAndADatagramOfMore) {
    World world(24);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u32 server = two.client().datagram(Net::Kind::datagram, ipv4(2, 53));
    const u32 client = one.client().datagram(Net::Kind::datagram, ipv4(1, 9000), ipv4(2, 53));
    FullPages others(world, one, two);
    others.leave(3);
    const std::vector<u8> sent(30'000, 0x5a);
    Net::Datagram header;
    std::vector<u8> bytes;
    ASSERT_TRUE(one.client().send_datagram(client, {}, sent));
    world.run_for(100);
    EXPECT_EQ(two.client().server(server).drops, 1u);
    EXPECT_EQ(two.client().readable(server), 0u);
    others.read_all();
    ASSERT_TRUE(one.client().send_datagram(client, {}, sent));
    ASSERT_TRUE(world.run([&] { return two.client().receive_datagram(server, header, bytes); }, 5'000));
    EXPECT_EQ(bytes, sent);
}

/// A segment that begins in the window and ends beyond it, when there is no page for the part within: it comes again.
TEST_F(HandMadePeer, SegmentBeyondTheWindowFindsNoPage) {
    constexpr u32 kBefore = Net::kRingSize - Net::kPageSize;
    open(65535, {1, 3, 3, 0});  // the window is scaled
    const auto say_bytes = [&](u32 offset, u32 length) {
        two.deliver(segment(1, 4000, 2, 80, 1001 + offset, first, kAck, std::vector<u8>(length, 0x5a)));
        two.run();
    };
    for (u32 at = 0; at < kBefore; at += 1024) say_bytes(at, 1024);
    ASSERT_EQ(two.client().readable(accepted), kBefore);
    FullPages others(world, one, two);
    others.leave(0);
    say_bytes(kBefore, Net::kPageSize + 1000);
    EXPECT_EQ(two.client().state(accepted), Net::State::established);
    EXPECT_EQ(two.client().readable(accepted), kBefore);
    others.read_all();
    say_bytes(kBefore, Net::kPageSize + 1000);
    EXPECT_EQ(two.client().state(accepted), Net::State::established);
    EXPECT_EQ(two.client().readable(accepted), Net::kRingSize);
}

TEST(Limits, ClosedWindowIsProbedAndOpens) {
    World world(6);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    std::vector<u8> bytes(Net::kRingSize, 1);
    u64 sent = one.client().send(pair.a, bytes.data(), Net::kRingSize);
    world.run_for(5000);
    sent += one.client().send(pair.a, bytes.data(), Net::kRingSize);
    EXPECT_EQ(sent, 2 * Net::kRingSize);
    world.run_for(120'000);
    EXPECT_EQ(two.client().readable(pair.b), Net::kRingSize);
    EXPECT_EQ(one.client().state(pair.a), Net::State::established);
    u64 received = 0;
    const u64 begin = world.now;
    EXPECT_TRUE(world.run(
        [&] {
            received += two.client().receive(pair.b, bytes.data(), 30'000);
            return received == sent;
        },
        60'000));
    EXPECT_LT(world.now - begin, 2'000'000'000u);  // the reader's window update, not the next probe
}

TEST(Limits, SmallReceiveLimitIsKept) {
    World world(7);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    two.client().client(pair.b).receive_limit = 8192;
    two.client().enter(pair.b);
    Pump there{one, pair.a, two, pair.b, 500'000};
    EXPECT_TRUE(world.run(
        [&] {
            there.step(3000);
            return there.done();
        },
        120'000))
        << there.received;
    EXPECT_FALSE(there.wrong);
}

TEST(Limits, KeepAliveFindsADeadPeer) {
    World world(8);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    Net::ClientHalf& half = one.client().client(pair.a);
    half.keep_idle = 10, half.keep_interval = 2, half.keep_count = 3;
    one.client().set_flags(pair.a, Net::kKeepAlive);
    world.run_for(60'000);
    EXPECT_EQ(one.client().state(pair.a), Net::State::established);
    two.kill();
    EXPECT_TRUE(world.run([&] { return one.client().state(pair.a) == Net::State::closed; }, 30'000));
    EXPECT_EQ(one.client().failure(pair.a), Net::Failure::timed_out);
}

TEST(Limits, UserTimeoutEndsAConnection) {
    World world(9);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    one.client().client(pair.a).user_timeout = 5000;
    one.client().enter(pair.a);
    two.kill();
    world.run_for(20'000);
    EXPECT_EQ(one.client().state(pair.a), Net::State::established);
    const u8 byte = 1;
    one.client().send(pair.a, &byte, 1);
    world.run_for(3000);
    EXPECT_EQ(one.client().state(pair.a), Net::State::established);
    EXPECT_TRUE(world.run([&] { return one.client().state(pair.a) == Net::State::closed; }, 5'000));
    EXPECT_EQ(one.client().failure(pair.a), Net::Failure::timed_out);
}

TEST(Limits, AnIdleStackSleeps) {
    World world(10);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const Pair pair = connect(world, one, two);
    world.tap = [](Machine&, Frame&) { return false; };  // DHCP goes on asking, which nobody hears
    world.run_for(200'000);
    u32 steps = 0;
    world.each = [&] { steps++; };
    world.run_for(600'000);
    EXPECT_LT(steps, 200u);
    static_cast<void>(pair);
}

/// What it has room for does not delay it: a stack is born again with what it uses.
TEST(Limits, RebirthTouchesWhatIsUsed) {
    World world(21);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    const u32 listener = two.client().listen(80);
    two.run();
    serve_batch(world, one, two, listener, 1, 5000, 1000);
    two.kill();
    two.start();
    EXPECT_LT(two.needed, two.reserved() / 20);
    serve_batch(world, one, two, listener, 1, 6000, 1000);
}

/// A number that is in the ring when the stack dies is found there, though nothing else tells of it, and in whatever group it is.
TEST(Limits, EnteredBeforeDeath) {
    World world(22);
    Machine& two = world.add(2);
    world.run_for(10);
    two.kill();
    std::vector<u32> sockets;
    for (u16 i = 0; i < 200; i++)
        sockets.push_back(two.client().datagram(Net::Kind::datagram, ipv4(2, static_cast<u16>(7000 + i))));
    two.start_quietly();
    two.stack().round();
    EXPECT_EQ(two.stack().statistics().datagram_sockets, sockets.size());
}

}  // namespace
}  // namespace pith::stack
