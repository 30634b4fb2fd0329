// SPDX-License-Identifier: MIT
// FrameQueue against a device that keeps to the rules, and against devices that don't.
#include <random>
#include <set>

#include "tests/host/ethernet/device.hpp"

namespace pith::test {
namespace {

using namespace virtio_net;
using enum FrameQueue::Direction;

constexpr u64 kRings = 0x10'0000, kFrames = 0x4000'0000;
constexpr u16 kSize = 16;

class Queues : public testing::TestWithParam<bool> {
  protected:
    Queues() : device(bus, kRings, kSize) {
        memory = bus.add(kRings, FrameQueue::kBytes);
        frames = bus.add(kFrames, 1 << 20);
    }
    void attach(FrameQueue::Direction direction) {
        ASSERT_TRUE(queue.attach(memory, kRings, kSize, direction, GetParam()).ok());
    }
    void add(u64 id, u32 length) { queue.add({id, id * 2048, length}, kFrames + id * 2048); }
    u32 room() const { return GetParam() ? kSize : kSize / 2; }
    Bus bus;
    u8* memory;
    u8* frames;
    FrameQueue queue;
    DeviceQueue device;
};
INSTANTIATE_TEST_SUITE_P(IndirectOrNot, Queues, testing::Bool());

TEST(FrameQueue, BadSizesAreRefused) {
    Bus bus;
    u8* memory = bus.add(kRings, FrameQueue::kBytes);
    FrameQueue queue;
    EXPECT_TRUE(queue.broken());
    for (const u16 size : {u16{0}, u16{1}, u16{3}, u16{24}, u16{512}})
        EXPECT_FALSE(queue.attach(memory, kRings, size, send, true).ok());
    EXPECT_FALSE(queue.attach(memory + 8, kRings, kSize, send, true).ok());
    EXPECT_TRUE(queue.attach(memory, kRings, 256, send, true).ok());
    EXPECT_EQ(queue.room(), 256);
    EXPECT_TRUE(queue.attach(memory, kRings, 256, send, false).ok());
    EXPECT_EQ(queue.room(), 128);
}

TEST_P(Queues, FramesAreSentInOrder) {
    attach(send);
    ASSERT_EQ(queue.room(), room());
    for (u32 i = 0; i < room(); i++) {
        frames[i * 2048] = static_cast<u8>(i + 1);
        FrameHeader header{};
        header.checksum_start = static_cast<u16>(i);
        queue.add({i, i * 2048, 100 + i}, kFrames + i * 2048, header);
    }
    EXPECT_EQ(queue.room(), 0);
    EXPECT_FALSE(device.next());  // not published
    EXPECT_TRUE(queue.publish());
    EXPECT_FALSE(queue.publish());
    for (u32 i = 0; i < room(); i++) {
        const auto request = device.next();
        ASSERT_TRUE(request);
        EXPECT_FALSE(request->writes);
        EXPECT_EQ(request->length, 100 + i);
        EXPECT_EQ(request->frame[0], i + 1);
        FrameHeader header;
        std::memcpy(&header, request->header, sizeof(header));
        EXPECT_EQ(header.checksum_start, i);
        device.complete(request->id, 0);
    }
    FrameQueue::Done done;
    for (u32 i = 0; i < room(); i++) {
        ASSERT_TRUE(queue.take(done));
        EXPECT_EQ(done.frame.id, i);
        EXPECT_EQ(done.frame.length, 100 + i);
    }
    EXPECT_FALSE(queue.take(done));
    EXPECT_FALSE(queue.broken());
    EXPECT_EQ(queue.room(), room());
}

TEST_P(Queues, ReceivedFramesHaveLengthAndFlags) {
    attach(receive);
    add(3, 2048);
    EXPECT_EQ(queue.under_way(), 1);
    queue.publish();
    const auto request = device.next();
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->writes);
    request->header[0] = kDataValid;
    device.complete(request->id, 12 + 64);
    EXPECT_TRUE(queue.ready());
    FrameQueue::Done done;
    ASSERT_TRUE(queue.take(done));
    EXPECT_EQ(done.written, 64u);
    EXPECT_EQ(done.flags, kDataValid);
    EXPECT_EQ(done.frame.offset, 3u * 2048);
    EXPECT_FALSE(queue.ready());
}

TEST_P(Queues, InterruptsAndNotificationsAreAskedFor) {
    attach(send);
    EXPECT_TRUE(device.wants_interrupt());
    queue.set_interrupts(false);
    EXPECT_FALSE(device.wants_interrupt());
    queue.set_interrupts(true);
    EXPECT_TRUE(device.wants_interrupt());
    queue.set_interrupts(false);
    attach(send);
    EXPECT_TRUE(device.wants_interrupt());
    device.used(0) = 1;
    add(0, 60);
    EXPECT_FALSE(queue.publish());
}

TEST_P(Queues, WhatCantBeBreaksTheQueue) {
    const auto broken = [&](auto spoil) {
        Bus other;
        u8* place = other.add(kRings, FrameQueue::kBytes);
        other.add(kFrames, 1 << 20);
        FrameQueue q;
        EXPECT_TRUE(q.attach(place, kRings, kSize, receive, GetParam()).ok());
        for (u64 i = 0; i < 2; i++) q.add({i, i * 2048, 2048}, kFrames + i * 2048);
        q.publish();
        DeviceQueue d(other, kRings, kSize);
        const auto first = d.next(), second = d.next();
        EXPECT_TRUE(first && second);
        spoil(d, first->id, second->id);
        FrameQueue::Done done;
        u32 taken = 0;
        while (q.take(done)) EXPECT_LE(++taken, 2u);
        return q.broken();
    };
    EXPECT_FALSE(broken([](DeviceQueue& d, u16 a, u16 b) {
        d.complete(b, 12 + 2048);
        d.complete(a, 12);
    }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16) { d.complete(a, 12 + 2049); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16) { d.complete(a, 11); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16) { d.complete(a, ~0u); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16) {
        d.complete(a, 12);
        d.complete(a, 12);
    }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16, u16) { d.complete(5, 12); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16, u16) { d.complete(kSize, 12); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16, u16) { d.complete(~0u, 12); }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16 b) {
        d.complete(a, 12);
        d.complete(b, 12);
        d.used(1)++;
    }));
    EXPECT_TRUE(broken([](DeviceQueue& d, u16, u16) { d.used(1) = 0x8000; }));
    if (!GetParam()) EXPECT_TRUE(broken([](DeviceQueue& d, u16 a, u16) { d.complete(a + 1u, 12); }));
}

TEST_P(Queues, AnyOrderForLong) {
    attach(receive);
    std::mt19937 random(1);
    std::vector<Request> had;
    std::set<u64> free_ids;
    for (u64 i = 0; i < 64; i++) free_ids.insert(i);
    FrameQueue::Done done;
    for (u32 step = 0; step < 100'000; step++) {
        if (random() % 2 == 0 && queue.room() != 0) {
            const u64 id = *free_ids.begin();
            free_ids.erase(id);
            add(id, 2048);
            queue.publish();
        }
        while (const auto request = device.next()) had.push_back(*request);
        if (random() % 2 == 0 && !had.empty()) {
            const usize which = random() % had.size();
            device.complete(had[which].id, 12 + random() % 2049);
            had.erase(had.begin() + static_cast<long>(which));
        }
        while (random() % 2 == 0 && queue.take(done)) EXPECT_TRUE(free_ids.insert(done.frame.id).second);
        ASSERT_FALSE(queue.broken());
    }
    u32 left = 0;
    queue.each([&](const Frame&) { left++; });
    EXPECT_EQ(left, queue.under_way());
}

}  // namespace
}  // namespace pith::test
