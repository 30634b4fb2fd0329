// SPDX-License-Identifier: MIT
// Addresses: DHCP from a small server, router advertisements from a small router; leases that outlive the stack.
#include "tests/host/net/support/frames.hpp"
#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

/// Answers what the machine asks of DHCP (RFC 2131); counts what was asked.
struct DhcpServer {
    World& world;
    u32 discovers = 0, requests = 0;
    bool silent = false;
    u8 asked_for = 0;  ///< the last byte of the address that was requested

    void hear(Machine& from, const Frame& frame) {
        if (frame.size() < 14 + 20 + 8 + 240 || frame[12] != 8 || frame[13] != 0 || frame[23] != 17 ||
            frame[37] != 67)
            return;
        const u8* message = frame.data() + 42;
        u8 type = 0;
        for (usize at = 240; 42 + at + 2 < frame.size() && message[at] != 255;
             at += message[at] == 0 ? 1 : 2u + message[at + 1]) {
            if (message[at] == 53) type = message[at + 2];
            if (message[at] == 50) asked_for = message[at + 5];
        }
        if (type == 1) discovers++;
        if (type == 3) requests++;
        if (silent || (type != 1 && type != 3)) return;
        std::vector<u8> reply(240);
        reply[0] = 2, reply[1] = 1, reply[2] = 6;
        std::copy_n(message + 4, 4, reply.begin() + 4);
        const u8 address[] = {10, 0, 0, 77};
        std::copy_n(address, 4, reply.begin() + 16);
        std::copy_n(message + 28, 16, reply.begin() + 28);
        const u8 options[] = {99,  130, 83,  99,  53,  1,   static_cast<u8>(type == 1 ? 2 : 5),
                              54,  4,   10,  0,   0,   1,   51,
                              4,   0,   0,   14,  16,  1,   4,
                              255, 255, 255, 0,   3,   4,   10,
                              0,   0,   1,   6,   8,   10,  0,
                              0,   5,   10,  0,   0,   6,   15,
                              7,   'e', 'x', 'a', 'm', 'p', 'l',
                              'e', 255};
        std::copy(options, options + 4, reply.begin() + 236);
        reply.insert(reply.end(), options + 4, options + sizeof options);
        Frame answer = packet4(1, 77, 17, udp(67, 68, reply));
        std::fill_n(answer.begin(), 6, u8{0xff});
        from.deliver(answer);
        from.run();
    }
};

const Net::Interface& shown(Machine& machine) { return machine.client().link().interfaces[0]; }

TEST(Configuration, DhcpGivesAnAddress) {
    World world(1);
    DhcpServer server{world};
    std::vector<std::pair<Machine*, Frame>> asked;
    world.tap = [&](Machine& from, Frame& frame) {
        asked.emplace_back(&from, frame);
        return true;
    };
    Machine& one = world.add(0);
    const auto answer = [&] {
        auto now = std::move(asked);
        asked.clear();
        for (auto& [from, frame] : now) server.hear(*from, frame);
    };
    ASSERT_TRUE(world.run(
        [&] {
            answer();
            return shown(one).addresses[0].family == 4;
        },
        20'000));
    EXPECT_EQ(shown(one).addresses[0].bytes[3], 77);
    EXPECT_EQ(shown(one).addresses[0].prefix, 24);
    EXPECT_EQ(shown(one).gateway4[3], 1);
    EXPECT_EQ(shown(one).flags & (Net::kUp | Net::kConfigured), Net::kUp | Net::kConfigured);
    EXPECT_STREQ(shown(one).name, "eth0");
    const Net::Link& link = one.client().link();
    ASSERT_EQ(link.name_server_count, 2u);
    EXPECT_EQ(link.name_servers[1], ipv4(6, 53));
    EXPECT_STREQ(link.domain, "example");
    EXPECT_EQ(link.sequence % 2, 0u);

    // A reborn stack has the address at once, and asks whether it is still its own.
    const u32 discovers = server.discovers, requests = server.requests;
    one.kill();
    asked.clear();
    one.start();
    EXPECT_EQ(shown(one).addresses[0].bytes[3], 77);
    EXPECT_EQ(one.client().link().name_server_count, 2u);
    ASSERT_TRUE(world.run(
        [&] {
            answer();
            return server.requests > requests;
        },
        20'000));
    EXPECT_EQ(server.discovers, discovers);
    EXPECT_EQ(server.asked_for, 77);

    // It is renewed at half its time, and kept as long as it lasts though nobody answers; then it is gone.
    const u32 renewed = server.requests;
    world.run(
        [&] {
            answer();
            return false;
        },
        2'000'000);
    EXPECT_GT(server.requests, renewed);
    server.silent = true;
    world.run_for(3'000'000);
    EXPECT_EQ(shown(one).addresses[0].family, 4);
    world.run_for(2'000'000);
    EXPECT_EQ(shown(one).addresses[0].family, 6);  // the link-local one is first now
}

TEST(Configuration, NobodyNeedWaitForAnAddressForEver) {
    World world(2);
    Machine& one = world.add(0);
    world.run_for(5'000);
    EXPECT_EQ(shown(one).flags & Net::kConfigured, 0);
    EXPECT_NE(shown(one).flags & Net::kTrying, 0);
    world.run_for(60'000);
    EXPECT_NE(shown(one).flags & Net::kConfigured, 0);
    EXPECT_EQ(shown(one).flags & Net::kUp, Net::kUp);
    one.stack().set_link(false);
    one.run();
    EXPECT_EQ(shown(one).flags & Net::kUp, 0);
}

TEST(Configuration, ConnectionsWithoutAnAddressFailAtOnce) {
    World world(3);
    Machine& one = world.add(0);
    const u32 socket = one.client().connect({.family = 0, .port = 5000}, ipv4(2, 80));
    EXPECT_TRUE(world.run([&] { return one.client().state(socket) == Net::State::closed; }, 1'000));
    EXPECT_EQ(one.client().failure(socket), Net::Failure::unreachable);
}

TEST(Configuration, RouterAdvertisementsGiveAddresses) {
    World world(4);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    world.run_for(5'000);
    // From fe80::9: prefix 2001:db8::/64, and itself as a router.
    std::vector<u8> advertisement = {134, 0,    0,    0,    64, 0, 7,    8,    0, 0, 0, 0, 0,    0,
                                     0,   0,    1,    1,    2,  0, 0,    0,    0, 9, 3, 4, 64,   0xc0,
                                     0,   1,    0x51, 0x80, 0,  0, 0x38, 0x40, 0, 0, 0, 0, 0x20, 1,
                                     0xd, 0xb8, 0,    0,    0,  0, 0,    0,    0, 0, 0, 0, 0,    0};
    Frame frame = {0x33, 0x33, 0,    0,    0,    1, 2, 0, 0,    0,
                   0,    9,    0x86, 0xdd, 0x60, 0, 0, 0, 0,    static_cast<u8>(advertisement.size()),
                   58,   255,  0xfe, 0x80, 0,    0, 0, 0, 0,    0,
                   0,    0,    0,    0,    0,    0, 0, 9, 0xff, 2,
                   0,    0,    0,    0,    0,    0, 0, 0, 0,    0,
                   0,    0,    0,    1};
    std::vector<u8> pseudo(frame.begin() + 22, frame.begin() + 54);
    pseudo.insert(pseudo.end(), {0, 0, 0, static_cast<u8>(advertisement.size()), 0, 0, 0, 58});
    pseudo.insert(pseudo.end(), advertisement.begin(), advertisement.end());
    const u16 sum = internet_checksum(pseudo.data(), pseudo.size());
    advertisement[2] = static_cast<u8>(sum >> 8), advertisement[3] = static_cast<u8>(sum);
    frame.insert(frame.end(), advertisement.begin(), advertisement.end());
    for (Machine* machine : {&one, &two}) {
        machine->deliver(frame);
        machine->run();
    }
    const auto global = [](Machine& machine) -> const Net::InterfaceAddress* {
        for (const Net::InterfaceAddress& address : shown(machine).addresses) {
            if (address.family == 6 && address.bytes[0] == 0x20) return &address;
        }
        return nullptr;
    };
    ASSERT_TRUE(world.run([&] { return global(one) != nullptr && global(two) != nullptr; }, 10'000));
    EXPECT_EQ(shown(one).gateway6[15], 9);
    // A connection by IPv6, and bytes.
    Net::Address to{}, from{};
    to.family = from.family = 6;
    std::memcpy(to.bytes, global(two)->bytes, 16);
    to.port = 80, from.port = 4000;
    const u32 listener = two.client().listen(80, 10, {.family = 6});
    const u32 socket = one.client().connect(from, to);
    u32 there = 0;
    ASSERT_TRUE(world.run([&] { return (there = two.client().accept(listener)) != 0; }, 10'000));
    Pump pump{one, socket, two, there, 1'000'000};
    EXPECT_TRUE(carry(world, pump, 20'000));
    EXPECT_FALSE(pump.wrong);
    EXPECT_EQ(two.client().server(there).local, to);
}

}  // namespace
}  // namespace pith::stack
