// SPDX-License-Identifier: MIT
// One disk as DiskServer has it: requests in the device's virtqueue. The device moves the bytes of the clients' windows itself;
// what it is told (queue, request headers, status bytes) lies in memory that no client sees.
#pragma once

#include "drivers/block/virtio_blk/format.hpp"
#include "lib/base/round.hpp"
#include "lib/driver/block/server.hpp"
#include "lib/driver/device.hpp"
#include "lib/driver/virtio/device.hpp"

namespace pith::virtio_blk {

class Disk final : public DiskDevice, public DiskLinks {
  public:
    /// `changed_bit`: of the loop's Signal; the device's state has changed. Whoever handles it calls `look`.
    Disk(PciDevice&& device, EventLoop& loop, DiskKept& kept, const DiskServer::Setup& setup, u64 changed_bit)
        : device_(std::move(device)),
          loop_(loop),
          changed_bit_(changed_bit),
          server_(*this, *this, loop, kept, setup) {}

    DiskServer& server() { return server_; }
    void look();

    Result<DiskFacts> start() override;
    void stop() override { static_cast<void>(device_.close()); }
    bool failed() const override { return virtio_.failed(); }
    Result<DmaMemory> link(u32 number, u64 size) override;
    bool room() const override { return queue_.free_descriptors() >= kBuffers; }
    bool submit(u32 slot, const DiskRequest& request) override;
    void publish() override;

  private:
    static constexpr u32 kBuffers = 3;  ///< descriptors of a request, at most
    static constexpr u32 kMaxSectors = 256;
    static constexpr u64 kRingsSize = 2 * abi::kPageSize;
    static constexpr u64 kHeaders = round_up(Virtqueue::bytes(Virtqueue::kMaxSize), 16);
    static constexpr u64 kStatuses = kHeaders + kSlots * sizeof(RequestHeader);
    static_assert(kStatuses + kSlots <= kRingsSize);

    Result<> get_interrupts();
    void collect();
    Error outcome(u32 slot, u32 written) const;

    PciDevice device_;
    EventLoop& loop_;
    const u64 changed_bit_;
    VirtioDevice virtio_;
    Virtqueue queue_;
    DmaMemory rings_;
    InterruptLine line_;
    Handle<Interrupt> config_line_;
    bool attached_ = false;  // registers, memory and interrupts are had
    u32 wanted_[kSlots];     // bytes that the device writes for a request that it carries out
    u8 slot_of_[Virtqueue::kMaxSize];
    DiskServer server_;
};

}  // namespace pith::virtio_blk
