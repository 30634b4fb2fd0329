// SPDX-License-Identifier: MIT
// DiskDevice: what a disk driver knows of its device, for DiskRequests (requests.hpp), which knows the rest. A request is in a slot
// from when it is submitted until the device is done with it; then the driver tells (DiskServer::finish).
#pragma once

#include "lib/base/result.hpp"
#include "protocol/block.hpp"

namespace pith {

/// What a device says of itself.
struct DiskFacts {
    u64 sectors;
    u32 max_sectors;  ///< of one request, not 0
    u32 flags;        ///< Block::kReadOnly
    bool flushes;     ///< else nothing is ever cached
};

/// A request that has been checked. A flush has no bytes.
struct DiskRequest {
    Block::Operation operation;
    u32 sectors;
    u64 sector;
    u64 address;  ///< the device's for the first byte; they are contiguous
    u8* bytes;    ///< the same ones, here
};

class DiskDevice {
  public:
    static constexpr u32 kSlots = 64;

    /// Resets it, from whatever state, and readies it: it does nothing that it was told before. no_memory; anything else: it
    /// doesn't work.
    virtual Result<DiskFacts> start() = 0;
    /// Nothing that it was told goes on, until the next `start`.
    virtual void stop() = 0;
    /// It won't do what it was told: it has to be started again.
    virtual bool failed() const = 0;
    /// There is room for one more request.
    virtual bool room() const = 0;
    /// Enters a request. False: there is no room, which there has to be.
    virtual bool submit(u32 slot, const DiskRequest& request) = 0;
    /// Tells the device what was entered.
    virtual void publish() = 0;

  protected:
    DiskDevice() = default;
    ~DiskDevice() = default;
};

}  // namespace pith
