// SPDX-License-Identifier: MIT
// CRC-32C (crc32c.cpp).
#pragma once

#include "abi/types.hpp"

extern "C" pith::u32 ext2fs_crc32c_le(pith::u32 crc, const unsigned char* data, pith::usize size);

namespace pith::ext4 {

inline u32 crc32c(u32 crc, const void* data, usize size) {
    return ext2fs_crc32c_le(crc, static_cast<const unsigned char*>(data), size);
}
/// The way that needs no instruction; for tests.
u32 crc32c_by_tables(u32 crc, const void* data, usize size);

}  // namespace pith::ext4
