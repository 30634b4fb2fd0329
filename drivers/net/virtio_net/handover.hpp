// SPDX-License-Identifier: MIT
// Handover: what is kept, in preserved Memory, of the frames that are under way, so that neither the driver's death nor its client's loses any: how far
// each device queue was looked at, and the last frames that the client was told of. The frames themselves lie in the link, what the device has
// done in its queues' memory; both outlive the driver. Leftovers: what a successor finds by it, at the next Open.
//
// Nothing of it is believed: where a frame lies and how long it is has to agree with a buffer that the client submits anew.
#pragma once

#include <array>
#include <span>

#include "drivers/net/virtio_net/frame_queue.hpp"
#include "lib/os/queue.hpp"
#include "protocol/ethernet.hpp"

namespace pith::virtio_net {

/// All zero: nothing was ever under way.
struct Handover {
    static constexpr u32 kMaxPairs = 4;
    struct Received {
        u32 offset;  ///< in the window
        u16 length;  ///< 0: no frame
        u16 flags;   ///< Ethernet's
    };
    /// A pair of device queues.
    struct Pair {
        FrameQueue::Position receive, send;
    };
    u64 window;     ///< the device's address of it
    u32 checksums;  ///< 1: what the device says of a received frame's checksum counts
    u32 pairs;      ///< that are used
    u32 delivered;  ///< received frames that the client was told of since it opened
    u32 sent;       ///< frames to send that it was told of: sent, or refused
    Pair pair[kMaxPairs];
    Received last[Ethernet::kEntries];  ///< of the frames delivered
};

class Leftovers {
  public:
    /// `link`: the client's receive Queue, as it was left; `rings`: the memory of each pair of queues, first the one to receive with; of a device that
    /// has been stopped.
    void collect(const Handover& handover, const QueueHeader& receive_queue,
                 std::span<const std::span<u8>> rings);
    /// Received frames that no client has seen, in the order of their coming.
    std::span<const Handover::Received> frames() const { return {frames_.data(), count_}; }
    void clear() { count_ = 0; }
    /// Frames that were sent since the client opened, or refused; what it submitted beyond was not sent.
    u32 sent() const { return sent_; }

  private:
    void add(const Handover::Received& frame) {
        if (count_ < frames_.size()) frames_[count_++] = frame;
    }
    std::array<Handover::Received, Ethernet::kEntries> frames_;
    u32 count_ = 0;
    u32 sent_ = 0;
};

}  // namespace pith::virtio_net
