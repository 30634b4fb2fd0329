// SPDX-License-Identifier: MIT
// A disk as a client uses it: requests are kept until they are answered, and submitted again to a reborn driver.
#pragma once

#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/queue.hpp"
#include "protocol/block.hpp"

namespace pith::test {

class Disk {
  public:
    static constexpr u64 kCompletedBit = 1;
    explicit Disk(const Client<Block>& client, u64 window = 0) : client_(client), wish_(window) {}

    /// Opens it, or opens it again: then what is under way is submitted again.
    Result<> open(u64 index);
    const Block::Open::Reply& facts() const { return facts_; }
    u8* window() const { return mapping_.as<u8>(facts_.window_offset); }
    /// Puts a request under way; its id is a number below kEntries that is free.
    Result<> submit(const Block::Submission& request);
    void notify() const { queue_.notify(); }
    struct Answer {
        Disk* disk;
        Block::Completion completion;
    };
    /// The next that is completed, of all of `disks`. Opens them again when the driver was reborn. timed_out: nothing comes.
    static Result<Answer> next_of(std::span<Disk* const> disks);
    Result<Block::Completion> next();
    /// One request alone: its error.
    Error run(Block::Operation operation, u64 sector, u32 sectors, u64 offset = 0);
    /// What is under way is not submitted again.
    void forget() {
        for (bool& busy : busy_) busy = false;
    }
    u64 reopened() const { return reopened_; }

  private:
    Result<bool> poll(Block::Completion& completion);
    const Client<Block>& client_;
    u64 wish_;
    u64 index_ = 0;
    Block::Open::Reply facts_{};
    Handle<Memory> link_;
    Mapping mapping_;
    QueueClient<Block::Submission, Block::Completion> queue_;
    Block::Submission kept_[Block::kEntries] = {};
    bool busy_[Block::kEntries] = {};
    u64 reopened_ = 0;
    u64 lives_ = 0;  ///< of the driver, at the opening
};

/// The component's own Signal tells of rebirths; every Disk's completions come to it too.
bool reborn();
void forget_rebirths();

}  // namespace pith::test
