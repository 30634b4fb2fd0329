// SPDX-License-Identifier: MIT
// Frames: encoding, decoding in pieces, and what broken bytes do.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "lib/mux/frame.hpp"

namespace pith::mux {
namespace {

std::vector<u8> wire_of(FrameHeader header, std::span<const u8> payload) {
    std::vector<u8> wire(kMaxWireFrame);
    wire.resize(encode(header, payload, wire));
    return wire;
}

TEST(Crc, KnownValue) {
    const u8 digits[] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
    EXPECT_EQ(crc32(digits), 0xcbf4'3926u);
    EXPECT_EQ(crc32(std::span(digits).subspan(4), crc32(std::span(digits).first(4))), 0xcbf4'3926u);
}

TEST(Frame, SurvivesAnySplitAndContent) {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        std::vector<u8> payload(random() % (kMaxPayload + 1));
        for (u8& byte : payload) byte = static_cast<u8>(round % 3 == 0 ? kFlag - random() % 3 : random());
        auto wire = wire_of({Channel::tty, FrameType::data, 0, 0, 0x7e7d'0000'7e7d + payload.size()},
                            payload);
        Decoder decoder;
        Decoder::Frame frame;
        usize at = 0;
        int found = 0;
        while (at < wire.size()) {
            usize n = std::min<usize>(1 + random() % 50, wire.size() - at);
            std::span<const u8> piece(wire.data() + at, n);
            while (decoder.next(piece, frame)) {
                ++found;
                EXPECT_EQ(frame.header.channel, Channel::tty);
                EXPECT_EQ(frame.header.sequence, 0x7e7d'0000'7e7d + payload.size());
                EXPECT_TRUE(std::ranges::equal(frame.payload, payload));
            }
            at += n;
        }
        EXPECT_EQ(found, 1);
    }
}

TEST(Frame, NoSingleChangedByteIsTaken) {
    std::vector<u8> payload{1, 2, 3, kFlag, 4, kEscape, 5};
    auto wire = wire_of({Channel::input, FrameType::data, 0, 0, 77}, payload);
    for (usize i = 0; i < wire.size(); ++i) {
        for (int change = 1; change < 256; ++change) {
            auto broken = wire;
            broken[i] = static_cast<u8>(broken[i] ^ change);
            Decoder decoder;
            Decoder::Frame frame;
            std::span<const u8> bytes = broken;
            EXPECT_FALSE(decoder.next(bytes, frame)) << i << " " << change;
            // The next whole frame is found again.
            std::span<const u8> good = wire;
            EXPECT_TRUE(decoder.next(good, frame));
        }
    }
}

TEST(Frame, LongGarbageIsSkipped) {
    Decoder decoder;
    Decoder::Frame frame;
    std::vector<u8> garbage(100'000, 'x');
    garbage[0] = kFlag;
    std::span<const u8> bytes = garbage;
    EXPECT_FALSE(decoder.next(bytes, frame));
    auto wire = wire_of({Channel::log, FrameType::data, 0, 0, 0}, {});
    bytes = wire;
    EXPECT_TRUE(decoder.next(bytes, frame));
    EXPECT_GE(decoder.bad_frames(), 1u);
}

}  // namespace
}  // namespace pith::mux
