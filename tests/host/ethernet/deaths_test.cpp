// SPDX-License-Identifier: MIT
// The driver or its client dies: no buffer and no frame is lost, whatever is left in the memory that outlives them.
#include "tests/host/ethernet/network.hpp"

namespace pith::test {
namespace {

class Deaths : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Deaths, kShapes);

TEST_P(Deaths, LoseNoBuffer) {
    Network network(GetParam());
    for (u32 round = 0; round < 100; round++) {
        network.flush();
        auto kept = network.client->buffer();
        ASSERT_TRUE(kept.ok());
        kept->bytes()[0] = static_cast<u8>(round);
        for (u32 i = 0; i < 300; i++) {
            auto buffer = network.client->buffer();
            if (buffer.ok()) network.client->queue(std::move(*buffer), 60);
        }
        EXPECT_TRUE(network.client->wants_buffers());
        if (round % 2 == 0) network.flush();
        EthernetFrame frame;
        network.arrive(0, frame_of(round, 0, 100));
        network.serve();
        const bool received = network.client->receive(frame);
        network.client->detach();
        EXPECT_FALSE(network.client->buffer().ok());
        network.reopen(true, false);
        // What the client holds stays as it is.
        EXPECT_EQ(kept->bytes()[0], static_cast<u8>(round));
        if (received) EXPECT_TRUE(std::ranges::equal(frame_of(round, 0, 100), frame.bytes));
        if (received) network.client->give_back(frame.id);
    }
    network.flush();
    for (u32 i = 0; i < EthernetRings::kBuffers; i++) {
        for (DeviceQueue& queue : network.sending)
            while (const auto request = queue.next()) queue.complete(request->id, 0);
        network.serve();
    }
    u32 buffers = 0;
    std::vector<EthernetBuffer> all;
    for (;; buffers++) {
        auto buffer = network.client->buffer();
        if (!buffer.ok()) break;
        all.push_back(std::move(*buffer));
    }
    EXPECT_EQ(buffers, EthernetRings::kBuffers);
}

/// Whoever dies, at whatever moment: what the device has received arrives, and in order; and what the client has submitted is sent. What the client had
/// in its hands when it died comes again.
TEST_P(Deaths, LoseNoFrame) {
    Network network(GetParam());
    std::mt19937 random(4);
    const bool ordered = network.shape.pairs == 1;
    std::set<u32> unsent, coming, in_hands;
    u32 next_out = 0, next_in = 0, deaths = 0, last_in = 0, twice = 0;
    const auto take_frames = [&] {
        for (EthernetFrame frame; network.client->receive(frame);) {
            u32 number;
            std::memcpy(&number, frame.bytes.data(), 4);
            EXPECT_TRUE(std::ranges::equal(frame_of(number, 0, 100), frame.bytes));
            EXPECT_EQ(frame.checksum_good, number % 2 == 1);
            if (coming.erase(number) == 0) twice++;
            in_hands.insert(number);
            if (ordered) EXPECT_GE(number, last_in);
            last_in = number;
            network.client->give_back(frame.id);
        }
    };
    const auto send_frames = [&] {
        for (DeviceQueue& queue : network.sending)
            for (u32 i = random() % 4; i != 0; i--)
                if (const auto request = queue.next()) {
                    u32 number;
                    std::memcpy(&number, request->frame, 4);
                    if (unsent.erase(number) == 0) twice++;
                    queue.complete(request->id, 0);
                }
    };
    network.flush();
    for (u32 step = 0; step < 4'000; step++) {
        for (u32 i = random() % 4; i != 0; i--) {
            auto buffer = network.client->buffer();
            if (!buffer.ok()) break;
            unsent.insert(next_out);
            std::ranges::copy(frame_of(next_out++, 0, 100), buffer->bytes().begin());
            network.client->queue(std::move(*buffer), 100);
        }
        if (random() % 4 != 0) {
            network.flush();
            in_hands.clear();
        }
        send_frames();
        for (u32 q = 0; q < network.shape.pairs; q++)
            for (u32 i = random() % 4; i != 0; i--) {
                if (!network.arrive(q, frame_of(next_in, 0, 100), next_in % 2 == 1 ? kDataValid : u8{0}))
                    break;
                coming.insert(next_in++);
            }
        if (random() % 3 != 0) network.serve();
        if (random() % 3 != 0) take_frames();
        if (random() % 8 != 0) continue;
        const u32 who = 1 + random() % 3;
        network.reopen((who & 1) != 0, (who & 2) != 0);
        if ((who & 2) != 0) {
            unsent.clear();  // nobody is left who could
            if (!in_hands.empty()) last_in = *in_hands.begin();
            coming.merge(in_hands);
        }
        in_hands.clear();
        deaths++;
        network.flush();
    }
    while (!unsent.empty() || !coming.empty()) {
        const usize before = unsent.size() + coming.size();
        network.flush();
        for (u32 i = 0; i < 64; i++) send_frames();
        network.serve();
        take_frames();
        ASSERT_LT(unsent.size() + coming.size(), before);
    }
    EXPECT_GT(deaths, 300u);
    EXPECT_GT(next_in, 3'000u);
    EXPECT_EQ(twice, 0u);
    EXPECT_FALSE(network.frames->broken());
}

/// What is kept may be nonsense: frames are lost by it, or others come, but only in buffers that the client has submitted.
TEST_P(Deaths, NonsenseThatIsKeptDoesNoHarm) {
    std::mt19937 random(5);
    for (u32 round = 0; round < 300; round++) {
        Network network(GetParam());
        network.flush();
        for (u32 i = 0; i < 5; i++) network.arrive(0, frame_of(i, 0, 100));
        if (round % 2 == 0) network.serve();
        auto* kept = reinterpret_cast<u8*>(network.handover.get());
        for (u32 i = 1 + random() % 200; i != 0; i--)
            kept[random() % sizeof(Handover)] = static_cast<u8>(random());
        const u32 header = Frames::kReceiveOffset + random() % sizeof(QueueHeader);
        for (u32 i = random() % 3; i != 0; i--) network.link[header] = static_cast<u8>(random());
        for (u32 i = random() % 100; i != 0; i--)
            network.rings[random() % (2 * FrameQueue::kBytes)] = static_cast<u8>(random());
        network.handover->pairs %= Handover::kMaxPairs + 1;
        network.reopen(true, round % 3 == 0);
        network.flush();
        network.serve();
        for (EthernetFrame frame; network.client->receive(frame);) network.client->give_back(frame.id);
        EXPECT_TRUE(network.client->attached());
        EXPECT_FALSE(network.frames->broken());
        EXPECT_TRUE(network.arrive(0, frame_of(7, 0, 100)));
    }
}

}  // namespace
}  // namespace pith::test
