// SPDX-License-Identifier: MIT
// The device's side of a queue of frames, over the same memory: it takes requests as the specification has them, and believes nothing
// of where their parts are.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "drivers/net/virtio_net/frames.hpp"

namespace pith::test {

/// Memory that a device knows under addresses of its own.
class Bus {
  public:
    u8* add(u64 address, u64 size) {
        areas_.push_back({address, size, std::make_unique<u8[]>(size + 64)});
        return bytes(areas_.back());
    }
    /// nullptr: it is in no area.
    u8* find(u64 address, u64 size) {
        for (Area& area : areas_)
            if (address >= area.address && size <= area.size && address - area.address <= area.size - size)
                return bytes(area) + (address - area.address);
        return nullptr;
    }

  private:
    struct Area {
        u64 address, size;
        std::unique_ptr<u8[]> memory;
    };
    static u8* bytes(Area& area) {
        return reinterpret_cast<u8*>((reinterpret_cast<u64>(area.memory.get()) + 63) & ~u64{63});
    }
    std::vector<Area> areas_;
};

struct Descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

/// What a request says: a header, and a frame or room for one.
struct Request {
    u16 id;
    bool writes;  ///< the device does
    u8* header;
    u8* frame;
    u32 length;
};

class DeviceQueue {
  public:
    DeviceQueue(Bus& bus, u64 address, u16 size) : bus_(bus), address_(address), size_(size) {}

    std::optional<Request> next() {
        if (available(1) == seen_) return {};
        const u16 head = available(2 + seen_++ % size_);
        std::vector<Descriptor> parts;
        u64 table = address_;
        u16 at = head, entries = size_;
        for (;;) {
            EXPECT_LT(at, entries);
            Descriptor part;
            const u8* from = bus_.find(table + at * 16u, 16);
            EXPECT_NE(from, nullptr);
            std::memcpy(&part, from, 16);
            if ((part.flags & 4) != 0) {
                EXPECT_TRUE(parts.empty() && part.length % 16 == 0 && (part.flags & 3) == 0);
                table = part.address;
                entries = static_cast<u16>(part.length / 16);
                at = 0;
                continue;
            }
            parts.push_back(part);
            if ((part.flags & 1) == 0 || parts.size() > 2) break;
            at = part.next;
        }
        EXPECT_EQ(parts.size(), 2u);
        EXPECT_EQ(parts[0].length, 12u);
        EXPECT_EQ(parts[0].flags & 2, parts[1].flags & 2);
        Request request{head, (parts[0].flags & 2) != 0, bus_.find(parts[0].address, 12),
                        bus_.find(parts[1].address, parts[1].length), parts[1].length};
        EXPECT_NE(request.header, nullptr);
        EXPECT_NE(request.frame, nullptr);
        return request;
    }
    void complete(u32 id, u32 length) {
        const u32 element[2] = {id, length};
        std::memcpy(area() + Virtqueue::used_offset(size_) + 4 + 8 * (used(1) % size_), element, 8);
        used(1)++;
    }
    bool wants_interrupt() { return (available(0) & 1) == 0; }
    u16& used(u32 index) { return reinterpret_cast<u16*>(area() + Virtqueue::used_offset(size_))[index]; }
    u16& available(u32 index) {
        return reinterpret_cast<u16*>(area() + Virtqueue::available_offset(size_))[index];
    }

  private:
    u8* area() { return bus_.find(address_, Virtqueue::bytes(size_)); }
    Bus& bus_;
    u64 address_;
    u16 size_;
    u16 seen_ = 0;
};

}  // namespace pith::test
