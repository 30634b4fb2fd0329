// SPDX-License-Identifier: MIT
// What a virtio block device is told and tells (virtio 1.2, 5.2).
#pragma once

#include "abi/types.hpp"

namespace pith::virtio_blk {

inline constexpr u64 kFeatureSizeMax = u64{1} << 1;
inline constexpr u64 kFeatureReadOnly = u64{1} << 5;
inline constexpr u64 kFeatureFlush = u64{1} << 9;

// Its configuration.
inline constexpr u32 kConfigCapacity = 0;  ///< u64: sectors of 512 bytes
inline constexpr u32 kConfigSizeMax = 8;   ///< u32: bytes of the largest piece

struct RequestHeader {
    u32 type;
    u32 reserved;
    u64 sector;
};
static_assert(sizeof(RequestHeader) == 16);

inline constexpr u32 kTypeRead = 0;
inline constexpr u32 kTypeWrite = 1;
inline constexpr u32 kTypeFlush = 4;

inline constexpr u8 kStatusOk = 0;
inline constexpr u8 kStatusUnwritten = 0xff;  ///< ours

}  // namespace pith::virtio_blk
