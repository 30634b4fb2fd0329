// SPDX-License-Identifier: MIT
// What a client does on a link with a server that keeps the rules.
#include "tests/host/net_client/fake_server.hpp"

namespace pith {
namespace {

struct NetClientTest : testing::Test {
    NetClientTest() { sockets.attach(server.memory); }
    NetSocketRef connect() {
        NetSocketRef socket = sockets.make(settings_of(Net::Kind::stream), watcher);
        server.take();
        server.answer(socket->number(), Net::State::established);
        sockets.serve();
        return socket;
    }
    void send(NetSocket& socket, u32 count, u32& value) {
        while (count != 0) {
            std::span<u8> space = socket.send_space();
            ASSERT_FALSE(space.empty());
            space = space.first(std::min<usize>(space.size(), count));
            for (u8& byte : space) byte = static_cast<u8>(value++ * 7);
            socket.commit(static_cast<u32>(space.size()));
            count -= static_cast<u32>(space.size());
        }
    }
    FakeServer server;
    NetSockets sockets;
    Watcher watcher;
};

TEST_F(NetClientTest, ANewSocketIsEnteredAndTold) {
    EXPECT_TRUE(sockets.take_notify());
    NetSockets::Settings settings = settings_of(Net::Kind::stream);
    settings.remote = {.family = 4, .port = 80, .bytes = {10, 0, 2, 2}};
    const NetSocketRef socket = sockets.make(settings, watcher);
    EXPECT_TRUE(sockets.take_notify());
    EXPECT_EQ(server.take(), std::vector<u16>{socket->number()});
    EXPECT_EQ(server.client(socket->number()).kind, Net::Kind::stream);
    EXPECT_EQ(server.client(socket->number()).remote, settings.remote);
    EXPECT_NE(server.client(socket->number()).generation, 0u);
    EXPECT_EQ(socket->state(), Net::State::connecting);
    server.answer(socket->number(), Net::State::established);
    sockets.serve();
    EXPECT_EQ(socket->state(), Net::State::established);
    EXPECT_EQ(watcher.changes, 1u);
    EXPECT_FALSE(sockets.take_notify());
}

/// The table of groups is even when it is whole, another one each time, and in every link.
TEST_F(NetClientTest, GroupsAreInTheLink) {
    sockets.take_notify();
    u32 asked = 0;
    sockets.wants_notify = [&] { ++asked; };
    const Net::Group one{.family = 4, .interface = 1, .bytes = {239, 1, 2, 3}},
        other{.family = 6, .interface = 1, .bytes = {0xff, 5}};
    const u32 before = server.link().group_sequence;
    sockets.set_groups({one, other});
    EXPECT_EQ(asked, 1u);
    EXPECT_TRUE(sockets.take_notify());
    const u32 sequence = server.link().group_sequence;
    EXPECT_EQ(sequence % 2, 0u);
    EXPECT_NE(sequence, before);
    EXPECT_EQ(server.link().groups[0], one);
    EXPECT_EQ(server.link().groups[1], other);
    sockets.set_groups({other});
    EXPECT_NE(server.link().group_sequence, sequence);
    EXPECT_EQ(server.link().groups[0], other);
    EXPECT_EQ(server.link().groups[1], Net::Group{});
    sockets.detach();
    sockets.set_groups({one});
    FakeServer successor;
    successor.link().group_sequence = 7;  // a client that died while it wrote
    sockets.attach(successor.memory);
    EXPECT_EQ(successor.link().group_sequence % 2, 0u);
    EXPECT_EQ(successor.link().groups[0], one);
    EXPECT_EQ(server.link().groups[0], other);
}

TEST_F(NetClientTest, NoNotifyWhereTheServerIsAwakeOrHasBeenTold) {
    const NetSocketRef a = connect(), b = connect();
    sockets.take_notify();
    server.link().to_server.reader_awake = 1;
    a->set_flags(Net::kNoDelay);
    EXPECT_FALSE(sockets.take_notify());
    server.take();
    server.link().to_server.reader_awake = 0;
    a->set_flags(Net::kCork);
    EXPECT_TRUE(sockets.take_notify());
    b->set_flags(Net::kCork);  // the server has not come to the first yet
    EXPECT_FALSE(sockets.take_notify());
    EXPECT_EQ(server.take().size(), 2u);
}

TEST_F(NetClientTest, PredecessorThatDiedWhileItWasReading) {
    server.link().to_client.reader_awake = 1;
    sockets.attach(server.memory);
    EXPECT_EQ(server.link().to_client.reader_awake, 0u);
}

TEST_F(NetClientTest, SentBytesLieInTheRingUntilTheyAreAcknowledged) {
    const NetSocketRef socket = connect();
    const u16 number = socket->number();
    const u32 pages = sockets.free_pages();
    u32 value = 0, checked = 0, head = 0;
    for (u32 round = 0; round < 200; ++round) {
        send(*socket, std::min<u32>(socket->send_room(), round * 977 % 30000 + 1), value);
        const std::vector<u8> bytes = server.sent(number, head);
        for (const u8 byte : bytes) ASSERT_EQ(byte, static_cast<u8>(checked++ * 7));
        // All of it, or a part: what is left is looked at once more.
        const u32 part = round % 3 == 0 ? static_cast<u32>(bytes.size()) : static_cast<u32>(bytes.size()) / 2;
        head += part;
        checked -= static_cast<u32>(bytes.size()) - part;
        server.server(number).send_head = head;
        server.enter(number);
        sockets.serve();
        EXPECT_EQ(socket->unsent(), server.client(number).send_tail - head);
    }
    server.server(number).send_head = server.client(number).send_tail;
    server.enter(number);
    sockets.serve();
    EXPECT_EQ(sockets.free_pages(), pages);
}

TEST_F(NetClientTest, ReceivedBytes) {
    const NetSocketRef socket = connect();
    u32 value = 0, checked = 0;
    for (u32 round = 0; round < 100; ++round) {
        std::vector<u8> bytes(round * 991 % 9000 + 1);
        for (u8& byte : bytes) byte = static_cast<u8>(value++ * 11);
        server.receive(socket->number(), bytes, 0);
        sockets.serve();
        EXPECT_EQ(socket->received(), bytes.size());
        while (socket->received() != 0) {
            const std::span<const u8> piece = socket->received_piece();
            ASSERT_FALSE(piece.empty());
            for (const u8 byte : piece) ASSERT_EQ(byte, static_cast<u8>(checked++ * 11));
            socket->consume(static_cast<u32>(piece.size()));
        }
        EXPECT_EQ(server.client(socket->number()).receive_head, server.server(socket->number()).receive_tail);
    }
}

TEST_F(NetClientTest, TheServerIsToldOnceThatTheMarkIsReached) {
    const NetSocketRef socket = connect();
    server.server(socket->number()).wake_at = 100;
    server.receive(socket->number(), std::vector<u8>(200), 0);
    sockets.serve();
    sockets.take_notify();
    server.take();
    socket->consume(99);
    EXPECT_TRUE(server.take().empty());
    socket->consume(1);
    EXPECT_EQ(server.take(), std::vector<u16>{socket->number()});
    socket->consume(50);
    EXPECT_TRUE(server.take().empty());
    server.server(socket->number()).wake_at = 180;
    socket->consume(50);
    EXPECT_EQ(server.take(), std::vector<u16>{socket->number()});
}

TEST_F(NetClientTest, ASocketThatIsLetGoOfLingers) {
    NetSocketRef socket = connect();
    const u16 number = socket->number();
    const u32 pages = sockets.free_pages();
    u32 value = 0;
    send(*socket, 5000, value);
    socket.reset();
    EXPECT_EQ(server.client(number).kind, Net::Kind::none);
    EXPECT_EQ(server.client(number).flags & Net::kAbort, 0);
    EXPECT_EQ(sockets.free_pages(), pages - 2);
    server.server(number).send_head = 5000;
    server.enter(number);
    sockets.serve();
    EXPECT_EQ(sockets.free_pages(), pages);
    server.answer(number, Net::State::free);
    sockets.serve();
    socket = connect();
    socket->abort_on_release();
    const u16 other = socket->number();
    socket.reset();
    EXPECT_NE(server.client(other).flags & Net::kAbort, 0);
}

TEST_F(NetClientTest, NumbersAreUsedAgainOnlyWhenTheServerHasSaidSo) {
    std::vector<NetSocketRef> all;
    while (NetSocketRef socket = sockets.make(settings_of(Net::Kind::datagram), watcher))
        all.push_back(std::move(socket));
    EXPECT_EQ(all.size(), Net::kFirstServerSocket);
    server.take();
    const u16 number = all[7]->number();
    server.answer(number, Net::State::open);
    sockets.serve();
    all[7].reset();
    EXPECT_EQ(sockets.make(settings_of(Net::Kind::datagram), watcher), nullptr);
    server.answer(number, Net::State::free);
    sockets.serve();
    const NetSocketRef again = sockets.make(settings_of(Net::Kind::datagram), watcher);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->number(), number);
    EXPECT_NE(server.client(number).generation, server.server(number).generation);
}

TEST_F(NetClientTest, AConnectionThatCameIn) {
    const NetSocketRef listener = sockets.make(settings_of(Net::Kind::listener), watcher);
    server.take();
    server.answer(listener->number(), Net::State::open);
    Net::ServerHalf& half = server.server(3000);
    half.generation = 5;
    half.listener = listener->number();
    half.listener_generation = server.client(listener->number()).generation;
    half.remote = {.family = 4, .port = 1234, .bytes = {10, 0, 2, 2}};
    half.state = Net::State::established;
    server.receive(3000, {1, 2, 3}, 0);
    sockets.serve();
    ASSERT_EQ(watcher.accepted.size(), 1u);
    EXPECT_EQ(watcher.accepted[0]->remote(), half.remote);
    EXPECT_EQ(watcher.accepted[0]->received(), 3u);
    EXPECT_EQ(server.client(3000).generation, 5u);
    EXPECT_EQ(server.client(3000).kind, Net::Kind::stream);
    watcher.accepted.clear();
    EXPECT_EQ(server.client(3000).kind, Net::Kind::none);
    // Of a listener that is gone, or another use of its number: not wanted.
    half.state = Net::State::free;
    server.enter(3000);
    sockets.serve();
    half.generation = 6;
    half.listener_generation += 1;
    half.state = Net::State::established;
    server.enter(3000);
    sockets.serve();
    EXPECT_TRUE(watcher.accepted.empty());
    EXPECT_EQ(server.client(3000).generation, 6u);
    EXPECT_NE(server.client(3000).flags & Net::kAbort, 0);
}

TEST_F(NetClientTest, Datagrams) {
    const NetSocketRef socket = sockets.make(settings_of(Net::Kind::datagram), watcher);
    server.take();
    server.answer(socket->number(), Net::State::open);
    sockets.serve();
    Net::Datagram header{.length = 9001, .remote = {.family = 4, .port = 53}};
    u8 next = 0;
    EXPECT_TRUE(socket->send_datagram(header, [&](std::span<u8> to) {
        for (u8& byte : to) byte = next++;
        return true;
    }));
    EXPECT_FALSE(socket->send_datagram(header, [](std::span<u8>) { return false; }));
    const std::vector<u8> bytes = server.sent(socket->number(), 0);
    ASSERT_EQ(bytes.size(), sizeof header + 9008);
    EXPECT_EQ(std::memcmp(bytes.data(), &header, sizeof header), 0);
    for (u32 i = 0; i < 9001; ++i) ASSERT_EQ(bytes[sizeof header + i], static_cast<u8>(i));
    server.receive(socket->number(), bytes, 0);
    sockets.serve();
    Net::Datagram received;
    ASSERT_TRUE(socket->next_datagram(received));
    EXPECT_EQ(received.length, 9001u);
    u32 done = 0;
    while (done < received.length) {
        const std::span<const u8> piece = socket->datagram_piece(received, done);
        for (const u8 byte : piece) ASSERT_EQ(byte, static_cast<u8>(done++));
    }
    socket->consume_datagram(received);
    EXPECT_FALSE(socket->next_datagram(received));
}

TEST_F(NetClientTest, PagesAreSharedAndWaitedFor) {
    std::vector<NetSocketRef> all;
    u32 value = 0;
    for (u32 i = 0; i < 900; ++i) {
        all.push_back(connect());
        while (!all.back()->send_space().empty()) {
            const u32 size = static_cast<u32>(all.back()->send_space().size());
            send(*all.back(), size, value);
        }
        if (sockets.free_pages() == 0) break;
    }
    EXPECT_EQ(sockets.free_pages(), 0u);
    EXPECT_GT(all.size(), 60u);  // no one has had them all
    const NetSocketRef last = connect();
    EXPECT_TRUE(last->send_space().empty());
    watcher.changes = 0;
    const u16 first = all[0]->number();
    server.server(first).send_head = server.client(first).send_tail;
    server.enter(first);
    sockets.serve();
    EXPECT_EQ(watcher.changes, 2u);  // the one whose bytes are gone, and the one that waits
    EXPECT_FALSE(last->send_space().empty());
}

TEST_F(NetClientTest, AfterARebirthEveryBlockIsLookedAt) {
    const NetSocketRef socket = connect();
    u32 value = 0;
    sockets.detach();
    EXPECT_TRUE(socket->send_space().empty());
    server.server(socket->number()).flags = Net::kPeerClosed;  // nobody was told
    server.server(socket->number()).pending = 1;
    server.link().to_client.head = server.link().to_client.tail = 0;
    server.link().to_server.head = server.link().to_server.tail = 0;
    server.client(socket->number()).pending = 0;
    sockets.attach(server.memory);
    EXPECT_TRUE(socket->peer_closed());
    EXPECT_TRUE(sockets.take_notify());
    send(*socket, 10, value);
    EXPECT_EQ(server.sent(socket->number(), 0).size(), 10u);
}

TEST_F(NetClientTest, AnEmptyLinkClosesWhatItDoesNotKnow) {
    FakeServer other;
    const NetSocketRef socket = connect();
    NetSocketRef gone = connect();
    gone.reset();
    sockets.attach(other.memory);
    EXPECT_EQ(socket->state(), Net::State::closed);
    EXPECT_EQ(socket->failure(), Net::Failure::broken);
}

TEST_F(NetClientTest, TheConfigurationIsReadAsAWhole) {
    server.link().sequence = 4;
    server.link().name_server_count = 99;
    std::memset(server.link().interfaces[0].name, 'x', sizeof server.link().interfaces[0].name);
    const auto configuration = sockets.configuration();
    ASSERT_TRUE(configuration.has_value());
    EXPECT_EQ(configuration->name_server_count, Net::kMaxNameServers);
    EXPECT_EQ(std::strlen(configuration->interfaces[0].name), sizeof configuration->interfaces[0].name - 1);
    EXPECT_FALSE(sockets.configuration_changed(4));
    server.link().sequence = 5;
    EXPECT_FALSE(sockets.configuration().has_value());
}

}  // namespace
}  // namespace pith
