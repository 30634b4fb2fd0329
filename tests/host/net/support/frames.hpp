// SPDX-License-Identifier: MIT
// Frames made by hand.
#pragma once

#include "tests/host/net/support/world.hpp"

namespace pith::stack {

inline constexpr u8 kFin = 1, kSyn = 2, kRst = 4, kPush = 8, kAck = 16;

u16 internet_checksum(const u8* bytes, usize length, u32 sum = 0);
/// An IPv4 packet from 10.0.0.`from` to 10.0.0.`to` in a frame, with right checksums of IP; `payload` begins with the transport's header.
Frame packet4(u8 from, u8 to, u8 protocol, const std::vector<u8>& payload);
/// A segment of TCP, with all checksums right.
Frame segment(u8 from, u16 from_port, u8 to, u16 to_port, u32 sequence, u32 acknowledged, u8 flags,
              const std::vector<u8>& data = {}, const std::vector<u8>& options = {}, u16 window = 65535);
/// What a frame says as a segment of TCP over IPv4.
struct Tcp {
    bool found = false;
    u8 flags = 0;
    u16 from_port = 0, to_port = 0;
    u32 sequence = 0, acknowledged = 0;
    u32 start = 0, header = 0, length = 0;  ///< where its header begins; bytes of that, and of data
};
Tcp find_tcp(const Frame& frame);
/// Makes the checksum of such a frame right again.
void repair_checksum(Frame& frame, const Tcp& tcp);
/// A datagram of UDP; without a checksum.
std::vector<u8> udp(u16 from_port, u16 to_port, const std::vector<u8>& data);

}  // namespace pith::stack
