// SPDX-License-Identifier: MIT
// The few packets that the test sends and understands: ARP, ICMP echo over IPv4, UDP.
#pragma once

#include <span>

#include "abi/types.hpp"

namespace pith::test {

inline constexpr u8 kOwnAddress[4] = {10, 0, 2, 15};
inline constexpr u8 kGateway[4] = {10, 0, 2, 2};
inline constexpr u32 kEchoOverhead = 14 + 20 + 8;  ///< bytes of an echo's frame before its data

/// What a frame is, as far as the test cares.
struct Packet {
    enum class Kind : u8 { other, arp_request, arp_reply, echo_reply, broken } kind = Kind::other;
    u8 hardware[6] = {};  ///< of ARP: the sender's
    u8 address[4] = {};   ///< of ARP: the sender's; of an echo: the source
    u16 sequence = 0;     ///< of an echo
    u32 data = 0;         ///< of an echo: bytes of it
};
/// `broken`: lengths, checksums or data that are not right.
Packet parse(std::span<const u8> frame);

/// Each gives the frame's length.
u32 make_arp(std::span<u8> frame, const u8 (&hardware)[6], bool reply, const u8 (&to_hardware)[6],
             const u8 (&to)[4]);
/// With `data` bytes that follow from the sequence number.
u32 make_echo(std::span<u8> frame, const u8 (&hardware)[6], const u8 (&to_hardware)[6], u16 sequence,
              u32 data);

}  // namespace pith::test
