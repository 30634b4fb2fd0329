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

/// Another device, and how many of its requests failed.
class CountedDevice final : public BlockDevice {
  public:
    explicit CountedDevice(BlockDevice& device) : device_(device) {}
    u64 size() const override { return device_.size(); }
    bool read_only() const override { return device_.read_only(); }
    Result<> read(u64 offset, void* to, usize size) override { return count(device_.read(offset, to, size)); }
    Result<> write(u64 offset, const void* from, usize size) override {
        return count(device_.write(offset, from, size));
    }
    Result<> flush() override { return count(device_.flush()); }
    u64 errors() const { return errors_; }

  private:
    Result<> count(Result<> done) {
        if (!done.ok()) errors_++;
        return done;
    }

    BlockDevice& device_;
    u64 errors_ = 0;
};

}  // namespace pith::ext4
