// SPDX-License-Identifier: MIT
// Datagrams: UDP with and without a peer, fragments, echo and raw sockets, ICMP errors, and the stack's death in between.
#include "tests/host/net/support/datagrams.hpp"
#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

std::vector<u8> pattern(u32 length, u8 seed) {
    std::vector<u8> bytes(length);
    for (u32 i = 0; i < length; i++) bytes[i] = static_cast<u8>(i * 7 + seed);
    return bytes;
}
Net::Address port_only(u16 port) {
    Net::Address address{};
    address.port = port;
    return address;
}

TEST_F(Datagrams, GoThereAndBack) {
    const u32 server = two.client().datagram(Net::Kind::datagram, port_only(53));
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    for (u32 length : {0u, 1u, 100u, 1472u}) {
        ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(length, 3)));
        ASSERT_TRUE(receive(two, server)) << length;
        EXPECT_EQ(bytes, pattern(length, 3));
        EXPECT_EQ(header.remote, ipv4(1, 9000));
        EXPECT_EQ(header.local, ipv4(2, 53));
        Net::Datagram answer{};
        answer.remote = header.remote;
        ASSERT_TRUE(two.client().send_datagram(server, answer, pattern(length + 1, 9)));
        ASSERT_TRUE(receive(one, client));
        EXPECT_EQ(bytes, pattern(length + 1, 9));
    }
    EXPECT_TRUE(one.client().drained(client));
}

TEST_F(Datagrams, LargeOnesAreFragmented) {
    const u32 server = two.client().datagram(Net::Kind::datagram, port_only(53));
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    world.reorder = 300;
    for (u32 length : {1473u, 8000u, 40'000u, 65'507u}) {
        bool came = false;
        for (int tries = 0; tries < 5 && !came; tries++) {
            ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(length, 5)));
            came = receive(two, server);
        }
        ASSERT_TRUE(came) << length;
        EXPECT_EQ(bytes, pattern(length, 5));
    }
    const u32 before = one.client().server(client).failures;
    ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(65'520, 5)));
    world.run_for(10);
    EXPECT_EQ(one.client().server(client).failures, before + 1);
    EXPECT_EQ(one.client().failure(client), Net::Failure::too_long);
}

/// More than there is room for at a time: they wait in their socket, also when that is let go of, and a fragmented one for all of its frames.
TEST_F(Datagrams, WaitForRoomForTheirFrames) {
    const u32 server = two.client().datagram(Net::Kind::datagram, port_only(53));
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(1, 1)));
    ASSERT_TRUE(receive(two, server));  // they know each other's hardware addresses
    one.most_frames = 6;
    for (u8 i = 0; i < 40; i++)
        ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(i % 10 == 9 ? 8000u : 100u, i)));
    one.client().close(client);
    for (u8 i = 0; i < 40; i++) {
        ASSERT_TRUE(receive(two, server)) << int{i};
        EXPECT_EQ(bytes, pattern(i % 10 == 9 ? 8000u : 100u, i)) << int{i};
    }
    EXPECT_TRUE(world.run([&] { return one.client().free(client); }, 5'000));
}

TEST_F(Datagrams, NobodyThereIsTold) {
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(10, 1)));
    EXPECT_TRUE(world.run([&] { return one.client().server(client).failures == 1; }, 5'000));
    EXPECT_EQ(one.client().failure(client), Net::Failure::refused);
}

TEST_F(Datagrams, ErrorsAreReportedWithWhatTheyQuote) {
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000));
    one.client().set_flags(client, Net::kReportErrors);
    Net::Datagram to{};
    to.remote = ipv4(2, 53);
    for (u32 length : {10u, 400u}) {
        ASSERT_TRUE(one.client().send_datagram(client, to, pattern(length, 1)));
        ASSERT_TRUE(receive(one, client));
        EXPECT_EQ(header.report, 1);
        EXPECT_EQ(header.icmp_type, 3);
        EXPECT_EQ(header.icmp_code, 3);
        EXPECT_EQ(header.remote, ipv4(2, 53));
        EXPECT_EQ(header.local, ipv4(2, 0));
        ASSERT_LE(bytes.size(), length);
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), pattern(length, 1).begin()));
    }
    EXPECT_EQ(one.client().server(client).failures, 0u);
    // A router's: time exceeded, too big. They quote the IP header and eight bytes, as they have to at least.
    for (const auto& [type, code, mtu] : {std::array<u16, 3>{11, 0, 0}, {3, 4, 1280}}) {
        std::vector<u8> message = {static_cast<u8>(type),     static_cast<u8>(code), 0, 0, 0, 0,
                                   static_cast<u8>(mtu >> 8), static_cast<u8>(mtu)};
        const Frame lost = packet4(1, 2, 17, udp(9000, 53, {}));
        message.insert(message.end(), lost.begin() + 14, lost.begin() + 14 + 28);
        const u16 sum = internet_checksum(message.data(), message.size());
        message[2] = static_cast<u8>(sum >> 8), message[3] = static_cast<u8>(sum);
        one.deliver(packet4(9, 1, 1, message));
        ASSERT_TRUE(receive(one, client));
        EXPECT_EQ(header.icmp_type, type);
        EXPECT_EQ(header.icmp_code, code);
        EXPECT_EQ(header.mtu, mtu);
        EXPECT_EQ(header.local, ipv4(9, 0));
        EXPECT_TRUE(bytes.empty());
    }
}

TEST_F(Datagrams, ErrorsOfOthersPacketsAreNotBelieved) {
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    one.client().set_flags(client, Net::kReportErrors);
    world.run_for(10);
    // "Port unreachable", of a datagram that came from 10.0.0.`sender`.
    const auto error = [](u8 sender) {
        std::vector<u8> message = {3, 3, 0, 0, 0, 0, 0, 0};
        const Frame lost = packet4(sender, 2, 17, udp(9000, 53, {}));
        message.insert(message.end(), lost.begin() + 14, lost.begin() + 14 + 28);
        const u16 sum = internet_checksum(message.data(), message.size());
        message[2] = static_cast<u8>(sum >> 8), message[3] = static_cast<u8>(sum);
        return packet4(2, 1, 1, message);
    };
    one.deliver(error(7));
    world.run_for(10);
    EXPECT_FALSE(one.client().receive_datagram(client, header, bytes));
    one.deliver(error(1));
    EXPECT_TRUE(receive(one, client));
}

TEST_F(Datagrams, FullRingDrops) {
    const u32 server = two.client().datagram(Net::Kind::datagram, port_only(53));
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    two.client().client(server).receive_limit = 20'000;
    two.client().enter(server);
    for (u32 i = 0; i < 40; i++) {
        ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(1000, static_cast<u8>(i))));
        world.run_for(2);
    }
    EXPECT_GT(two.client().server(server).drops, 15u);
    u32 count = 0;
    while (two.client().receive_datagram(server, header, bytes))
        EXPECT_EQ(bytes, pattern(1000, static_cast<u8>(count++)));
    EXPECT_EQ(count + two.client().server(server).drops, 40u);
    world.run_for(5);
    ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(1000, 99)));
    EXPECT_TRUE(receive(two, server));
}

TEST_F(Datagrams, EchoIsAnswered) {
    const u32 client = one.client().datagram(Net::Kind::echo, port_only(321), ipv4(2));
    std::vector<u8> request = pattern(64, 1);
    request[6] = 0, request[7] = 5;
    ASSERT_TRUE(one.client().send_datagram(client, {}, request));
    ASSERT_TRUE(receive(one, client));
    ASSERT_EQ(bytes.size(), 64u);
    EXPECT_EQ(bytes[0], 0);
    EXPECT_EQ(bytes[7], 5);
    EXPECT_TRUE(std::equal(bytes.begin() + 8, bytes.end(), request.begin() + 8));
    EXPECT_EQ(header.remote, ipv4(2));
}

TEST_F(Datagrams, RawPacketsComeWithTheirHeader) {
    const u32 there = two.client().datagram(Net::Kind::raw, {});
    two.client().client(there).protocol = 253;
    const u32 here = one.client().datagram(Net::Kind::raw, {}, ipv4(2));
    one.client().client(here).protocol = 253;
    world.run_for(1);
    ASSERT_TRUE(one.client().send_datagram(here, {}, pattern(100, 8)));
    ASSERT_TRUE(receive(two, there));
    ASSERT_EQ(bytes.size(), 120u);
    EXPECT_EQ(bytes[0], 0x45);
    EXPECT_TRUE(std::equal(bytes.begin() + 20, bytes.end(), pattern(100, 8).begin()));
}

TEST_F(Datagrams, SocketsOutliveTheStack) {
    const u32 server = two.client().datagram(Net::Kind::datagram, port_only(53));
    const u32 client = one.client().datagram(Net::Kind::datagram, port_only(9000), ipv4(2, 53));
    for (u32 i = 0; i < 20; i++) {
        ASSERT_TRUE(one.client().send_datagram(client, {}, pattern(3000, static_cast<u8>(i))));
        world.run_for(5);
        ASSERT_GE(two.client().readable(server), 3000u);
        two.kill();  // with the datagram in its ring
        two.start();
        one.kill();
        one.start();
        ASSERT_TRUE(receive(two, server)) << i;
        EXPECT_EQ(bytes, pattern(3000, static_cast<u8>(i)));
    }
    one.client().close(client);
    two.client().close(server);
    EXPECT_TRUE(world.run([&] { return one.client().free(client) && two.client().free(server); }, 1000));
    EXPECT_EQ(two.stack().statistics().receive_pages_used, 0u);
}

}  // namespace
}  // namespace pith::stack
