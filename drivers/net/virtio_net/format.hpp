// SPDX-License-Identifier: MIT
// What a virtio network device is told and tells (virtio 1.2, 5.1).
#pragma once

#include "abi/types.hpp"

namespace pith::virtio_net {

inline constexpr u64 kFeatureChecksum = u64{1} << 0;
inline constexpr u64 kFeatureGuestChecksum = u64{1} << 1;
inline constexpr u64 kFeatureMtu = u64{1} << 3;
inline constexpr u64 kFeatureMac = u64{1} << 5;
inline constexpr u64 kFeatureStatus = u64{1} << 16;
inline constexpr u64 kFeatureControlQueue = u64{1} << 17;
inline constexpr u64 kFeatureMultiqueue = u64{1} << 22;
inline constexpr u64 kFeatureIndirect = u64{1} << 28;

// Its configuration.
inline constexpr u32 kConfigMac = 0;     ///< six bytes
inline constexpr u32 kConfigStatus = 6;  ///< u16: kStatusLinkUp
inline constexpr u32 kConfigPairs = 8;   ///< u16: pairs of queues, at most
inline constexpr u32 kConfigMtu = 10;    ///< u16
inline constexpr u16 kStatusLinkUp = 1;

/// Before each frame. Of one to send the device reads it, of one that was received it writes it.
struct FrameHeader {
    u8 flags;
    u8 segmentation;  ///< always none
    u16 header_length;
    u16 segment_size;
    u16 checksum_start;
    u16 checksum_offset;
    u16 buffers;
};
inline constexpr u32 kHeaderSize = 12;
static_assert(sizeof(FrameHeader) == kHeaderSize);
inline constexpr u8 kNeedsChecksum =
    1;  ///< the checksum from checksum_start on is to be made; of a received frame: it was not, nor was it sent anywhere
inline constexpr u8 kDataValid = 2;  ///< of a received frame: its checksum was verified

/// Whether the device vouches for a received frame's checksum, by its header's flags.
constexpr bool checksum_good(u8 flags) { return (flags & (kNeedsChecksum | kDataValid)) != 0; }

/// A request in the control queue: this, the number of pairs (u16), and a byte for the answer.
struct ControlHeader {
    u8 group;
    u8 command;
};
inline constexpr u8 kGroupMultiqueue = 4;
inline constexpr u8 kSetPairs = 0;
inline constexpr u8 kControlOk = 0;

}  // namespace pith::virtio_net
