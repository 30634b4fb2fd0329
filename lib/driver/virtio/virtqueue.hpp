// SPDX-License-Identifier: MIT
// A split virtqueue (virtio 1.2, 2.7), the driver's side, over memory that the device sees too. The device is not
// trusted: what the driver needs to know it keeps in memory of its own, descriptors are written and never read back,
// and an index, number or length of the device's that can't be makes the queue `broken` from then on, until it is attached
// again (after the device's reset).
#pragma once

#include <atomic>
#include <span>

#include "lib/base/result.hpp"

namespace pith {

/// A piece of memory as the device is told of it.
struct VirtioBuffer {
    u64 address;
    u32 length;
    bool device_writes;
};

class Virtqueue {
  public:
    static constexpr u16 kMaxSize = 256;
    /// Where the three parts are in its memory, which is aligned to 16.
    static constexpr u64 available_offset(u16 size) { return u64{size} * 16; }
    static constexpr u64 used_offset(u16 size) {
        return (available_offset(size) + 6 + 2 * u64{size} + 3) & ~u64{3};
    }
    static constexpr u64 bytes(u16 size) { return used_offset(size) + 6 + 8 * u64{size}; }

    /// An empty queue of `size` descriptors, a power of two up to kMaxSize, in `memory` (`bytes(size)` of it). invalid.
    Result<> attach(void* memory, u16 size);
    u16 size() const { return size_; }
    u16 free_descriptors() const { return free_count_; }
    bool broken() const { return broken_; }

    /// Enters a request: first what the device reads, then what it writes. Gives the number by which the request comes
    /// back. The device sees it after `publish`. Errors: would_block: too few descriptors are free; invalid: no buffers.
    Result<u16> add(std::span<const VirtioBuffer> buffers);
    /// Shows the device what was added. True: there was something, and it wants to be notified.
    bool publish();

    struct Used {
        u16 request;
        u32 written;  ///< bytes; never more than the request's buffers for writing hold
    };
    /// Takes a request that the device is done with; false: there is none, or the queue is broken.
    bool take(Used& used);

  private:
    struct Descriptor {
        u64 address;
        u32 length;
        u16 flags;
        u16 next;
    };
    struct UsedElement {
        u32 id;
        u32 length;
    };
    static constexpr u16 kNone = 0xffff;
    static constexpr u16 kFlagNext = 1;
    static constexpr u16 kFlagWrite = 2;
    static constexpr u16 kNoNotify = 1;

    u16* available() const { return reinterpret_cast<u16*>(memory_ + available_offset(size_)); }
    u16* used() const { return reinterpret_cast<u16*>(memory_ + used_offset(size_)); }
    bool fail() {
        broken_ = true;
        return false;
    }

    u8* memory_ = nullptr;
    u16 size_ = 0;
    u16 free_head_ = kNone;
    u16 free_count_ = 0;
    u16 added_ = 0;      // the available ring's index, as it will be published
    u16 published_ = 0;  // the same, as it was
    u16 taken_ = 0;      // of the used ring
    u16 in_flight_ = 0;  // requests
    bool broken_ = true;
    u16 next_[kMaxSize];    // of a free descriptor, or in a request's chain
    u16 length_[kMaxSize];  // descriptors of the request that begins here; 0: none does
    u32 room_[kMaxSize];    // bytes that the device may write for it
};

}  // namespace pith
