// SPDX-License-Identifier: MIT
// Servers that break the rules: what they write costs the socket that it is about, or a new Open, and nothing else. PITH_NET_CLIENT_ROUNDS makes it longer.
#include <cstdlib>
#include <random>

#include "tests/host/net_client/fake_server.hpp"

namespace pith {
namespace {

struct Hostile : testing::Test {
    Hostile() { sockets.attach(server.memory); }
    NetSocketRef connect() {
        NetSocketRef socket = sockets.make(settings_of(Net::Kind::stream), watcher);
        server.take();
        server.answer(socket->number(), Net::State::established);
        sockets.serve();
        return socket;
    }
    void expect_broken(NetSocket& socket) {
        server.enter(socket.number());
        sockets.serve();
        EXPECT_EQ(socket.state(), Net::State::closed);
        EXPECT_EQ(socket.failure(), Net::Failure::broken);
        EXPECT_EQ(server.client(socket.number()).kind, Net::Kind::none);
        EXPECT_EQ(socket.received(), 0u);
        EXPECT_TRUE(socket.send_space().empty());
    }
    FakeServer server;
    NetSockets sockets;
    Watcher watcher;
};

TEST_F(Hostile, PositionsThatCanNotBe) {
    const NetSocketRef a = connect(), b = connect(), c = connect(), d = connect(), good = connect();
    server.server(a->number()).send_head = 1;  // nothing was sent
    server.server(b->number()).receive_tail = Net::kRingSize + 1;
    server.receive(c->number(), {1, 2, 3}, 0);
    sockets.serve();
    server.server(c->number()).receive_tail = 2;  // goes back
    server.server(d->number()).state = static_cast<Net::State>(77);
    for (NetSocket* socket : {a.get(), b.get(), c.get(), d.get()}) expect_broken(*socket);
    EXPECT_EQ(good->state(), Net::State::established);
}

TEST_F(Hostile, PagesThatAreNotTheServers) {
    const NetSocketRef socket = connect();
    server.server(socket->number()).receive_pages[0] = Net::kFirstSendPage;
    server.server(socket->number()).receive_tail = 10;
    server.enter(socket->number());
    sockets.serve();
    EXPECT_TRUE(socket->received_piece().empty());
    expect_broken(*socket);
}

/// Who reads finds nothing, and would wait for ever: its watcher hears of the end, once.
TEST_F(Hostile, BrokenOffWhileItIsRead) {
    const NetSocketRef socket = connect();
    const u16 number = socket->number();
    server.server(number).receive_pages[0] = Net::kNoPage;
    server.server(number).receive_tail = 10;
    server.enter(number);
    sockets.serve();
    EXPECT_TRUE(socket->received_piece().empty());
    const u32 before = watcher.changes;
    server.server(number).state = Net::State::free;
    for (u32 i = 0; i < 3; ++i) {
        server.enter(number);
        sockets.serve();
    }
    EXPECT_EQ(watcher.changes, before + 1);
    EXPECT_EQ(socket->state(), Net::State::closed);
    EXPECT_EQ(socket->failure(), Net::Failure::broken);
}

TEST_F(Hostile, DatagramsThatAreLongerThanTheRing) {
    const NetSocketRef socket = sockets.make(settings_of(Net::Kind::datagram), watcher);
    server.answer(socket->number(), Net::State::open);
    Net::Datagram header{.length = 5000};
    std::vector<u8> bytes(sizeof header + 100);
    std::memcpy(bytes.data(), &header, sizeof header);
    server.receive(socket->number(), bytes, 0);
    sockets.serve();
    Net::Datagram received;
    EXPECT_FALSE(socket->next_datagram(received));
    EXPECT_EQ(socket->failure(), Net::Failure::broken);
}

TEST_F(Hostile, RingsOfNumbersThatCanNotBe) {
    server.link().to_client.tail += Net::kSockets + 1;
    sockets.serve();
    EXPECT_TRUE(sockets.take_broken());
    server.link().to_client.tail = server.link().to_client.head + 1;
    server.link().to_client.numbers[server.link().to_client.head % Net::kSockets] = Net::kSockets;
    sockets.serve();
    EXPECT_TRUE(sockets.take_broken());
    // One that never takes a number, and clears what is pending.
    const NetSocketRef socket = connect();
    server.take();
    for (u32 i = 0; i < 2 * Net::kSockets; ++i) {
        server.client(socket->number()).pending = 0;
        socket->set_flags(Net::kNoDelay);
    }
    EXPECT_TRUE(sockets.take_broken());
}

/// Random words anywhere in the server's part of the link, between random uses of the client.
TEST_F(Hostile, RandomWords) {
    const char* const text = std::getenv("PITH_NET_CLIENT_ROUNDS");
    const u32 rounds = text != nullptr ? static_cast<u32>(std::atoi(text)) : 30000;
    std::mt19937 generator(20261126);
    const auto random = [&] { return static_cast<u32>(generator()); };
    std::vector<NetSocketRef> all;
    for (u32 round = 0; round < rounds; ++round) {
        const u32 number = random() % 8 == 0 ? random() % Net::kSockets
                                             : random() % 2 * Net::kFirstServerSocket + random() % 40;
        Net::ServerHalf& half = server.server(number);
        switch (random() % 12) {
            case 0: half.state = static_cast<Net::State>(random() % 6); break;
            case 1: half.generation = random() % 4 == 0 ? random() : server.client(number).generation; break;
            case 2: half.receive_tail += random() % 10000; break;
            case 3: half.send_head = random() % 4 == 0 ? random() : server.client(number).send_tail; break;
            case 4:
                half.receive_pages[random() % Net::kRingPages] = static_cast<u16>(
                    random() % 8 == 0 ? random() : random() % 1024);
                break;
            case 5:
                half.listener = random() % 40,
                half.listener_generation = server.client(half.listener).generation;
                break;
            case 6: half.failures = random(), half.failure = static_cast<Net::Failure>(random()); break;
            case 7:
                if (random() % 50 == 0) server.link().to_client.tail = random();
                break;
            case 8: {
                u8* const at = reinterpret_cast<u8*>(&half) + random() % sizeof half;
                *at = static_cast<u8>(random());
                break;
            }
            case 9: server.take(); break;
            case 10: half.wake_at = random(); break;
            case 11: half.flags = static_cast<u8>(random()); break;
        }
        server.enter(static_cast<u16>(number));
        sockets.serve();
        if (sockets.take_broken()) {
            server.link().to_client.tail = server.link().to_client.head = 0;
            server.link().to_server.tail = server.link().to_server.head = 0;
            for (Net::Block& block : server.link().blocks) block.client.pending = block.server.pending = 0;
            sockets.attach(server.memory);
        }
        for (NetSocketRef& accepted : watcher.accepted) all.push_back(std::move(accepted));
        watcher.accepted.clear();
        if (all.size() < 30) {
            constexpr Net::Kind kKinds[] = {Net::Kind::stream, Net::Kind::listener, Net::Kind::datagram};
            if (NetSocketRef made = sockets.make(settings_of(kKinds[random() % 3]), watcher))
                all.push_back(std::move(made));
        }
        if (all.empty()) continue;
        const usize chosen = random() % all.size();
        NetSocket& socket = *all[chosen];
        Net::Datagram header;
        switch (random() % 6) {
            case 0:
                if (const std::span<u8> space = socket.send_space(); !space.empty()) {
                    std::memset(space.data(), 1, space.size());
                    socket.commit(static_cast<u32>(space.size()));
                }
                break;
            case 1:
                if (const std::span<const u8> piece = socket.received_piece(); !piece.empty()) {
                    u32 sum = 0;
                    for (const u8 byte : piece) sum += byte;
                    socket.consume(static_cast<u32>(piece.size()) - sum % 2 % static_cast<u32>(piece.size()));
                }
                break;
            case 2:
                if (socket.next_datagram(header)) {
                    static_cast<void>(socket.datagram_piece(header, header.length / 2));
                    socket.consume_datagram(header);
                }
                break;
            case 3:
                header = {.length = random() % 70000};
                static_cast<void>(socket.send_datagram(header, [](std::span<u8> to) { return !to.empty(); }));
                break;
            case 4: socket.set_flags(static_cast<u8>(random())); break;
            case 5:
                if (random() % 2 == 0) socket.abort_on_release();
                if (random() % 4 == 0) all.erase(all.begin() + static_cast<i64>(chosen));
                break;
        }
    }
}

}  // namespace
}  // namespace pith
