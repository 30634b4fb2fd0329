// SPDX-License-Identifier: MIT
// The protocol's one method, and what outlives this server: links in its keep Pool, with a capability to each in its kept CapTable
// (mount n in slot n + 1), and the records of what is committed, in preserved Memory.
#pragma once

#include <memory>

#include "lib/os/protocol.hpp"
#include "servers/fs/ext4/mount.hpp"

namespace pith::ext4fs {

/// In preserved Memory; all zero at first.
struct Preserved {
    CommitRecord records[Fs::kMaxMounts][CommitRecords::kCount];
    abi::Time started_over;  ///< when the server last ended because its memory made no sense
};

class Service {
  public:
    Service(EventLoop& loop, Client<Block> driver, Client<Log> log, Handle<Pool> keep, Handle<CapTable> kept,
            Preserved& preserved);
    void handle(const Fs::Open& request, Request<Fs::Open> call);

  private:
    struct Slot {
        Handle<Memory> link;
        Mapping mapping;
        std::unique_ptr<Mount> mount;
    };
    /// Makes the link and the rest of a mount, or finds the link that a predecessor made.
    Result<> prepare(u64 number);
    Result<Handle<Memory>> link(abi::HandleIndex slot);
    Limits share_limits();

    EventLoop& loop_;
    const u64 bit_;
    Disks disks_;
    Logger log_;
    const Handle<Pool> keep_;
    const Handle<CapTable> kept_;
    Preserved& preserved_;
    Limits left_;  ///< for mounts that are yet to come
    Slot slots_[Fs::kMaxMounts];
};

}  // namespace pith::ext4fs
