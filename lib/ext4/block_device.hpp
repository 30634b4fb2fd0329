// SPDX-License-Identifier: MIT
// The disk below a file system: what it asks of one, for a server to supply over protocol/block.hpp and for a test over a file
// or memory.
#pragma once

#include "abi/types.hpp"
#include "lib/base/result.hpp"

namespace pith::ext4 {

/// Offsets and sizes are in bytes, multiples of kSectorSize; the caller stays within `size()`. Errors: io.
class BlockDevice {
  public:
    static constexpr usize kSectorSize = 512;

    virtual ~BlockDevice() = default;
    virtual u64 size() const = 0;
    virtual bool read_only() const = 0;
    /// Sees every write for which `write` has returned.
    virtual Result<> read(u64 offset, void* to, usize size) = 0;
    /// May return before the device has the bytes (they have been copied then): an error of it is reported by the next `flush` at
    /// the latest. Writes may be carried out in any order, but those that overlap in the order of the calls. What is
    /// cut off by a loss of power is a run of whole sectors; the file system's superblock (1024 bytes at 1024) is written as a whole.
    virtual Result<> write(u64 offset, const void* from, usize size) = 0;
    /// When it returns, every write for which `write` had returned is durable.
    virtual Result<> flush() = 0;
};

}  // namespace pith::ext4
