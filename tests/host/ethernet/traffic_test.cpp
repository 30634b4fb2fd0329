// SPDX-License-Identifier: MIT
// EthernetRings, Frames and a device, one behind the other: frames go from end to end unharmed, each once, with one pair of queues and with
// several, whatever is full; the device is reset in between, the driver dies, or it lies.
#include "tests/host/ethernet/network.hpp"

namespace pith::test {
namespace {

class Traffic : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Traffic, kShapes);

TEST_P(Traffic, EveryFrameArrivesOnceAndUnharmed) {
    Network network(GetParam());
    std::mt19937 random(2);
    std::map<u32, std::vector<u8>> sent, incoming;
    std::map<u32, u32> last_of_flow;
    std::vector<u32> held;
    u32 sent_number = 0, incoming_number = 0, out = 0, in = 0;
    for (u32 step = 0; step < 8'000; step++) {
        // The client sends.
        for (u32 i = random() % 8; i != 0; i--) {
            auto buffer = network.client->buffer();
            if (!buffer.ok()) break;
            const u32 flow = random() % 5;
            sent[sent_number] = frame_of(sent_number, flow, 60 + random() % 1400);
            std::ranges::copy(sent[sent_number], buffer->bytes().begin());
            network.client->queue(std::move(*buffer), static_cast<u32>(sent[sent_number].size()));
            sent_number++;
        }
        network.flush();
        // The device sends, and receives.
        for (u32 q = 0; q < network.shape.pairs; q++) {
            while (random() % 4 != 0) {
                const auto request = network.sending[q].next();
                if (!request) break;
                u32 number, flow;
                std::memcpy(&number, request->frame, 4);
                std::memcpy(&flow, request->frame + 26, 4);
                ASSERT_TRUE(sent.contains(number));
                EXPECT_TRUE(std::ranges::equal(sent[number], std::span(request->frame, request->length)));
                sent.erase(number);
                // A flow's frames stay in their order.
                EXPECT_TRUE(!last_of_flow.contains(flow) || last_of_flow[flow] < number);
                last_of_flow[flow] = number;
                network.sending[q].complete(request->id, 0);
                out++;
            }
            while (random() % 4 != 0) {
                auto frame = frame_of(incoming_number, 0, 14 + random() % 1500);
                if (!network.arrive(q, frame)) break;
                incoming[incoming_number++] = std::move(frame);
            }
        }
        network.serve();
        // The client receives, and gives back some time.
        for (EthernetFrame frame; network.client->receive(frame);) {
            u32 number;
            std::memcpy(&number, frame.bytes.data(), 4);
            ASSERT_TRUE(incoming.contains(number));
            EXPECT_TRUE(std::ranges::equal(incoming[number], frame.bytes));
            EXPECT_FALSE(frame.checksum_good);
            incoming.erase(number);
            held.push_back(frame.id);
            in++;
        }
        while (!held.empty() && random() % 8 != 0) {
            network.client->give_back(held.back());
            held.pop_back();
        }
        ASSERT_TRUE(network.client->attached());
        ASSERT_FALSE(network.frames->broken());
    }
    EXPECT_GT(out, 2'000u);
    EXPECT_GT(in, 2'000u);
    EXPECT_EQ(network.counts.sent_frames, out);
    EXPECT_EQ(network.counts.received_frames, in + incoming.size());
    EXPECT_EQ(network.counts.send_errors + network.counts.receive_errors, 0u);
    EXPECT_EQ(network.client->errors(), 0u);
}

TEST_P(Traffic, NothingIsSeenBeforeTheFlush) {
    Network network(GetParam());
    network.flush();
    auto buffer = network.client->buffer();
    ASSERT_TRUE(buffer.ok());
    network.client->queue(std::move(*buffer), 60);
    network.serve();
    for (DeviceQueue& queue : network.sending) EXPECT_FALSE(queue.next());
    EXPECT_TRUE(network.flush());
    u32 seen = 0;
    for (DeviceQueue& queue : network.sending) seen += queue.next().has_value();
    EXPECT_EQ(seen, 1u);
    EXPECT_FALSE(network.flush());
}

TEST_P(Traffic, ADeviceThatIsResetLosesOnlyWhatItHadToSend) {
    Network network(GetParam());
    network.flush();
    std::mt19937 random(3);
    u32 received = 0, arrived = 0;
    for (u32 round = 0; round < 200; round++) {
        for (u32 i = 0; i < 20; i++) {
            auto buffer = network.client->buffer();
            if (!buffer.ok()) break;
            network.client->queue(std::move(*buffer), 60);
        }
        network.flush();
        for (u32 q = 0; q < network.shape.pairs; q++) arrived += network.arrive(q, frame_of(1, 0, 100));
        if (random() % 2 == 0) network.serve();
        else arrived = received;  // what it has not told before the reset never was
        network.frames->end();
        network.serve();
        network.begin();
        network.serve();
        for (EthernetFrame frame; network.client->receive(frame);) {
            received++;
            network.client->give_back(frame.id);
        }
        EXPECT_EQ(received, arrived);
        ASSERT_TRUE(network.client->attached());
        // Every buffer is there again.
        auto buffer = network.client->buffer();
        EXPECT_TRUE(buffer.ok());
    }
    EXPECT_NE(network.counts.send_errors, 0u);
}

/// The driver is told of what is to be sent, and of buffers only when it has few; the client of frames, and of what was sent if it waits.
TEST(Notifications, AreFew) {
    Network network({1, 256, true});
    EXPECT_TRUE(network.flush());
    EXPECT_FALSE(network.flush());
    for (u32 i = 0; i < 1000; i++) {
        ASSERT_TRUE(network.arrive(0, frame_of(i, 0, 60)));
        network.serve();
        EXPECT_EQ(network.told, i + 1);
        EthernetFrame frame;
        ASSERT_TRUE(network.client->receive(frame));
        network.client->give_back(frame.id);
        EXPECT_FALSE(network.flush());
    }
    // Sent without a word, and without an interrupt.
    const u32 told = network.told;
    for (u32 i = 0; i < 100; i++) {
        auto buffer = network.client->buffer();
        ASSERT_TRUE(buffer.ok());
        network.client->queue(std::move(*buffer), 60);
        EXPECT_TRUE(network.flush());
        EXPECT_FALSE(network.sending[0].wants_interrupt());
        network.sending[0].complete(network.sending[0].next()->id, 0);
        network.serve();
    }
    EXPECT_EQ(network.told, told);
    // All are under way: it waits.
    for (u32 i = 0; i < 256; i++) {
        auto buffer = network.client->buffer();
        ASSERT_TRUE(buffer.ok());
        network.client->queue(std::move(*buffer), 60);
    }
    EXPECT_FALSE(network.client->buffer().ok());
    EXPECT_TRUE(network.flush());
    EXPECT_TRUE(network.sending[0].wants_interrupt());
    const u32 before = network.told;
    network.sending[0].complete(network.sending[0].next()->id, 0);
    network.serve();
    EXPECT_EQ(network.told, before + 1);
    EXPECT_TRUE(network.client->buffer().ok());
    EXPECT_FALSE(network.client->wants_buffers());
    network.serve();
    EXPECT_FALSE(network.sending[0].wants_interrupt());
}

/// While frames are gathered none is told of by an interrupt, all are there to be taken, and afterwards the next one is told of.
TEST(Notifications, ComeAgainAfterGathering) {
    Network network({1, 256, true});
    network.flush();
    EthernetFrame frame;
    ASSERT_TRUE(network.receiving[0].wants_interrupt());
    network.frames->set_gathering(true);
    EXPECT_FALSE(network.receiving[0].wants_interrupt());
    for (u32 i = 0; i < 50; i++) {
        ASSERT_TRUE(network.arrive(0, frame_of(i, 0, 60)));
        if (i % 10 != 9) continue;
        network.serve();
        EXPECT_FALSE(network.receiving[0].wants_interrupt());
        for (u32 taken = 0; taken < 10; taken++) {
            ASSERT_TRUE(network.client->receive(frame));
            network.client->give_back(frame.id);
        }
    }
    ASSERT_TRUE(network.arrive(0, frame_of(1, 0, 60)));
    network.frames->set_gathering(false);
    network.serve();
    EXPECT_TRUE(network.client->receive(frame));
    EXPECT_TRUE(network.receiving[0].wants_interrupt());
}

/// Buffers that are given back while the driver has few are told of at once: else all could end up where nobody looks.
TEST(Notifications, AreEnough) {
    Network network({1, 256, true});
    network.flush();
    std::vector<u32> held;
    EthernetFrame frame;
    while (network.arrive(0, frame_of(1, 0, 60))) {
        network.serve();
        ASSERT_TRUE(network.client->receive(frame));
        held.push_back(frame.id);
    }
    EXPECT_EQ(held.size(), 256u);
    network.client->give_back(held.back());
    EXPECT_TRUE(network.flush());
    EXPECT_TRUE(network.arrive(0, frame_of(1, 0, 60)));
}

TEST(Checksums, AreTheDevices) {
    Network network({1, 256, true});
    auto buffer = network.client->buffer();
    network.client->queue(std::move(*buffer), 100, {34, 16});
    buffer = network.client->buffer();
    network.client->queue(std::move(*buffer), 100);
    network.flush();
    FrameHeader header;
    std::memcpy(&header, network.sending[0].next()->header, sizeof(header));
    EXPECT_EQ(header.flags, kNeedsChecksum);
    EXPECT_EQ(header.checksum_start, 34);
    EXPECT_EQ(header.checksum_offset, 16);
    std::memcpy(&header, network.sending[0].next()->header, sizeof(header));
    EXPECT_EQ(header.flags, 0);
    EXPECT_EQ(header.checksum_start, 0);
    for (const auto& [flags, good] : {std::pair<u8, bool>{0, false}, {1, true}, {2, true}, {4, false}}) {
        ASSERT_TRUE(network.arrive(0, frame_of(1, 0, 60), flags));
        network.serve();
        EthernetFrame frame;
        ASSERT_TRUE(network.client->receive(frame));
        EXPECT_EQ(frame.checksum_good, good);
    }
}

/// What a client must not say is answered so, and does not reach the device.
TEST(BadClients, AreRefused) {
    Network network({2, 16, true});
    QueueClient<Ethernet::Send, Ethernet::Sent> send;
    QueueClient<Ethernet::Buffer, Ethernet::Received> receive;
    network.frames->attach({network.link, kLink});
    ASSERT_TRUE(send.attach(network.link, Frames::kReceiveOffset, 256, Handle<Signal>(), 0).ok());
    ASSERT_TRUE(
        receive.attach(network.link + Frames::kReceiveOffset, Frames::kStateOffset, 256, Handle<Signal>(), 0)
            .ok());
    send.reset();
    receive.reset();
    constexpr u64 kEnd = Frames::kWindowSize;
    const auto sent = [&](u64 offset, u32 length, u32 flags = 0, u16 start = 0, u16 at = 0) {
        EXPECT_TRUE(send.submit({5, offset, length, start, at, flags, 0}).ok());
        network.serve();
        Ethernet::Sent answer{};
        EXPECT_TRUE(send.poll(answer));
        EXPECT_EQ(answer.id, 5u);
        return static_cast<Error>(answer.error);
    };
    for (const auto& [offset, length] : std::vector<std::pair<u64, u32>>{{kEnd, 60},
                                                                         {kEnd - 59, 60},
                                                                         {~u64{0}, 60},
                                                                         {~u64{0} - 30, 60},
                                                                         {0, 13},
                                                                         {0, 0},
                                                                         {0, 1515},
                                                                         {0, ~0u}})
        EXPECT_EQ(sent(offset, length), Error::invalid);
    EXPECT_EQ(sent(0, 60, 2), Error::unsupported);
    EXPECT_EQ(sent(0, 60, 1, 34, 25), Error::invalid);
    EXPECT_EQ(sent(0, 60, 1, 0xffff, 0xffff), Error::invalid);
    EXPECT_EQ(sent(0, 60, 1, 13, 0), Error::invalid);
    for (const auto& [offset, capacity] : std::vector<std::pair<u64, u32>>{
             {0, 1513}, {0, 0}, {kEnd, 2048}, {kEnd - 2047, 2048}, {~u64{0}, 2048}, {0, ~0u}}) {
        EXPECT_TRUE(receive.submit({6, offset, capacity, 0}).ok());
        network.serve();
        Ethernet::Received answer{};
        EXPECT_TRUE(receive.poll(answer));
        EXPECT_EQ(static_cast<Error>(answer.error), Error::invalid);
    }
    for (DeviceQueue& queue : network.sending) EXPECT_FALSE(queue.next());
    for (DeviceQueue& queue : network.receiving) EXPECT_FALSE(queue.next());
    EXPECT_EQ(network.counts.send_errors, 12u);
    // More than there can be, as nothing is ever taken out: it does nobody harm, also when the device is reset.
    auto& header = *reinterpret_cast<QueueHeader*>(network.link + Frames::kReceiveOffset);
    for (u32 i = 0; i < 5000; i++) {
        header.submit_tail++;
        header.complete_head = header.complete_tail;
        network.serve();
        if (i % 1000 == 999) {
            network.frames->end();
            network.begin();
        }
    }
    header.submit_tail += 1000;
    network.serve();
    EXPECT_FALSE(network.frames->broken());
}

/// A driver that lies costs a new Open, and no more.
TEST(BadDrivers, AreNoticed) {
    const auto noticed = [](auto lie) {
        Bus bus;
        u8* link = bus.add(kLink, Frames::kLinkSize);
        EthernetRings client;
        client.attach({link, Frames::kLinkSize}, reply_of(0));
        auto buffer = client.buffer();
        client.queue(std::move(*buffer), 60);
        client.flush();
        QueueServer<Ethernet::Send, Ethernet::Sent> send;
        QueueServer<Ethernet::Buffer, Ethernet::Received> receive;
        EXPECT_TRUE(send.attach(link, Frames::kReceiveOffset, 256, Handle<Signal>(), 0).ok());
        EXPECT_TRUE(
            receive.attach(link + Frames::kReceiveOffset, Frames::kStateOffset, 256, Handle<Signal>(), 0)
                .ok());
        Ethernet::Send frame;
        EXPECT_TRUE(send.take(frame));
        Ethernet::Buffer room;
        for (u32 i = 0; i < 256; i++) EXPECT_TRUE(receive.take(room));
        lie(send, receive, link);
        EthernetFrame received;
        while (client.receive(received)) client.give_back(received.id);
        std::vector<EthernetBuffer> all;
        for (auto next = client.buffer(); next.ok(); next = client.buffer()) all.push_back(std::move(*next));
        client.flush();
        const bool result = client.take_broken();
        EXPECT_EQ(result, !client.attached());
        client.attach({link, Frames::kLinkSize}, reply_of(0));
        EXPECT_TRUE(client.flush());
        return result;
    };
    using Send = QueueServer<Ethernet::Send, Ethernet::Sent>;
    using Receive = QueueServer<Ethernet::Buffer, Ethernet::Received>;
    const auto received = [&](u64 id, u32 error, u32 length) {
        return noticed(
            [=](Send&, Receive& r, u8*) { EXPECT_TRUE(r.complete({id, error, length, 0, 0}).ok()); });
    };
    EXPECT_FALSE(received(255, 0, 60));
    EXPECT_FALSE(received(0, static_cast<u32>(Error::io), 0));
    EXPECT_FALSE(received(0, 0, 2048));
    EXPECT_TRUE(received(0, 0, 2049));
    EXPECT_TRUE(received(0, 0, 13));
    EXPECT_TRUE(received(256, 0, 60));
    EXPECT_TRUE(received(~u64{0}, 0, 60));
    EXPECT_TRUE(received(u64{1} << 32, 0, 60));
    EXPECT_TRUE(received(0, static_cast<u32>(Error::invalid), 0));
    const auto sent = [&](u64 id) {
        return noticed([=](Send& s, Receive&, u8*) { EXPECT_TRUE(s.complete({id, 0, 0}).ok()); });
    };
    EXPECT_FALSE(sent(0));
    EXPECT_TRUE(sent(1));
    EXPECT_TRUE(sent(~u64{0}));
    EXPECT_TRUE(noticed([](Send& s, Receive&, u8*) {
        EXPECT_TRUE(s.complete({0, 0, 0}).ok());
        EXPECT_TRUE(s.complete({0, 0, 0}).ok());
    }));
    EXPECT_TRUE(noticed([](Send&, Receive&, u8* link) {
        reinterpret_cast<QueueHeader*>(link)->complete_tail = 0x8000'0000;
    }));
    EXPECT_TRUE(noticed([](Send&, Receive&, u8* link) {
        reinterpret_cast<QueueHeader*>(link + Frames::kReceiveOffset)->complete_tail = 300;
    }));
    EXPECT_TRUE(noticed([](Send&, Receive& r, u8*) {
        // Twice the same, which the client has given back in between.
        EXPECT_TRUE(r.complete({3, 0, 60, 0, 0}).ok());
        EXPECT_TRUE(r.complete({3, 0, 60, 0, 0}).ok());
        EXPECT_TRUE(r.complete({300, 0, 60, 0, 0}).ok());
    }));
}

TEST(BadDrivers, AnswersToOpenAreChecked) {
    EthernetRings client;
    EXPECT_TRUE(client.check(reply_of(0)).ok());
    const auto refused = [&](auto change) {
        Ethernet::Open::Reply reply = reply_of(0);
        change(reply);
        return !client.check(reply).ok();
    };
    using Reply = Ethernet::Open::Reply;
    EXPECT_TRUE(refused([](Reply& r) { r.receive_offset = 64; }));
    EXPECT_TRUE(refused([](Reply& r) { r.receive_offset += 4; }));
    EXPECT_TRUE(refused([](Reply& r) { r.receive_offset = ~u64{63}; }));
    EXPECT_TRUE(refused([](Reply& r) { r.state_offset = r.receive_offset; }));
    EXPECT_TRUE(refused([](Reply& r) { r.state_offset = ~u64{7}; }));
    EXPECT_TRUE(refused([](Reply& r) { r.window_offset = 0; }));
    EXPECT_TRUE(refused([](Reply& r) { r.window_offset += 64; }));
    EXPECT_TRUE(refused([](Reply& r) { r.window_offset = ~u64{4095}; }));
    EXPECT_TRUE(refused([](Reply& r) { r.window_size--; }));
    EXPECT_TRUE(refused([](Reply& r) { r.window_size = ~u64{0}; }));
    EXPECT_TRUE(refused([](Reply& r) { r.mtu = 67; }));
    // Larger frames than the buffers hold are never sent.
    Bus bus;
    client.attach({bus.add(kLink, Frames::kLinkSize), Frames::kLinkSize}, reply_of(0, 9000));
    EXPECT_EQ(client.mtu(), 2034u);
    EXPECT_EQ(client.buffer()->bytes().size(), 2048u);
    EXPECT_TRUE(refused([](Reply& r) { r.window_offset += 4096; }));
}

}  // namespace
}  // namespace pith::test
