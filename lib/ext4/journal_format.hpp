// SPDX-License-Identifier: MIT
// The journal on disk, as Linux's JBD2 and e2fsprogs know it (Linux: Documentation/filesystems/ext4/journal.rst). All
// fields are big-endian. A log of blocks, used in a circle: each transaction is revoke blocks, descriptor blocks with
// the blocks that they describe behind them, and a commit block.
#pragma once

#include <bit>

#include "abi/types.hpp"

namespace pith::ext4::jbd2 {

template <typename T>
class Big {
  public:
    Big() = default;
    Big(T value) : raw_(std::byteswap(value)) {}        // NOLINT(google-explicit-constructor)
    operator T() const { return std::byteswap(raw_); }  // NOLINT(google-explicit-constructor)

  private:
    T raw_;
};
static_assert(std::endian::native == std::endian::little);
using be32 = Big<u32>;

constexpr u32 kMagic = 0xc03b3998;

enum BlockType : u32 { kDescriptor = 1, kCommit = 2, kSuperblockV1 = 3, kSuperblockV2 = 4, kRevoke = 5 };

struct Header {
    be32 magic;
    be32 type;
    be32 sequence;  ///< of the transaction
};
static_assert(sizeof(Header) == 12);

// Superblock::incompatible.
constexpr u32 kHasRevoke = 0x01;
constexpr u32 kHas64Bit = 0x02;
constexpr u32 kHasAsyncCommit = 0x04;
constexpr u32 kHasChecksumV2 = 0x08;
constexpr u32 kHasChecksumV3 = 0x10;
constexpr u32 kKnown = kHasRevoke | kHas64Bit | kHasAsyncCommit | kHasChecksumV2 | kHasChecksumV3;
// Superblock::compatible.
constexpr u32 kHasChecksumV1 = 0x01;
constexpr u8 kCrc32c = 4;  ///< Superblock::checksum_type

struct Superblock {
    Header header;
    be32 block_size;
    be32 length;    ///< blocks of the journal, the superblock among them
    be32 first;     ///< of the log
    be32 sequence;  ///< of the transaction at `start`
    be32 start;     ///< where the log begins; 0: there is nothing in it
    be32 error;
    be32 compatible;
    be32 incompatible;
    be32 read_only_compatible;
    u8 uuid[16];
    be32 users;
    be32 dynamic_superblock;
    be32 max_transaction;
    be32 max_data;
    u8 checksum_type;
    u8 padding[3];
    be32 fast_commit_blocks;
    be32 head;
    be32 padding2[40];
    be32 checksum;  ///< of the 1024 bytes, with 0 here
    u8 user_ids[768];
};
static_assert(sizeof(Superblock) == 1024);

struct Tag3 {  ///< with kHasChecksumV3
    be32 block;
    be32 flags;
    be32 block_high;
    be32 checksum;
};
static_assert(sizeof(Tag3) == 16);

// Tag3::flags.
constexpr u32 kEscaped = 1;   ///< the block begins with kMagic, and has 0 there in the log
constexpr u32 kSameUuid = 2;  ///< no UUID behind the tag
constexpr u32 kLastTag = 8;

struct RevokeHeader {
    Header header;
    be32 bytes;  ///< used of the block, this header among them
};
static_assert(sizeof(RevokeHeader) == 16);

struct Commit {
    Header header;
    u8 checksum_type;
    u8 checksum_size;
    u8 padding[2];
    be32 checksum[8];
    be32 seconds_high;
    be32 seconds_low;
    be32 nanoseconds;
};
static_assert(sizeof(Commit) == 60);

}  // namespace pith::ext4::jbd2
