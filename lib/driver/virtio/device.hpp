// SPDX-License-Identifier: MIT
// A virtio device on PCI (virtio 1.2, 4.1), without the legacy interface: where its registers are, its states, its
// features and queues. The places that its capabilities name are checked against its BARs.
#pragma once

#include "lib/driver/pci.hpp"
#include "lib/driver/virtio/virtqueue.hpp"

namespace pith {

/// A queue's memory as the device is told of it.
struct VirtqueuePlace {
    u64 address;  ///< of the memory that the Virtqueue is attached to
    u16 size;
    u16 message;  ///< number of the interrupt; kNoMessage
};

class VirtioDevice {
  public:
    static constexpr u64 kFeatureVersion1 = u64{1} << 32;
    static constexpr u64 kFeatureAccessPlatform = u64{1} << 33;
    static constexpr u16 kNoMessage = 0xffff;
    static constexpr u32 kMaxQueues = 64;

    /// Takes an opened device and finds its registers. unsupported: it isn't a modern virtio device.
    Result<> attach(const PciDevice& device);
    /// Resets it and agrees on features: those of `wanted` that it offers, which it gives; version 1 is always wanted.
    /// timed_out: it doesn't reset; unsupported: it won't have version 1, or these features.
    Result<u64> begin(u64 wanted);
    /// The largest size of a queue; 0: it has no such queue.
    u16 queue_size(u16 queue) const;
    /// Between `begin` and `ready`. unsupported: the queue can't be had, or its interrupt.
    Result<> start_queue(u16 queue, const VirtqueuePlace& place);
    /// The interrupt for changes of configuration or state.
    Result<> set_config_message(u16 message);
    void ready();
    void notify(u16 queue) const;
    /// It has met an error that only a reset mends, or is gone.
    bool failed() const;
    /// Its own configuration at `offset`: the same whatever the device changes meanwhile. T: u8, u16, u32 or u64.
    template <typename T>
    Result<T> config(u32 offset) const;

  private:
    struct Place {
        u32 bar;
        u64 offset, length;
        u32 multiplier;
    };
    static Result<Place> find_place(const PciDevice& device, u8 type);
    Result<> reset() const;
    u8 status() const;
    void add_status(u8 bits) const;
    u8 read_byte(u32 offset) const;
    u16 read_half(u32 offset) const;
    void read_words(u32 offset, u32 count, u32 (&words)[2]) const;
    u8 generation() const;

    PciRegion common_, notify_, config_;
    u64 notify_multiplier_ = 0;
    u64 notify_offsets_[kMaxQueues] = {};
};

template <typename T>
Result<T> VirtioDevice::config(u32 offset) const {
    static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
    if (!config_.valid() || u64{offset} + sizeof(T) > config_.size()) return Error::invalid;
    if constexpr (sizeof(T) == 1) {
        return read_byte(offset);
    } else if constexpr (sizeof(T) == 2) {
        return read_half(offset);
    } else {
        for (int tries = 0; tries < 16; tries++) {
            const u8 before = generation();
            u32 words[2] = {};
            read_words(offset, sizeof(T) / 4, words);
            if (generation() != before) continue;
            if constexpr (sizeof(T) == 4) return words[0];
            else return words[0] | u64{words[1]} << 32;
        }
        return Error::io;
    }
}

}  // namespace pith
