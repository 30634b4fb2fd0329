// SPDX-License-Identifier: MIT
// One disk: from the client's Queue to the device's virtqueue and back. The device moves the bytes of the window itself; what it
// is told (queue, request headers, status bytes) lies in memory that the client doesn't see.
//
// A request is in a slot from when it is taken out of the client's Queue until it is completed there. Slots are private memory:
// a device that has to be reset is given the same requests again.
#pragma once

#include <bit>

#include "drivers/block/virtio_blk/format.hpp"
#include "lib/base/round.hpp"
#include "lib/driver/device.hpp"
#include "lib/driver/virtio/device.hpp"
#include "lib/os/queue.hpp"
#include "lib/os/trace.hpp"
#include "protocol/block.hpp"

namespace pith::virtio_blk {

struct Record {
    enum Kind : u32 { opened = 1, started, completed, recovered } kind;
    u32 a;
    u64 b;
    const char* trace_name() const {
        switch (kind) {
            case opened: return "opened";
            case started: return "started";
            case completed: return "done";
            case recovered: return "reset";
        }
        return "?";
    }
    u64 trace_value() const { return b; }
};

class Disk {
  public:
    struct Setup {
        u32 index;  ///< the client's for it
        // Bits of the loop's Signal. Whoever handles them calls `serve` and `look`.
        u64 submitted_bit;   ///< the client has submitted something
        u64 config_bit;      ///< the device's state has changed
        abi::Time patience;  ///< after so long without an answer the device is reset
    };
    Disk(PciDevice&& device, EventLoop& loop, const Setup& setup)
        : device_(std::move(device)),
          loop_(loop),
          setup_(setup),
          window_size_(setup.index < kLargeWindows ? kLargeWindow : kSmallWindow),
          watch_(*this) {}

    /// A new client: nothing of an earlier one's is under way after it. Errors: io: the device doesn't work; no_memory.
    Result<Block::Open::Reply> open(Handle<Signal> client, u64 bits);
    const Handle<Memory>& link() const { return link_.memory; }
    /// Takes what the client has submitted.
    void serve();
    /// The device's state may have changed.
    void look();

  private:
    static constexpr u32 kSlots = Block::kEntries;
    static_assert(kSlots == 64);
    static constexpr u64 kWindowOffset = abi::kPageSize;
    // Memory for DMA is set aside whether there are disks or not; few systems have many.
    static constexpr u32 kLargeWindows = 4;
    static constexpr u64 kLargeWindow = 256 * 1024;
    static constexpr u64 kSmallWindow = 64 * 1024;
    static constexpr u32 kMaxSectors = 256;
    static constexpr u64 kRingsSize = 2 * abi::kPageSize;
    static constexpr u32 kMaxRecoveries = 3;  ///< without a request that succeeds between them
    static constexpr u64 kHeaders = round_up(Virtqueue::bytes(Virtqueue::kMaxSize), 16);
    static constexpr u64 kStatuses = kHeaders + kSlots * sizeof(RequestHeader);
    static_assert(kStatuses + kSlots <= kRingsSize);

    struct Watch : Timer {
        explicit Watch(Disk& disk)
            : Timer([](Timer& timer) { static_cast<Watch&>(timer).self.check_progress(); }), self(disk) {}
        Disk& self;
    };

    Result<> start();
    Result<> start_device();
    Result<> get_memory();
    Result<> get_interrupts();
    bool room() const;
    u32 under_way() const { return static_cast<u32>(std::popcount(busy_)); }
    Result<> check(const Block::Submission& request) const;
    void take_up(const Block::Submission& request);
    bool submit(u32 slot);
    void publish();
    void collect();
    void finish(u32 slot, u32 written);
    void complete(u64 id, Error error);
    void check_progress();
    void recover();
    void give_up();

    PciDevice device_;
    EventLoop& loop_;
    const Setup setup_;
    const u64 window_size_;
    VirtioDevice virtio_;
    Virtqueue queue_;
    DmaMemory rings_;
    DmaMemory link_;
    InterruptLine line_;
    Handle<Interrupt> config_line_;
    bool attached_ = false;  // registers, memory and interrupts are had
    bool works_ = false;
    bool flushes_ = false;
    bool read_only_ = false;
    u64 sectors_ = 0;
    u32 max_sectors_ = 0;
    u32 recoveries_ = 0;
    bool completed_ = false;  // since the client was last told
    u64 finished_ = 0;        // requests that the device was done with
    u64 watched_ = 0;         // of them, when the watch was set
    Watch watch_;
    QueueServer<Block::Submission, Block::Completion> client_;
    u64 busy_ = 0;  // slots that hold a request, a bit each: the device has it
    Block::Submission slots_[kSlots];
    u8 slot_of_[Virtqueue::kMaxSize];
    TraceRing<Record> trace_;
};

}  // namespace pith::virtio_blk
