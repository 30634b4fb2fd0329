// SPDX-License-Identifier: MIT
#include "drivers/net/virtio_net/handover.hpp"

#include <algorithm>

namespace pith::virtio_net {

void Leftovers::collect(const Handover& handover, const QueueHeader& receive_queue,
                        std::span<const std::span<u8>> rings) {
    count_ = 0;
    sent_ = handover.sent;
    // Those that the client was told of, and has not taken.
    const u32 untaken = handover.delivered - receive_queue.complete_head;
    if (untaken <= Ethernet::kEntries)
        for (u32 i = receive_queue.complete_head; i != handover.delivered; i++)
            add(handover.last[i % Ethernet::kEntries]);
    // Those that the device has received, and nobody was told of.
    const usize pairs = std::min<usize>({handover.pairs, Handover::kMaxPairs, rings.size()});
    for (usize pair = 0; pair < pairs; pair++) {
        const Handover::Pair& queues = handover.pair[pair];
        const std::span<u8> receive = rings[pair].first(FrameQueue::kBytes);
        const u16 received = FrameQueue::done_since(receive, queues.receive);
        for (u16 i = 0; i < received; i++) {
            FrameQueue::Found found;
            if (!FrameQueue::find_received(receive, queues.receive, i, found)) continue;
            const u64 offset = found.address - handover.window;
            if (offset > ~u32{0} || found.written > 0xffff) continue;
            const bool good = handover.checksums != 0 && checksum_good(found.flags);
            add({static_cast<u32>(offset), static_cast<u16>(found.written),
                 good ? static_cast<u16>(Ethernet::kChecksumGood) : u16{0}});
        }
        sent_ += FrameQueue::done_since(rings[pair].subspan(FrameQueue::kBytes), queues.send);
    }
}

}  // namespace pith::virtio_net
