// SPDX-License-Identifier: MIT
// EthernetRings, Frames and a device, one behind the other; and frames that say who they are.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>

#include "lib/net/ethernet_rings.hpp"
#include "tests/host/ethernet/device.hpp"

namespace pith::test {

using namespace virtio_net;

inline constexpr u64 kLink = 0x1000'0000, kRings = 0x2000'0000;
inline constexpr u32 kMtu = 1500;

struct Shape {
    u32 pairs;
    u16 size;
    bool indirect;
};

inline Ethernet::Open::Reply reply_of(u32 features, u32 mtu = kMtu) {
    Ethernet::Open::Reply reply{};
    reply.receive_offset = Frames::kReceiveOffset;
    reply.state_offset = Frames::kStateOffset;
    reply.window_offset = Frames::kWindowOffset;
    reply.window_size = Frames::kWindowSize;
    reply.mtu = mtu;
    reply.features = features;
    return reply;
}

/// Client, driver and device.
class Network {
  public:
    explicit Network(const Shape& with) : shape(with) {
        link = bus.add(kLink, Frames::kLinkSize);
        rings = bus.add(kRings, Frames::kMaxPairs * 2 * FrameQueue::kBytes);
        begin();
        open();
    }
    /// The device, after a reset.
    void begin() {
        receiving.clear();
        sending.clear();
        for (u32 i = 0; i < shape.pairs; i++) {
            const u64 at = 2 * i * FrameQueue::kBytes;
            QueuePair& pair = frames->pair(i);
            EXPECT_TRUE(pair.receive
                            .attach(rings + at, kRings + at, shape.size, FrameQueue::Direction::receive,
                                    shape.indirect)
                            .ok());
            EXPECT_TRUE(pair.send
                            .attach(rings + at + FrameQueue::kBytes, kRings + at + FrameQueue::kBytes,
                                    shape.size, FrameQueue::Direction::send, shape.indirect)
                            .ok());
            receiving.emplace_back(bus, kRings + at, shape.size);
            sending.emplace_back(bus, kRings + at + FrameQueue::kBytes, shape.size);
        }
        frames->begin(shape.pairs, kMtu, features);
    }
    void open() {
        frames->attach({link, kLink});
        EXPECT_TRUE(client->check(reply_of(features)).ok());
        Ethernet::Open::Reply reply = reply_of(features);
        reply.sent = sent;
        client->attach({link, Frames::kLinkSize}, reply);
        told = 0;
    }
    /// The device is stopped, and a next life of the driver, or of the client, opens it. What the one that dies knew is gone.
    void reopen(bool driver_dies, bool client_dies) {
        if (client_dies) client.emplace();
        else client->detach();
        if (driver_dies) frames.emplace(counts, *handover);
        else frames->detach(), frames->end();
        std::vector<std::span<u8>> memory;
        for (u32 i = 0; i < handover->pairs; i++)
            memory.emplace_back(rings + 2 * i * FrameQueue::kBytes, 2 * FrameQueue::kBytes);
        sent = frames->collect({link, kLink}, memory);
        begin();
        open();
    }
    void serve() {
        while (!frames->serve()) {}
        told += frames->take_news();
    }
    /// The client's round: true if the driver was told.
    bool flush() {
        const bool notify = client->flush();
        if (notify) serve();
        return notify;
    }
    /// The device receives a frame; false: it has no buffer in that queue.
    bool arrive(u32 queue, std::span<const u8> frame, u8 flags = 0) {
        const auto request = receiving[queue].next();
        if (!request) return false;
        EXPECT_TRUE(request->writes);
        EXPECT_GE(request->length, frame.size());
        std::memcpy(request->frame, frame.data(), frame.size());
        std::memset(request->header, 0, 12);
        request->header[0] = flags;
        receiving[queue].complete(request->id, static_cast<u32>(12 + frame.size()));
        return true;
    }

    const u32 features = Ethernet::kSendChecksum | Ethernet::kReceiveChecksum;
    const Shape shape;
    Bus bus;
    u8 *link, *rings;
    Ethernet::Statistics::Reply counts{};
    std::unique_ptr<Handover> handover = std::make_unique<Handover>();
    std::optional<Frames> frames{std::in_place, counts, *handover};
    std::optional<EthernetRings> client{std::in_place};
    std::vector<DeviceQueue> receiving, sending;
    u32 sent = 0;  ///< as the last Open was answered
    u32 told = 0;  ///< notifications of the client
};

/// A frame that says who it is; bytes of a connection's addresses and ports where IPv4 has them.
inline std::vector<u8> frame_of(u32 number, u32 flow, u32 length) {
    std::vector<u8> frame(length);
    for (u32 i = 0; i < length; i++) frame[i] = static_cast<u8>(number * 7 + i);
    frame[12] = 0x08;
    frame[13] = 0x00;
    if (length >= 38) {
        std::memset(&frame[26], 0, 12);
        std::memcpy(&frame[26], &flow, 4);
    }
    std::memcpy(frame.data(), &number, 4);
    return frame;
}

inline const auto kShapes = testing::Values(Shape{1, 256, true}, Shape{1, 256, false}, Shape{1, 4, false},
                                            Shape{4, 64, true}, Shape{3, 8, false});

}  // namespace pith::test
