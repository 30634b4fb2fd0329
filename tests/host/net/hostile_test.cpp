// SPDX-License-Identifier: MIT
// Frames that no peer sends, and a client that breaks its side: the stack lives, and what is not broken goes on.
#include <algorithm>

#include "tests/host/net/support/hand_made_peer.hpp"

namespace pith::stack {
namespace {

TEST(Hostile, MutatedFrames) {
    for (u64 seed = 1; seed <= 10; seed++) {
        World world(seed);
        Machine& one = world.add(1);
        Machine& two = world.add(2);
        const Pair pair = connect(world, one, two);
        Pump there{one, pair.a, two, pair.b, 400'000};
        std::vector<Frame> seen;
        // What has gone by comes again, changed a little; TCP's checksum is made right at times, so that it gets further than that.
        world.tap = [&](Machine&, Frame& frame) {
            if (seen.size() < 300) seen.push_back(frame);
            return true;
        };
        world.each = [&] {
            for (int i = 0; i < 20 && !seen.empty(); i++) {
                Frame frame = seen[world.random() % seen.size()];
                for (u64 changes = 1 + world.random() % 6; changes > 0; changes--) {
                    const usize at = world.random() % 3 == 0
                                         ? world.random() % frame.size()
                                         : world.random() % std::min<usize>(frame.size(), 80);
                    frame[at] = static_cast<u8>(
                        world.random() % 2 == 0 ? world.random() : frame[at] ^ (1u << world.random() % 8));
                }
                if (world.random() % 8 == 0) frame.resize(world.random() % (frame.size() + 1));
                if (world.random() % 2 == 0 && frame.size() >= 54 && frame[12] == 8 && frame[23] == 6 &&
                    (frame[14] & 15) == 5) {
                    const u32 length = static_cast<u32>(frame.size() - 34);
                    frame[16] = static_cast<u8>((length + 20) >> 8), frame[17] = static_cast<u8>(length + 20);
                    frame[24] = frame[25] = frame[50] = frame[51] = 0;
                    const u16 ip = internet_checksum(frame.data() + 14, 20);
                    frame[24] = static_cast<u8>(ip >> 8), frame[25] = static_cast<u8>(ip);
                    u32 pseudo = 6 + length;
                    for (u32 j = 26; j < 34; j += 2) pseudo += static_cast<u32>(frame[j] << 8 | frame[j + 1]);
                    const u16 tcp = internet_checksum(frame.data() + 34, length, pseudo);
                    frame[50] = static_cast<u8>(tcp >> 8), frame[51] = static_cast<u8>(tcp);
                }
                two.deliver(frame);
            }
            two.run();
        };
        world.run(
            [&] {
                there.step();
                return there.done() || two.client().state(pair.b) == Net::State::closed;
            },
            20'000);
        world.each = nullptr;
        world.run_for(100);
        works(world, one, two, 5001);
        if (HasFailure()) FAIL() << seed;
        world.run_for(200'000);
        EXPECT_EQ(two.lent(), 0u);
    }
}

/// A peer whose window is closed takes the byte that a probe carries, and says so, but its window stays closed: nothing is left to probe with.
TEST_F(HandMadePeer, ClosedWindowTakesTheLastByte) {
    open(0);
    send(1);
    ASSERT_TRUE(world.run([&] { return have() == 1; }, 60'000));
    say(1, kAck, 0);
    world.run_for(10'000);
    EXPECT_TRUE(two.client().drained(accepted));
    end();
}

/// What is queued while the peer's window is closed are segments of full size; then it opens by less than one, and more is to be sent.
TEST_F(HandMadePeer, ClosedWindowOpensALittle) {
    constexpr u16 kLittle = 100;
    open(0);
    send(2000);
    world.run_for(10);
    say(0, kAck, kLittle);
    send(2000);
    for (u32 turn = 0; turn < 1000 && have() < sent.size(); turn++) {
        world.run_for(100);
        say(have(), kAck, kLittle);
    }
    end();
}

/// A peer with timestamps and a window of next to nothing, that opens: no segment is longer than the 536 bytes that one may be which says nothing of it.
TEST_F(HandMadePeer, TinyWindowWithTimestamps) {
    const std::vector<u8> stamps = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
    open(2, stamps);
    send(3000);
    world.run_for(10);
    for (u32 turn = 0; turn < 1000 && have() < sent.size(); turn++) {
        say(have(), kAck, 2056, stamps);
        world.run_for(100);
    }
    EXPECT_LE(longest, 536u);
    end();
}

/// The largest segment is told by a SYN alone: what is queued may be longer than what a peer says of it later.
TEST_F(HandMadePeer, LargestSegmentStaysAsAgreed) {
    constexpr u16 kLittle = 300;
    const std::vector<u8> tiny = {2, 4, 0, 100};
    open(0);
    send(2000);
    world.run_for(10);
    say(0, kAck, kLittle, tiny);
    for (u32 turn = 0; turn < 1000 && have() < sent.size(); turn++) {
        world.run_for(100);
        say(have(), kAck, kLittle, tiny);
    }
    EXPECT_GT(longest, 100u);
    end();
}

/// It acknowledges what was never sent: it is told so, but not each time, as a stack in its place would answer that too.
TEST_F(HandMadePeer, AcknowledgesWhatWasNeverSent) {
    open(1000);
    for (u32 turn = 0; turn < 3; turn++) {
        const u64 before = two.frames_sent;
        for (u32 i = 0; i < 10; i++) {
            say(5000, kAck, 1000);
            two.run();
        }
        EXPECT_EQ(two.frames_sent, before + 1) << turn;
        world.run_for(200);
    }
    end();
}

/// A client died while it read what was entered: its successor is notified.
TEST(Hostile, ClientThatDiedWhileItWasReading) {
    World world(3);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    two.client().listen(80);
    world.run_for(10);
    for (const bool same_session : {false, true}) {
        one.client().link().to_client.reader_awake = 1;
        if (!same_session) {
            one.session++;
            one.client().forget();
        }
        one.stack().open(one.session);
        one.client().enter_all();
        one.run();
        const u64 before = one.notifications;
        const u16 port = same_session ? 4001 : 4000;
        const u32 socket = one.client().connect(ipv4(1, port), ipv4(2, 80));
        EXPECT_TRUE(world.run([&] { return one.client().state(socket) == Net::State::established; }, 5'000));
        EXPECT_GT(one.notifications, before);
    }
}

TEST(Hostile, RandomFrames) {
    World world(1);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    for (u32 i = 0; i < 100'000; i++) {
        Frame frame(world.random() % 200);
        for (u8& byte : frame) byte = static_cast<u8>(world.random());
        if (frame.size() > 40) {
            const u8 head[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9};
            std::copy_n(head, 12, frame.begin());
            if (world.random() % 4 == 0) frame[0] = 0x33, frame[1] = 0x33;
            const u64 kind = world.random() % 8;
            frame[12] = kind < 4 ? 8 : 0x86;
            frame[13] = kind < 3 ? 0 : kind == 3 ? 6 : 0xdd;
            if (kind < 3) frame[14] = 0x45;
            if (kind > 3) frame[14] = 0x60;
            if (kind > 3 && world.random() % 2 == 0)
                frame[20] = static_cast<u8>(std::array{0, 6, 17, 43, 44, 58, 60}[world.random() % 7]);
        }
        two.deliver(frame);
        if (i % 100 == 0) {
            two.run();
            world.run_for(20);
        }
    }
    works(world, one, two, 5001);
    world.run_for(200'000);
    EXPECT_EQ(two.lent(), 0u);
}

TEST(Hostile, FragmentsAreBounded) {
    World world(2);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    for (u32 i = 0; i < 20'000; i++) {
        Frame frame = packet4(static_cast<u8>(3 + i % 200), 2, 17,
                              std::vector<u8>(8 + world.random() % 100 * 8));
        const u32 offset = static_cast<u32>(world.random() % 2000);
        frame[18] = static_cast<u8>(i >> 8), frame[19] = static_cast<u8>(i);
        frame[20] = static_cast<u8>(0x20 | offset >> 8), frame[21] = static_cast<u8>(offset);
        frame[24] = frame[25] = 0;
        const u16 sum = internet_checksum(frame.data() + 14, 20);
        frame[24] = static_cast<u8>(sum >> 8), frame[25] = static_cast<u8>(sum);
        two.deliver(frame);
        if (i % 64 == 0) two.run();
    }
    EXPECT_LE(two.lent(), 100u);
    works(world, one, two, 5001);
    world.run_for(60'000);
    EXPECT_EQ(two.lent(), 0u);
}

/// Random bytes in the Blocks, both halves, and in the rings of numbers, while connections carry bytes; then another session, in which all is well.
TEST(Hostile, ClientThatWritesAnything) {
    for (u64 seed = 1; seed <= 20; seed++) {
        World world(seed);
        Machine& one = world.add(1);
        Machine& two = world.add(2);
        const Pair pair = connect(world, one, two);
        std::vector<u8> bytes(50'000, 7);
        for (u32 turn = 0; turn < 400; turn++) {
            one.client().send(pair.a, bytes.data(), static_cast<u32>(world.random() % bytes.size()));
            for (u64 writes = world.random() % 8; writes > 0; writes--) {
                const u64 kind = world.random() % 8;
                Net::Block& block = two.client().link().blocks[world.random() % 2 == 0
                                                                   ? pair.b
                                                                   : world.random() % Net::kSockets];
                if (kind < 4) {
                    reinterpret_cast<u8*>(&block)[world.random() % sizeof(Net::Block)] = static_cast<u8>(
                        world.random());
                } else if (kind < 6) {
                    block.client.kind = static_cast<Net::Kind>(world.random() % 8);
                    block.client.generation = static_cast<u32>(world.random() % 4);
                    block.client.local = ipv4(2, static_cast<u16>(world.random() % 3));
                    block.client.remote = ipv4(static_cast<u8>(world.random() % 3),
                                               static_cast<u16>(80 + world.random() % 2));
                    block.client.send_tail = static_cast<u32>(world.random() % 1000);
                    for (u16& page : block.client.send_pages)
                        page = static_cast<u16>(world.random() % 2 == 0 ? world.random()
                                                                        : 1024 + world.random() % 1024);
                } else if (kind == 6) {
                    two.client().link().to_client.numbers[world.random() % Net::kSockets] = static_cast<u16>(
                        world.random());
                } else if (world.random() % 50 == 0) {
                    two.client().link().to_server.tail = static_cast<u32>(world.random());
                }
                const u16 number = static_cast<u16>(&block - two.client().link().blocks);
                if (world.random() % 2 == 0) {
                    Net::NumberRing& ring = two.client().link().to_server;
                    ring.numbers[ring.tail++ % Net::kSockets] = number;
                }
            }
            const u64 end = world.now + 3'000'000;
            two.stack().round();
            while (world.now < end) world.run_for_stacks(3);
            if (turn % 50 == 49) {
                two.kill();
                if (turn % 100 == 99) two.session++;
                if (turn % 100 == 99) two.client().forget();
                two.start_quietly();
            }
        }
        two.kill();
        two.session++;
        two.client().forget();
        two.start();
        world.run_for(100);
        works(world, one, two, 6001);
        if (HasFailure()) FAIL() << seed;
    }
}

}  // namespace
}  // namespace pith::stack
