// SPDX-License-Identifier: MIT
// The disk: its sectors' time, and its clients' links. Those are made in the keep Pool, with a capability to each in the kept
// CapTable: that of number n in slot n + 1.
#pragma once

#include "drivers/block/ramdisk/sectors.hpp"
#include "lib/driver/block/server.hpp"

namespace pith::ramdisk {

class Disk final : public Sectors, public DiskLinks {
  public:
    static constexpr u64 kWindow = u64{512} << 10;  ///< of the first client if it has no wish

    Disk(std::span<u8> content, Handle<Pool> keep, Handle<CapTable> kept, const Parameters& parameters)
        : Sectors(content, parameters, &now), keep_(std::move(keep)), kept_(std::move(kept)) {}
    /// Whom it tells of what it is done with.
    void set_server(DiskServer& server) { server_ = &server; }

    Result<DmaMemory> link(u32 number, u64 size) override;
    void publish() override {
        if (!idle() && !alarm_.armed()) alarm_.arm(due());
    }

  private:
    struct Alarm : Timer {
        explicit Alarm(Disk& of)
            : Timer([](Timer& timer) { static_cast<Alarm&>(timer).disk.work(); }), disk(of) {}
        Disk& disk;
    };
    Result<Handle<Memory>> link_memory(u32 number, u64 size) const;
    void work();
    void stray() const;

    Handle<Pool> keep_;
    Handle<CapTable> kept_;
    DiskServer* server_ = nullptr;
    QueueHeader* links_[Block::kMaxClients] = {};
    u64 completed_ = 0;
    Alarm alarm_{*this};
};

}  // namespace pith::ramdisk
