// SPDX-License-Identifier: MIT
// Multicast: groups are joined and left on the wire, what comes for one is every fitting socket's, and neither outlives the client or dies with the stack.
#include <algorithm>

#include "tests/host/net/support/datagrams.hpp"

namespace pith::stack {
namespace {

constexpr u8 kIgmp = 2, kReport = 0x16, kLeave = 0x17;                 // RFC 2236, section 2.1
constexpr u8 kIcmp6 = 58, kListenerReport = 131, kListenerDone = 132;  // RFC 2710, section 3

Net::Address group4(u8 last, u16 port = 0) { return {.family = 4, .port = port, .bytes = {239, 1, 2, last}}; }
/// Of the scope of the link.
Net::Address group6(u8 last, u16 port = 0) {
    return {.family = 6,
            .port = port,
            .scope = 1,
            .bytes = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, last}};
}
Net::Address any(u8 family, u16 port) { return {.family = family, .port = port}; }

/// A message about group membership in a frame: its type; 0: it is none. `about` gets the group.
u8 membership(const Frame& frame, std::vector<u8>& about) {
    if (frame.size() > 14 + 24 + 8 && frame[12] == 8 && frame[13] == 0 && frame[14 + 9] == kIgmp) {
        const u8* message = &frame[14 + (frame[14] & 15u) * 4];
        about.assign(message + 4, message + 8);
        return message[0];
    }
    // Behind a hop-by-hop header with the router alert.
    if (frame.size() >= 14 + 40 + 8 + 24 && frame[12] == 0x86 && frame[13] == 0xdd && frame[14 + 6] == 0 &&
        frame[14 + 40] == kIcmp6) {
        const u8* message = &frame[14 + 48];
        about.assign(message + 8, message + 24);
        return message[0];
    }
    return 0;
}

struct Groups : Datagrams {
    /// Of `two`: what it has said of which groups.
    std::vector<std::pair<u8, std::vector<u8>>> said;

    Groups() {
        world.tap = [this](Machine& from, Frame& frame) {
            std::vector<u8> about;
            if (const u8 type = membership(frame, about); type != 0 && &from == &two)
                said.emplace_back(type, about);
            return true;
        };
        world.run_for(5'000);  // link-local addresses are settled
    }
    void be_in(Machine& machine, const std::vector<Net::Address>& groups) {
        Net::Link& link = machine.client().link();
        link.group_sequence = link.group_sequence | 1;
        std::memset(static_cast<void*>(link.groups), 0, sizeof link.groups);
        for (usize i = 0; i < groups.size(); i++) {
            link.groups[i].family = groups[i].family;
            link.groups[i].interface = 1;
            std::memcpy(link.groups[i].bytes, groups[i].bytes, 16);
        }
        link.group_sequence++;
        machine.client().notified = true;
    }
    bool has_said(u8 type, const Net::Address& group) const {
        const std::vector<u8> about(group.bytes, group.bytes + (group.family == 4 ? 4 : 16));
        return std::ranges::find(said, std::pair(type, about)) != said.end();
    }
    void send(u32 socket, const Net::Address& to, u8 text, u8 ttl = 1) {
        Net::Datagram way{};
        way.remote = to;
        way.ttl = ttl;
        ASSERT_TRUE(one.client().send_datagram(socket, way, {text}));
    }
    using Datagrams::receive;
    bool receive(u32 socket, u8 text) { return receive(two, socket) && bytes == std::vector<u8>{text}; }
    bool nothing(u32 socket) {
        world.run_for(100);
        return !two.client().receive_datagram(socket, header, bytes);
    }
};

TEST_F(Groups, OfIpv4AreJoinedAndLeft) {
    const u32 first = two.client().datagram(Net::Kind::datagram, any(4, 5353));
    const u32 second = two.client().datagram(Net::Kind::datagram, group4(1, 5353));
    const u32 third = two.client().datagram(Net::Kind::datagram, any(4, 5353), ipv4(9, 1));
    const u32 sender = one.client().datagram(Net::Kind::datagram, any(4, 9000));
    send(sender, group4(1, 5353), 1);
    EXPECT_TRUE(nothing(first));
    be_in(two, {group4(1), group4(2)});
    EXPECT_TRUE(
        world.run([&] { return has_said(kReport, group4(1)) && has_said(kReport, group4(2)); }, 20'000));
    send(sender, group4(1, 5353), 2);
    EXPECT_TRUE(receive(first, 2));
    EXPECT_EQ(header.local, group4(1, 5353));
    EXPECT_EQ(header.remote, ipv4(1, 9000));
    EXPECT_EQ(header.ttl, 1);
    EXPECT_TRUE(receive(second, 2));
    EXPECT_TRUE(nothing(third));  // another peer's
    send(sender, group4(2, 5353), 3, 7);
    EXPECT_TRUE(receive(first, 3));
    EXPECT_EQ(header.ttl, 7);
    EXPECT_TRUE(nothing(second));  // bound to another group
    send(sender, group4(3, 5353), 4);
    EXPECT_TRUE(nothing(first));
    // What is sent by a socket that is bound to a group is from the machine's own address.
    Net::Datagram answer{};
    answer.remote = ipv4(1, 9000);
    ASSERT_TRUE(two.client().send_datagram(second, answer, {5}));
    ASSERT_TRUE(world.run([&] { return one.client().receive_datagram(sender, header, bytes); }, 1'000));
    EXPECT_EQ(header.remote, ipv4(2, 5353));
    be_in(two, {group4(2)});
    world.run_for(100);
    EXPECT_TRUE(has_said(kLeave, group4(1)));
    EXPECT_FALSE(has_said(kLeave, group4(2)));
    send(sender, group4(1, 5353), 6);
    EXPECT_TRUE(nothing(first));
    send(sender, group4(2, 5353), 7);
    EXPECT_TRUE(receive(first, 7));
}

TEST_F(Groups, OfIpv6AreJoinedAndLeft) {
    const u32 first = two.client().datagram(Net::Kind::datagram, any(6, 5353));
    const u32 second = two.client().datagram(Net::Kind::datagram, group6(1, 5353));
    const u32 sender = one.client().datagram(Net::Kind::datagram, any(6, 9000));
    send(sender, group6(1, 5353), 1);
    EXPECT_TRUE(nothing(first));
    be_in(two, {group6(1)});
    EXPECT_TRUE(world.run([&] { return has_said(kListenerReport, group6(1)); }, 20'000));
    send(sender, group6(1, 5353), 2);
    EXPECT_TRUE(receive(first, 2));
    EXPECT_EQ(header.local, group6(1, 5353));
    EXPECT_EQ(header.ttl, 1);
    EXPECT_TRUE(receive(second, 2));
    be_in(two, {});
    world.run_for(100);
    EXPECT_TRUE(has_said(kListenerDone, group6(1)));
    send(sender, group6(1, 5353), 3);
    EXPECT_TRUE(nothing(first));
}

TEST_F(Groups, OutliveTheStackButNotTheClient) {
    const u32 socket = two.client().datagram(Net::Kind::datagram, any(4, 5353));
    const u32 sender = one.client().datagram(Net::Kind::datagram, any(4, 9000));
    be_in(two, {group4(1), group6(1)});
    world.run_for(100);
    for (u8 i = 0; i < 5; i++) {
        two.kill();
        two.start();
        world.run_for(10);
        said.clear();
        send(sender, group4(1, 5353), i);
        EXPECT_TRUE(receive(socket, i)) << int{i};
    }
    EXPECT_TRUE(world.run(
        [&] { return has_said(kReport, group4(1)) && has_said(kListenerReport, group6(1)); }, 20'000));
    two.session++;
    two.kill();
    two.start();
    two.client().forget();
    const u32 other = two.client().datagram(Net::Kind::datagram, any(4, 5353));
    world.run_for(100);
    send(sender, group4(1, 5353), 9);
    EXPECT_TRUE(nothing(other));
    EXPECT_EQ(two.client().link().groups[0].family, 0);
}

/// What the table says is checked: what is no group is left out, the same one twice is once, and one that is half written waits.
TEST_F(Groups, TableIsNotBelieved) {
    const u32 socket = two.client().datagram(Net::Kind::datagram, any(4, 5353));
    const u32 sender = one.client().datagram(Net::Kind::datagram, any(4, 9000));
    Net::Link& link = two.client().link();
    for (u32 round = 0; round < 200; round++) {
        for (Net::Group& group : link.groups) {
            u64 words[3] = {world.random(), world.random(), world.random()};
            std::memcpy(static_cast<void*>(&group), words, sizeof group);
            if (world.chance() < 500) group.interface = 1;
            if (world.chance() < 500) group.family = world.chance() < 500 ? 4 : 6;
            if (world.chance() < 300) group.bytes[0] = group.family == 4 ? 239 : 0xff;
        }
        link.group_sequence = static_cast<u32>(world.random());
        two.client().notified = true;
        world.run_for(20);
    }
    be_in(two, {group4(1), group4(1), ipv4(1), group4(1)});
    world.run_for(100);
    send(sender, group4(1, 5353), 1);
    EXPECT_TRUE(receive(socket, 1));
    said.clear();
    be_in(two, {});
    world.run_for(100);
    EXPECT_EQ(said, (std::vector<std::pair<u8, std::vector<u8>>>{{kLeave, {239, 1, 2, 1}}}));
    link.group_sequence |= 1;
    link.groups[0].family = 4;
    link.groups[0].interface = 1;
    std::memcpy(link.groups[0].bytes, group4(2).bytes, 4);
    two.client().notified = true;
    world.run_for(100);
    send(sender, group4(2, 5353), 2);
    EXPECT_TRUE(nothing(socket));
    link.group_sequence++;
    two.client().notified = true;
    world.run_for(100);
    send(sender, group4(2, 5353), 3);
    EXPECT_TRUE(receive(socket, 3));
}

/// What is for all hosts needs no membership, and is every fitting socket's.
TEST_F(Groups, BroadcastIsForAll) {
    const u32 first = two.client().datagram(Net::Kind::datagram, any(4, 5353));
    const u32 second = two.client().datagram(Net::Kind::datagram,
                                             {.family = 4, .port = 5353, .bytes = {255, 255, 255, 255}});
    const u32 sender = one.client().datagram(Net::Kind::datagram, any(4, 9000));
    one.client().set_flags(sender, Net::kBroadcast);
    send(sender, {.family = 4, .port = 5353, .bytes = {255, 255, 255, 255}}, 1);
    EXPECT_TRUE(receive(first, 1));
    EXPECT_TRUE(receive(second, 1));
    send(sender, {.family = 4, .port = 5353, .bytes = {224, 0, 0, 1}}, 2);
    EXPECT_TRUE(receive(first, 2));
}

}  // namespace
}  // namespace pith::stack
