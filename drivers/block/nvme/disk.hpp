// SPDX-License-Identifier: MIT
// One disk as DiskServer has it: the first namespace of a controller. The controller moves the bytes of the clients' windows itself;
// what it is told (queues, lists of pages) lies in memory that no client sees.
#pragma once

#include "drivers/block/nvme/controller.hpp"
#include "lib/driver/block/server.hpp"
#include "lib/driver/device.hpp"

namespace pith::nvme {

class Disk final : public DiskDevice, public DiskLinks {
  public:
    Disk(PciDevice&& device, EventLoop& loop, DiskKept& kept, const DiskServer::Setup& setup,
         u64 /*changed_bit*/)
        : device_(std::move(device)), loop_(loop), server_(*this, *this, loop, kept, setup) {}

    DiskServer& server() { return server_; }
    /// A controller doesn't tell of its state: DiskServer looks at it.
    void look() {}

    Result<DiskFacts> start() override;
    void stop() override { static_cast<void>(device_.close()); }
    bool failed() const override { return controller_.failed(); }
    Result<DmaMemory> link(u32 number, u64 size) override;
    bool room() const override { return controller_.queues().room(); }
    bool submit(u32 slot, const DiskRequest& request) override;
    void publish() override;

  private:
    static constexpr u32 kMaxSectors = 256;
    /// Of a request all pages but the first, which needn't be begun with; a list for each slot. None crosses a page.
    static constexpr u32 kListed = kMaxSectors * Block::kSectorSize / abi::kPageSize;
    using PageList = u64[kListed];
    static_assert(abi::kPageSize % sizeof(PageList) == 0);
    static constexpr u64 kListsSize = kSlots * sizeof(PageList);
    static_assert(QueuePair::kTags == kSlots);

    void collect();
    void set_pages(Command& command, u32 slot, u64 address, u64 bytes);

    PciDevice device_;
    EventLoop& loop_;
    Controller controller_;
    Namespace namespace_{};
    DmaMemory lists_;
    InterruptLine line_;
    bool attached_ = false;  // registers, memory and the interrupt are had
    bool added_ = false;     // since the controller was last told
    DiskServer server_;
};

}  // namespace pith::nvme
