// SPDX-License-Identifier: MIT
// A disk of sectors in memory. One thread.
//
// Everything is in one Memory, the link of protocol/block.hpp: the ring, the window, and behind it the sectors. It is the
// driver's preserved Memory, so that the sectors outlive the driver, and what a predecessor has completed is there. The
// client may write to all of it; nothing that this driver relies on is in there.
#pragma once

#include <span>

#include "lib/os/queue.hpp"
#include "protocol/block.hpp"

namespace pith::ramdisk {

struct Parameters {
    u64 sectors = 0;
    u64 delay = 0;  ///< nanoseconds
    u64 bad_first = 0;
    u64 bad_count = 0;
    u64 stray = 0;
    bool read_only = false;
    bool shuffled = false;
};

class Disk {
  public:
    static constexpr u64 kWindowOffset = abi::kPageSize;
    static constexpr u64 kWindowSize = u64{512} << 10;
    static constexpr u64 kContent = kWindowOffset + kWindowSize;
    static constexpr u32 kMaxSectors = 128;

    /// In `link`; its sectors are as many as asked for and fit.
    Disk(std::span<u8> link, const Parameters& parameters);

    u64 sectors() const { return content_.size() / Block::kSectorSize; }
    /// A client has opened the disk: what is pending for an earlier one comes to nothing, the ring is empty.
    void open(Handle<Signal> client, u64 bits);
    /// Takes what was submitted. True: something is pending now.
    bool take(abi::Time time);
    /// When the first of what is pending is due; only if something is.
    abi::Time due() const { return pending_[0].due; }
    bool idle() const { return count_ == 0; }
    /// Carries out what is due. True: the client is to be told.
    bool work(abi::Time time);
    void notify() { queue_.notify(); }

  private:
    struct Pending {
        Block::Submission request;
        abi::Time due;
    };
    Error carry_out(const Block::Submission& request);
    usize choose(usize due_count);

    std::span<u8> link_;
    std::span<u8> content_;
    Parameters parameters_;
    QueueServer<Block::Submission, Block::Completion> queue_;
    Pending pending_[Block::kEntries] = {};  ///< in the order of submission, which is that of `due`
    usize count_ = 0;
    u64 completed_ = 0;
    u64 random_ = 0x9e37'79b9'7f4a'7c15;
};

}  // namespace pith::ramdisk
