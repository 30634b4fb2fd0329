// SPDX-License-Identifier: MIT
// QEMU's 9P device (virtio 1.x; device 9; one queue): carries messages from slots to the host and back. The bytes of reads and writes go between the
// client's window and the host by themselves. Messages lie in memory that the client doesn't see.
//
// A device that says that it needs a reset, or breaks its queue, is stopped: what it was asked fails with `io`, as does the rest, until a client opens again.
// There is no limit to how long it may take: it is as slow as the host's disk.
#pragma once

#include "lib/base/round.hpp"
#include "lib/driver/device.hpp"
#include "lib/driver/virtio/device.hpp"
#include "servers/fs/virtio_9p/session.hpp"

namespace pith::virtio_9p {

class Device : public Transport {
  public:
    static constexpr u64 kWindowSize = u64{512} << 10;
    static constexpr u64 kWindowOffset = round_up(queue_size<Fs::Submission, Fs::Completion>(Fs::kEntries),
                                                  abi::kPageSize);

    /// `answered(slot, written)`, and `changed()` after some of them; from the event loop.
    Device(EventLoop& loop, Callback<void(u32, u32)> answered, Callback<void()> changed)
        : loop_(loop), answered_(answered), changed_(changed), config_bit_(loop.allocate_signal_bit()) {}

    /// Finds it. not_found: there is none.
    Result<> find();
    /// From whatever state it is in: nothing is under way afterwards. Errors: io: it doesn't work; no_memory.
    Result<> start();
    bool there() const { return found_; }
    std::span<u8> link() const { return link_.mapping.bytes(); }
    const Handle<Memory>& link_memory() const { return link_.memory; }
    static constexpr u32 message_size() { return kWindowSize + abi::kPageSize; }
    std::string_view tag() const { return {tag_, tag_size_}; }
    /// Lets the host see what was sent.
    void publish();

    std::span<u8> request(u32 slot) override;
    std::span<const u8> reply(u32 slot) override;
    bool send(u32 slot, u32 size, Data out, Data in) override;

  private:
    static constexpr u64 kRequestSize = 4608;
    static constexpr u64 kReplySize = 7680;
    static constexpr u64 kSlotSize = kRequestSize + kReplySize;
    static constexpr u64 kSlots = round_up(Virtqueue::bytes(Virtqueue::kMaxSize), abi::kPageSize);
    static constexpr u64 kMessagesSize = kSlots + Channel::kSlots * kSlotSize;
    static constexpr u32 kBuffers = 3;  // descriptors of a message and its answer, at most
    static constexpr u16 kQueue = 0;

    Result<> start_device();
    Result<> get_interrupts();
    void read_tag();
    void collect();
    void look();
    void stop();
    u64 slot_offset(u32 slot) const { return kSlots + slot * kSlotSize; }

    EventLoop& loop_;
    Callback<void(u32, u32)> answered_;
    Callback<void()> changed_;
    const u64 config_bit_;
    const Client<Devices> devices_ = Client<Devices>::from_start();
    PciDevice device_;
    VirtioDevice virtio_;
    Virtqueue queue_;
    DmaMemory messages_, link_;
    InterruptLine line_;
    Handle<Interrupt> config_line_;
    bool found_ = false;
    bool attached_ = false;  // registers, memory and interrupts are had
    bool works_ = false;
    u32 waiting_ = 0;  // slots that the device has, a bit each
    u8 slot_of_[Virtqueue::kMaxSize];
    char tag_[16] = {};
    usize tag_size_ = 0;
};

}  // namespace pith::virtio_9p
