// SPDX-License-Identifier: MIT
// Disks for tests: in memory, with faults, and with a record of what was written and flushed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lib/ext4/block_device.hpp"

namespace pith::ext4::test {

/// Fails the test (by abort) on what is outside it or not whole sectors.
class MemoryDisk : public BlockDevice {
  public:
    explicit MemoryDisk(std::vector<u8> content) : content_(std::move(content)) {}
    u64 size() const override { return content_.size(); }
    bool read_only() const override { return read_only_; }
    Result<> read(u64 offset, void* to, usize size) override;
    Result<> write(u64 offset, const void* from, usize size) override;
    Result<> flush() override;

    std::vector<u8>& content() { return content_; }
    void set_read_only() { read_only_ = true; }
    /// The n-th request from now on (0: the next) and all later ones fail; or just that one.
    void fail_after(u64 requests, bool only_one) {
        fail_at_ = requests_ + requests;
        only_one_ = only_one;
        failing_ = true;
    }
    void heal() { failing_ = false; }
    u64 requests() const { return requests_; }
    u64 writes() const { return writes_; }
    u64 flushes() const { return flushes_; }

  private:
    bool fails();

    std::vector<u8> content_;
    bool read_only_ = false;
    bool failing_ = false, only_one_ = false;
    u64 fail_at_ = 0, requests_ = 0, writes_ = 0, flushes_ = 0;
};

/// Remembers every write, cut into the pieces that a disk carries out as a whole (sectors; the superblock), and every flush.
class RecordingDisk final : public MemoryDisk {
  public:
    struct Event {
        u64 offset = 0;
        std::vector<u8> data;  ///< empty: a flush
    };
    explicit RecordingDisk(std::vector<u8> content) : MemoryDisk(content), before_(std::move(content)) {}
    Result<> write(u64 offset, const void* from, usize size) override;
    Result<> flush() override;
    const std::vector<Event>& events() const { return events_; }
    const std::vector<u8>& before() const { return before_; }
    /// What may be on the disk when the power goes after `events` of them: everything up to the last flush, and of the rest what
    /// `survives` says (called for each piece, in order).
    std::vector<u8> cut(usize events, const std::function<bool()>& survives) const;

  private:
    std::vector<u8> before_;
    std::vector<Event> events_;
};

}  // namespace pith::ext4::test
