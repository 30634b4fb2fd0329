// SPDX-License-Identifier: MIT
// What the stack needs from outside: a clock, randomness, an interface that takes frames, and a client that can be told.
#pragma once

#include "abi/types.hpp"

namespace pith::stack {

class Port {
  public:
    /// Nanoseconds since boot.
    virtual u64 now() const = 0;
    /// A number that nobody can guess.
    virtual u64 random() = 0;
    /// Room for a frame of `length` bytes; nullptr: there is none now. When there is again, round() is called.
    virtual u8* frame(u32 length) = 0;
    /// There is room for so many frames now. If not, round() is called when there may be.
    virtual bool room(u32 frames) = 0;
    /// The frame that was filled last is to be sent; the network sees nothing of it before publish(). `checksum_start`: 0, or where the device begins
    /// the checksum that it puts `checksum_offset` bytes behind it.
    virtual void queue(u32 length, u16 checksum_start, u16 checksum_offset) = 0;
    virtual void publish() = 0;
    /// A received frame's memory is used no more.
    virtual void give_back(u64 id) = 0;
    /// The stack's own memory: `bytes` of it, zeroed, at a page's boundary. Called once.
    virtual u8* reserve(usize bytes) = 0;
    /// From now on these bytes of the reserve, or of the link, may be touched, which may not be before, but for what is before the link's Blocks. False:
    /// they are not of it.
    virtual bool need(const u8* at, usize length) = 0;
    /// Numbers are in the ring to the client, and it sleeps.
    virtual void notify_client() = 0;

  protected:
    ~Port() = default;
};

/// An interface as the driver tells of it.
struct InterfaceSetup {
    u8 address[6];
    u32 mtu;
    bool link_up;
    bool send_checksum;  ///< the device makes those of TCP and UDP
};

}  // namespace pith::stack
