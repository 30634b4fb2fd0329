// SPDX-License-Identifier: MIT
// FrameQueue: a split virtqueue (virtio 1.2, 2.7) of frames in one direction: each request is a header in the driver's own memory and
// a frame in the client's. Frame number i always has the same descriptors and the same header, which are written once; per frame only the
// second descriptor's address and length are. Where the device knows indirect descriptors, the queue's descriptor i leads to a table with both,
// so that a queue holds as many frames as it has descriptors; else half as many.
//
// As with Virtqueue, the device is not trusted: what the driver needs to know is in memory of its own, and an index, a number or a length that
// can't be makes the queue `broken` until it is attached again.
#pragma once

#include <atomic>
#include <span>

#include "drivers/net/virtio_net/format.hpp"
#include "lib/base/result.hpp"
#include "lib/driver/virtio/virtqueue.hpp"

namespace pith::virtio_net {

/// A frame of the client's, or room for one.
struct Frame {
    u64 id;      ///< the client's
    u64 offset;  ///< in the window
    u32 length;  ///< not 0
};

class FrameQueue {
  public:
    static constexpr u16 kMaxSize = Virtqueue::kMaxSize;
    /// Of its memory, for any size.
    static constexpr u64 kBytes = 5 * abi::kPageSize;
    enum class Direction : u8 { send, receive };

    /// An empty queue of `size` descriptors, a power of two from 2 to kMaxSize, in `memory` (kBytes, aligned to 16), which is at `address` for the
    /// device. invalid.
    Result<> attach(u8* memory, u64 address, u16 size, Direction direction, bool indirect);
    bool broken() const { return broken_; }
    u16 size() const { return size_; }
    /// Frames that can be added, and those that the device has.
    u16 room() const { return free_count_; }
    u16 under_way() const { return static_cast<u16>(frames_ - free_count_); }

    /// Enters a frame, which is at `address` for the device; there has to be room. The device sees it after `publish`.
    void add(const Frame& frame, u64 address) { enter(frame, address); }
    /// The same, with what the device is to do with the checksum.
    void add(const Frame& frame, u64 address, const FrameHeader& header) {
        const u16 slot = enter(frame, address);
        __builtin_memcpy(headers_ + slot * kHeaderStride, &header, sizeof(header));
    }
    /// Shows the device what was added. True: there was something, and it wants to be notified.
    bool publish();

    struct Done {
        Frame frame;
        u32 written;  ///< bytes of the frame, not more than its length
        u8 flags;     ///< of the header
    };
    /// Takes a frame that the device is done with; false: there is none, or the queue is broken.
    bool take(Done& done);
    /// The device is done with something.
    bool ready() const { return !broken_ && load(used()[1]) != taken_; }

    /// Whether the device is to raise interrupts; at first it is. After `true` it has to be looked whether it is `ready`.
    void set_interrupts(bool on);

    /// What has to be kept to find, when this object is no more, what the device has done in the queue's memory.
    struct Position {
        u16 size;      ///< 0: there was no queue
        u16 indirect;  ///< 1: its descriptors are
        u16 taken;     ///< of the used ring
        u16 reserved;
    };
    Position position() const { return {size_, shift_ == 0 ? u16{1} : u16{0}, taken_, 0}; }
    /// In `memory` (kBytes) of a queue that was there: how many frames the device was done with beyond that position. 0 too if that can't be.
    static u16 done_since(std::span<u8> memory, const Position& position);
    struct Found {
        u64 address;  ///< the device's, of the frame or the room for one
        u32 length;   ///< of that
        u32 written;  ///< bytes of a received frame, not more than that
        u8 flags;     ///< of the header
    };
    /// The received frame number `index` of them. Nothing of it is more than the device's word. False: it can't be.
    static bool find_received(std::span<u8> memory, const Position& position, u16 index, Found& found);

    /// Calls `function` with each frame that the device has, in no order.
    template <typename Function>
    void each(Function function) const {
        for (u16 i = 0; i < frames_; i++)
            if (slots_[i].length != 0) function(slots_[i]);
    }

  private:
    struct Descriptor {
        u64 address;
        u32 length;
        u16 flags;
        u16 next;
    };
    static constexpr u16 kFlagNext = 1, kFlagWrite = 2, kFlagIndirect = 4;
    static constexpr u16 kNoInterrupt = 1, kNoNotify = 1;
    static constexpr u64 kHeaderStride = 16;
    static constexpr u64 kTables = 2 * abi::kPageSize;
    static constexpr u64 kHeaders = kTables + kMaxSize * 2 * sizeof(Descriptor);
    static_assert(Virtqueue::bytes(kMaxSize) <= kTables && kHeaders + kMaxSize * kHeaderStride <= kBytes);

    static u16 load(u16& index) { return std::atomic_ref(index).load(std::memory_order_acquire); }
    static void store(u16& index, u16 value) {
        std::atomic_ref(index).store(value, std::memory_order_release);
    }
    u16* available() const { return available_; }
    u16* used() const { return used_; }
    u16 enter(const Frame& frame, u64 address) {
        const u16 slot = free_[--free_count_];
        Descriptor& body = pairs_[2 * slot + 1];
        body.address = address;
        body.length = frame.length;
        slots_[slot] = frame;
        available_[2 + (added_++ & mask_)] = static_cast<u16>(slot << shift_);
        return slot;
    }
    bool fail() {
        broken_ = true;
        return false;
    }

    Descriptor* pairs_ = nullptr;  ///< two for each frame
    u16* available_ = nullptr;
    u16* used_ = nullptr;
    u8* headers_ = nullptr;
    u16 size_ = 0;
    u16 mask_ = 0;    ///< size_ - 1
    u16 frames_ = 0;  ///< that it holds
    u16 shift_ = 0;   ///< from a frame's number to its descriptor's
    u16 free_count_ = 0;
    u16 added_ = 0;      ///< the available ring's index, as it will be published
    u16 published_ = 0;  ///< the same, as it was
    u16 taken_ = 0;      ///< of the used ring
    bool receives_ = false;
    bool interrupts_ = true;
    bool broken_ = true;
    u16 free_[kMaxSize];
    Frame slots_[kMaxSize];  ///< length 0: free
};

}  // namespace pith::virtio_net
