// SPDX-License-Identifier: MIT
// DiskDriver<Disk>: a driver of disks on PCI: finds them when the first client asks, so that a system without any doesn't wait
// for them, and hands out what clients and devices say. Disk: a DiskDevice and DiskLinks with
//
//   Disk(PciDevice&&, EventLoop&, DiskKept&, const DiskServer::Setup&, u64 changed_bit);
//   DiskServer& server();
//   void look();    // its changed_bit came
#pragma once

#include <memory>

#include "lib/driver/block/server.hpp"

namespace pith {

template <typename Disk>
class DiskDriver {
  public:
    explicit DiskDriver(EventLoop& loop)
        : loop_(loop), submitted_(loop.allocate_signal_bit()), changed_(loop.allocate_signal_bit()) {
        loop.on_signal(submitted_, [this](u64) {
            for (u32 i = 0; i < count_; i++) disks_[i]->server().serve();
        });
        loop.on_signal(changed_, [this](u64) {
            for (u32 i = 0; i < count_; i++) disks_[i]->look();
        });
    }
    /// Ends the component that wasn't given preserved Memory.
    void begin() {
        const auto preserved = take_start_handle<Memory>("preserved");
        auto mapping = Mapping::create(preserved, 0, abi::kPageSize);
        if (!mapping.ok()) panic("no preserved memory");
        kept_ = reinterpret_cast<DiskKept*>(mapping->release());
    }

    void handle(const Block::Open& request, Request<Block::Open> call) {
        if (auto found = find_disks(); !found.ok()) return call.fail(found.error());
        if (request.index >= count_) return call.fail(Error::not_found);
        disks_[request.index]->server().open(request, std::move(call));
    }
    void handle(const Block::Statistics& request, Request<Block::Statistics> call) {
        if (auto found = find_disks(); !found.ok()) return call.fail(found.error());
        if (request.index >= count_) return call.fail(Error::not_found);
        disks_[request.index]->server().tell_statistics(std::move(call));
    }

  private:
    static_assert(Block::kMaxDisks * sizeof(DiskKept) <= abi::kPageSize);
    // Memory for DMA is set aside whether there are disks or not; few systems have many.
    static constexpr u32 kLargeWindows = 4;
    static constexpr u64 kLargeWindow = 256 * 1024;
    static constexpr u64 kSmallWindow = 64 * 1024;

    /// Parameter "patience": seconds.
    static abi::Time read_patience() {
        const u64 seconds = start_number("patience");
        return (seconds == 0 ? 30 : seconds) * kSecond;
    }
    Result<> find_disks() {
        while (!complete_ && count_ < Block::kMaxDisks) {
            auto device = PciDevice::find(client_, count_);
            if (!device.ok() && device.error() != Error::not_found) return device.error();
            complete_ = !device.ok();
            if (complete_) break;
            const DiskServer::Setup setup{count_, submitted_, patience_,
                                          count_ < kLargeWindows ? kLargeWindow : kSmallWindow};
            disks_[count_].reset(new (std::nothrow)
                                     Disk(std::move(*device), loop_, kept_[count_], setup, changed_));
            if (disks_[count_] == nullptr) return Error::no_memory;
            count_++;
        }
        return {};
    }

    EventLoop& loop_;
    const u64 submitted_;
    const u64 changed_;
    const abi::Time patience_ = read_patience();
    const Client<Devices> client_ = Client<Devices>::from_start();
    DiskKept* kept_ = nullptr;  ///< of kMaxDisks disks
    std::unique_ptr<Disk> disks_[Block::kMaxDisks];
    u32 count_ = 0;
    bool complete_ = false;
};

}  // namespace pith
