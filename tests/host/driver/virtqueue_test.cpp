// SPDX-License-Identifier: MIT
// The driver's side of a virtqueue, against a device that keeps to the rules and against devices that don't.
#include "lib/driver/virtio/virtqueue.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace pith {
namespace {

constexpr u16 kSize = 16;

struct Descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

/// The device's side, over the same memory.
class Device {
  public:
    explicit Device(u16 size = kSize) : size_(size), memory_((Virtqueue::bytes(size) + 15) / 16 * 2) {}
    void* memory() { return memory_.data(); }
    u8* bytes() { return reinterpret_cast<u8*>(memory_.data()); }
    u16& available(u32 index) {
        return reinterpret_cast<u16*>(bytes() + Virtqueue::available_offset(size_))[index];
    }
    u16& used(u32 index) { return reinterpret_cast<u16*>(bytes() + Virtqueue::used_offset(size_))[index]; }
    /// Takes a request: its head; its descriptors to `chain`.
    bool next(u16& head, std::vector<Descriptor>& chain) {
        if (available(1) == seen_) return false;
        head = available(2 + seen_++ % size_);
        chain.clear();
        for (u16 at = head;;) {
            Descriptor d;
            std::memcpy(&d, bytes() + at * 16, sizeof(d));
            chain.push_back(d);
            if ((d.flags & 1) == 0 || chain.size() > size_) return true;
            at = d.next;
        }
    }
    void complete(u32 id, u32 length) {
        const u32 element[2] = {id, length};
        std::memcpy(bytes() + Virtqueue::used_offset(size_) + 4 + 8 * (used(1) % size_), element, 8);
        used(1)++;
    }

  private:
    u16 size_;
    u16 seen_ = 0;
    std::vector<u64> memory_;
};

const VirtioBuffer kRequest[] = {{0x1000, 16, false}, {0x2000, 512, true}, {0x3000, 1, true}};

TEST(Virtqueue, PartsDoNotOverlap) {
    for (u16 size = 1; size <= Virtqueue::kMaxSize; size = static_cast<u16>(size * 2)) {
        EXPECT_EQ(Virtqueue::available_offset(size), size * 16u);
        EXPECT_GE(Virtqueue::used_offset(size), Virtqueue::available_offset(size) + 6 + 2 * size);
        EXPECT_EQ(Virtqueue::used_offset(size) % 4, 0u);
    }
    EXPECT_LE(Virtqueue::bytes(Virtqueue::kMaxSize), 2 * abi::kPageSize);
}

TEST(Virtqueue, BadSizesAreRefused) {
    Device device;
    Virtqueue queue;
    EXPECT_TRUE(queue.broken());
    for (const u16 size : {u16{0}, u16{3}, u16{24}, u16{512}})
        EXPECT_FALSE(queue.attach(device.memory(), size).ok());
    EXPECT_TRUE(queue.attach(device.memory(), kSize).ok());
    EXPECT_FALSE(queue.add({}).ok());
}

TEST(Virtqueue, RequestsGoAndComeBack) {
    Device device;
    Virtqueue queue;
    ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
    auto request = queue.add(kRequest);
    ASSERT_TRUE(request.ok());
    u16 head;
    std::vector<Descriptor> chain;
    EXPECT_FALSE(device.next(head, chain));  // not published yet
    EXPECT_TRUE(queue.publish());
    EXPECT_FALSE(queue.publish());  // nothing new
    ASSERT_TRUE(device.next(head, chain));
    EXPECT_EQ(head, *request);
    ASSERT_EQ(chain.size(), 3u);
    EXPECT_EQ(chain[0].address, 0x1000u);
    EXPECT_EQ(chain[0].flags, 1);
    EXPECT_EQ(chain[1].length, 512u);
    EXPECT_EQ(chain[1].flags, 3);
    EXPECT_EQ(chain[2].flags, 2);
    Virtqueue::Used used;
    EXPECT_FALSE(queue.take(used));
    device.complete(head, 513);
    ASSERT_TRUE(queue.take(used));
    EXPECT_EQ(used.request, head);
    EXPECT_EQ(used.written, 513u);
    EXPECT_FALSE(queue.take(used));
    EXPECT_FALSE(queue.broken());
    EXPECT_EQ(queue.free_descriptors(), kSize);
    device.used(0) = 1;  // it doesn't want to be told
    EXPECT_TRUE(queue.add(kRequest).ok());
    EXPECT_FALSE(queue.publish());
}

TEST(Virtqueue, FullOneTakesNoMore) {
    Device device;
    Virtqueue queue;
    ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
    for (u16 i = 0; i < kSize / 3; i++) EXPECT_TRUE(queue.add(kRequest).ok());
    EXPECT_EQ(queue.add(kRequest).error(), Error::would_block);
    EXPECT_EQ(queue.free_descriptors(), kSize % 3);
}

/// Hundreds of thousands of requests in any order: the indices go round many times, and every one comes back once.
TEST(Virtqueue, AnyOrderForALongTime) {
    std::mt19937 random(1);
    for (const u16 size : {u16{4}, kSize, Virtqueue::kMaxSize}) {
        Device device(size);
        Virtqueue queue;
        ASSERT_TRUE(queue.attach(device.memory(), size).ok());
        std::map<u16, u32> under_way;  // by number: what it may write
        std::vector<std::pair<u16, u32>> at_device;
        for (u32 round = 0; round < 200'000; round++) {
            VirtioBuffer buffers[4];
            const usize count = 1 + random() % 4;
            u32 room = 0;
            for (usize i = 0; i < count; i++) {
                buffers[i] = {random(), static_cast<u32>(random() % 4096), i >= count / 2};
                if (buffers[i].device_writes) room += buffers[i].length;
            }
            if (auto added = queue.add({buffers, count}); added.ok()) {
                ASSERT_TRUE(under_way.emplace(*added, room).second);
                queue.publish();
                u16 head;
                std::vector<Descriptor> chain;
                ASSERT_TRUE(device.next(head, chain));
                ASSERT_EQ(head, *added);
                ASSERT_EQ(chain.size(), count);
                for (usize i = 0; i < count; i++) ASSERT_EQ(chain[i].address, buffers[i].address);
                at_device.emplace_back(head, room);
            }
            if (at_device.empty() || random() % 2 == 0) continue;
            std::swap(at_device[random() % at_device.size()], at_device.back());
            const auto [head, most] = at_device.back();
            at_device.pop_back();
            device.complete(head, most);
            Virtqueue::Used used;
            ASSERT_TRUE(queue.take(used));
            ASSERT_EQ(used.request, head);
            ASSERT_EQ(under_way.erase(head), 1u);
        }
    }
}

/// Each lie breaks the queue, until it is attached again.
TEST(Virtqueue, LiesAreFound) {
    using Lie = void (*)(Device&, u16 head);
    const Lie kLies[] = {
        [](Device& d, u16) { d.complete(kSize, 1); },                     // no such descriptor
        [](Device& d, u16) { d.complete(0xffff'ffff, 1); },               //
        [](Device& d, u16 head) { d.complete(head + 1u, 1); },            // in the middle of a request
        [](Device& d, u16 head) { d.complete(head + 3u, 1); },            // free
        [](Device& d, u16 head) { d.complete(head, 514); },               // more than there is room for
        [](Device& d, u16 head) { d.complete(head, ~u32{0}); },           //
        [](Device& d, u16 head) { d.complete(head, 1), d.used(1) = 2; },  // more requests than there are
        [](Device& d, u16) { d.used(1) = 0xffff; },
        [](Device& d, u16) { d.used(1) = 0x8000; },
    };
    for (const Lie lie : kLies) {
        Device device;
        Virtqueue queue;
        ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
        auto request = queue.add(kRequest);
        queue.publish();
        lie(device, *request);
        Virtqueue::Used used;
        EXPECT_FALSE(queue.take(used));
        EXPECT_TRUE(queue.broken());
        EXPECT_FALSE(queue.take(used));
        EXPECT_FALSE(queue.add(kRequest).ok());
        ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
        EXPECT_TRUE(queue.add(kRequest).ok());
    }
}

TEST(Virtqueue, NothingComesBackTwice) {
    Device device;
    Virtqueue queue;
    ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
    auto first = queue.add(kRequest), second = queue.add(kRequest);
    ASSERT_TRUE(first.ok() && second.ok());
    queue.publish();
    device.complete(*first, 513);
    device.complete(*first, 513);
    Virtqueue::Used used;
    EXPECT_TRUE(queue.take(used));
    EXPECT_FALSE(queue.take(used));
    EXPECT_TRUE(queue.broken());
}

/// A device that writes anything anywhere in the queue: the driver never looks outside (the sanitizer watches), never hands out
/// a request that isn't under way, and never more bytes than were asked for.
TEST(Virtqueue, WildDeviceHurtsNobody) {
    std::mt19937 random(2);
    for (u32 round = 0; round < 3000; round++) {
        Device device;
        Virtqueue queue;
        ASSERT_TRUE(queue.attach(device.memory(), kSize).ok());
        std::map<u16, u32> under_way;
        for (u32 step = 0; step < 60; step++) {
            const usize count = 1 + random() % 3;
            if (auto added = queue.add({kRequest, count}); added.ok()) {
                ASSERT_LT(*added, kSize);
                ASSERT_TRUE(under_way.emplace(*added, count == 1 ? 0 : count == 2 ? 512 : 513).second);
            }
            queue.publish();
            for (u32 wild = random() % 4; wild != 0; wild--)
                device.bytes()[random() % Virtqueue::bytes(kSize)] = static_cast<u8>(random());
            if (random() % 2 == 0) device.complete(random() % (kSize + 1), random() % 600);
            if (random() % 8 == 0) device.used(1) = static_cast<u16>(random());
            Virtqueue::Used used;
            while (queue.take(used)) {
                const auto found = under_way.find(used.request);
                ASSERT_NE(found, under_way.end());
                ASSERT_LE(used.written, found->second);
                under_way.erase(found);
            }
        }
    }
}

}  // namespace
}  // namespace pith
