// SPDX-License-Identifier: MIT
// Frames: the way of frames between a client's Queues (protocol/ethernet.hpp) and the device's queues. It makes no system call and reads no
// frame (but, where there are several pairs of queues, of those to send which flow they belong to), so that it can be tested on the host.
//
// A frame is in exactly one place: the client's Queue, a device queue, or waiting here, for a device queue to have room. Nothing is allocated.
#pragma once

#include <optional>

#include "drivers/net/virtio_net/frame_queue.hpp"
#include "drivers/net/virtio_net/handover.hpp"
#include "lib/base/round.hpp"
#include "lib/os/queue.hpp"
#include "protocol/ethernet.hpp"

namespace pith::virtio_net {

/// The client's link as the device and we see it.
struct Link {
    u8* bytes = nullptr;
    u64 address = 0;  ///< the device's
};

/// Two device queues.
struct QueuePair {
    FrameQueue receive, send;
    bool kick_receive = false, kick_send = false;  ///< the device wants to be notified
};

class Frames {
  public:
    static constexpr u32 kMaxPairs = Handover::kMaxPairs;
    // A link's layout.
    static constexpr u64 kReceiveOffset = round_up(
        queue_size<Ethernet::Send, Ethernet::Sent>(Ethernet::kEntries), 64);
    static constexpr u64 kStateOffset = round_up(
        kReceiveOffset + queue_size<Ethernet::Buffer, Ethernet::Received>(Ethernet::kEntries), 64);
    static constexpr u64 kWindowOffset = round_up(kStateOffset + sizeof(Ethernet::State), abi::kPageSize);
    static constexpr u64 kWindowSize = 2 * Ethernet::kEntries * 2048;
    static constexpr u64 kLinkSize = kWindowOffset + kWindowSize;

    /// Counts on in `counts`; keeps in `handover` what a successor needs.
    Frames(Ethernet::Statistics::Reply& counts, Handover& handover) : counts_(counts), handover_(handover) {}
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    /// Looks what was left under way: in `link`, as a client or an earlier life of the driver left it, and in `rings`, the memory of each pair of
    /// device queues. The device has been stopped, and neither it nor a client been attached since. How many frames of those that the client had submitted were sent or refused.
    u32 collect(const Link& link, std::span<const std::span<u8>> rings);
    /// Serves a client through empty rings in `link` from now on; the device has nothing of an earlier one's. It gets the received frames that
    /// were left first of all, in the buffers in which they lie.
    void attach(const Link& link);
    void detach() { attached_ = false; }
    /// The first `pairs` device queues have been attached anew: what the device had of the client's, it has no more.
    void begin(u32 pairs, u32 mtu, u32 features);
    /// The device does nothing until `begin`: buffers wait, and what is to be sent fails.
    void end();

    QueuePair& pair(u32 index) { return pairs_[index]; }
    u32 pairs() const { return pair_count_; }
    /// Takes what the device is done with, and what the client has submitted; with that, kick_... say where it is to be notified. False: there
    /// is more, and it is to be called again.
    bool serve();
    /// While frames are gathered the device does not say that it has received some: who has it so calls `serve` often enough.
    void set_gathering(bool on);
    bool gathering() const { return gathering_; }
    /// The device has broken a queue.
    bool broken() const;
    /// True, once, if the client is to be told of something.
    bool take_news() { return std::exchange(news_, false); }
    /// Frames that the device has to send, and those that it was ever done with.
    u32 sending() const;
    u64 sent() const { return sent_; }
    void set_link_up(bool up);

  private:
    static constexpr u32 kRounds = 4;
    static constexpr u32 kInHand = 64;

    bool serve_once();
    void collect_received(QueuePair& pair, Handover::Pair& kept);
    void collect_sent(QueuePair& pair, Handover::Pair& kept);
    void deliver_leftovers();
    void submit_buffers();
    void submit_frames();
    bool take_buffer(Frame& buffer);
    FrameQueue* emptiest();
    FrameQueue& queue_of(const Ethernet::Send& frame);
    Error check(const Ethernet::Send& frame) const;
    bool inside(u64 offset, u32 length) const {
        return offset <= kWindowSize && length <= kWindowSize - offset;
    }
    void answer(const Ethernet::Sent& sent);
    void answer(const Ethernet::Received& received, u64 offset);
    Ethernet::State& state() const { return *reinterpret_cast<Ethernet::State*>(link_.bytes + kStateOffset); }

    Ethernet::Statistics::Reply& counts_;
    Handover& handover_;
    Leftovers leftovers_;
    Link link_;
    QueueServer<Ethernet::Send, Ethernet::Sent> send_;
    QueueServer<Ethernet::Buffer, Ethernet::Received> receive_;
    bool attached_ = false;
    bool link_up_ = false;
    bool news_ = false;
    bool gathering_ = false;
    bool tell_sent_ = false;  ///< the client waits for what was sent
    u32 mtu_ = 0;
    u32 features_ = 0;
    u32 pair_count_ = 0;  ///< 0: the device does nothing
    u64 sent_ = 0;
    std::optional<Ethernet::Send> ahead_;  ///< taken from the client; its device queue was full
    Frame waiting_
        [Ethernet::kEntries];  ///< buffers that the device has no room for, or had before it was reset
    u32 waiting_count_ = 0;
    QueuePair pairs_[kMaxPairs];
};

}  // namespace pith::virtio_net
