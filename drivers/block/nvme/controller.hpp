// SPDX-License-Identifier: MIT
// An NVMe controller (NVM Express 1.4): from whatever state to one namespace that is read and written through one pair of
// queues. The administrative commands that this takes are polled for.
#pragma once

#include "drivers/block/nvme/queue_pair.hpp"
#include "lib/driver/pci.hpp"

namespace pith::nvme {

/// The controller's first namespace.
struct Namespace {
    u32 number;
    u32 block_size;  ///< log2 of bytes
    u64 blocks;
    u64 max_transfer;  ///< bytes of a command
    bool read_only;
    bool write_cache;
};

class Controller {
  public:
    /// Takes an opened device: its registers, and memory for its queues. unsupported: it isn't what this is for.
    Result<> attach(const PciDevice& device);
    /// Resets it, readies it, and makes the pair of queues, whose interrupt is message 0. timed_out: it doesn't get ready, or
    /// doesn't answer; unsupported: a namespace of another kind; io.
    Result<Namespace> start();
    /// It has met an error that only a reset mends, or is gone.
    bool failed() const;
    QueuePair& queues() { return queues_; }
    const QueuePair& queues() const { return queues_; }
    /// Tells it what has been added, or taken.
    void ring_submissions() const { ring(kIoQueue, 0, queues_.submissions_tail()); }
    void ring_completions() const { ring(kIoQueue, 1, queues_.completions_head()); }

  private:
    static constexpr u16 kAdminQueue = 0, kIoQueue = 1;
    static constexpr u16 kAdminSize = 8;
    // Places in its memory.
    static constexpr u64 kAdminSubmissions = 0, kAdminCompletions = abi::kPageSize;
    static constexpr u64 kSubmissions = 2 * abi::kPageSize;
    static constexpr u64 kCompletions = kSubmissions + QueuePair::kMaxSize * sizeof(Command);
    static constexpr u64 kIdentified = kCompletions + abi::kPageSize;
    static constexpr u64 kMemorySize = kIdentified + kIdentifySize;
    static_assert(QueuePair::kMaxSize * sizeof(Completion) <= abi::kPageSize);
    static_assert(kCompletions % abi::kPageSize == 0);

    template <typename R>
    R read() const {
        return registers_.registers().read<R>();
    }
    template <typename R>
    void write(const R& r) const {
        registers_.registers().write(r);
    }
    void ring(u16 queue, u32 which, u16 value) const;
    abi::Time patience() const;
    Result<> wait_until_ready(bool ready) const;
    Result<> reset() const;
    Result<> enable();
    Result<u32> run(Command command);
    Result<const u8*> identify(u32 what, u32 name_space);
    Result<> make_queues();
    Result<Namespace> find_namespace();

    PciRegion registers_;
    DmaMemory memory_;
    u64 stride_ = 0;  ///< bytes between doorbells
    QueuePair admin_;
    QueuePair queues_;
};

}  // namespace pith::nvme
