// SPDX-License-Identifier: MIT
// A network interface: Ethernet frames sent and received. Spoken by drivers/net/*; used by the network stack. One client an interface.
//
// Frames travel through two Queues (lib/os/queue.hpp) in the *link*, a Memory in the driver's keep Pool, so that it outlives both sides:
// one of frames to send, one of buffers to receive into; from Open::Reply::window_offset on, the window: the frames themselves. The device
// moves them itself, nothing copies them between driver and client. What is in the window belongs to the device from its submission to its
// completion. Requests of a Queue may be completed in any order; frames are sent in the order of their submission within one device queue.
//
// Resuming: after kSignalReborn the client opens again (the link is the same), resets both rings, and submits its buffers again, all those that it
// doesn't hold at once. Frames that had been received into them, and that it had not taken, are completed anew. Reply::sent tells which frames were
// not sent: it may submit them again. (With several device queues the number is right, but others may be meant; and a frame that was under way in the very moment may be sent
// or received twice. Lost frames are lost frames, but a death is no reason to lose any: the other side would wait for its time-out.) A client that has died itself
// gets received frames in the same way: it had better say that it has taken some (complete_head) when what follows from them is where it outlives it. A device that has to be reset is no reason to open again: frames that it had to send are completed with `io`, and it is given
// its buffers again.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Ethernet {
    static constexpr const char* kName = "ethernet";
    static constexpr u32 kEntries = 256;  ///< of each Queue: frames that can be under way
    static constexpr u32 kMaxInterfaces = 4;
    static constexpr u32
        kHeaderSize = 14;  ///< bytes of a frame before its payload: no VLAN tag, no check sequence

    /// A frame to send: `length` bytes from `offset` in the window on, header included.
    struct Send {
        u64 id;  ///< the client's, comes back
        u64 offset;
        u32 length;  ///< at most kHeaderSize + Reply::mtu
        u16 checksum_start;  ///< with kNeedsChecksum: where the checksum of TCP or UDP begins, bytes from the frame's start
        u16 checksum_offset;  ///< ... and where, from there, it is put; the pseudo-header's sum is there already
        u32 flags;            ///< kNeedsChecksum: only where Reply::features has kSendChecksum
        u32 reserved;
    };
    static_assert(sizeof(Send) == 32);
    struct Sent {
        u64 id;
        u32 error;  ///< Error. invalid: no such place in the window, too long or too short, or the checksum isn't in it; unsupported: flags; io: the device could not
        u32 reserved;
    };
    static_assert(sizeof(Sent) == 16);

    /// A buffer to receive into.
    struct Buffer {
        u64 id;  ///< the client's, comes back
        u64 offset;
        u32 capacity;  ///< bytes; at least kHeaderSize + Reply::mtu
        u32 reserved;
    };
    static_assert(sizeof(Buffer) == 24);
    struct Received {
        u64 id;
        u32 error;   ///< Error. ok: a frame is there; invalid: no such place in the window, or too small; io
        u32 length;  ///< of the frame, never more than the buffer's capacity
        u32 flags;   ///< kChecksumGood
        u32 reserved;
    };
    static_assert(sizeof(Received) == 24);

    static constexpr u32 kNeedsChecksum = 1;
    static constexpr u32 kChecksumGood =
        1;  ///< the device has verified the checksum of TCP or UDP, or it never left this machine
    /// Bits of Reply::features.
    static constexpr u32 kSendChecksum = 1, kReceiveChecksum = 2;

    /// At Open::Reply::state_offset in the link.
    struct State {
        u32 link_up;  ///< written by the driver, which then notifies the client: 1: there is a carrier, and the device works
        /// Written by the client. 0: it is not notified of frames that were sent (it looks when it sends the next ones); 1: it waits for them.
        /// After it has written 1 it notifies the driver, which then notifies it at once, and when frames have been sent.
        u32 wants_sent;
    };

    /// Interface number `index`, counted from 0. Sent along: a Signal of the client (right notify), which gets `bits` when there are
    /// completions, or the carrier has come or gone. Comes back: the link (a Memory, read and write), and a Signal (right notify) which gets the reply's `bits` when there
    /// are submissions. Of what was under way for an earlier Open nothing touches the window after the answer; the rings are empty then.
    /// Errors: not_found: there is no such interface (ask at the next kSignalReborn again); io: the device doesn't work; occupied: it has
    /// another client, which has not died in this life of the driver; no_memory. Idempotent.
    struct Open {
        static constexpr u16 kOpcode = 1;
        u64 index;
        u64 bits;
        struct Reply {
            u64 instance;
            u64 bits;
            u64 receive_offset;  ///< of the Queue of Buffer and Received; that of Send and Sent is at 0
            u64 state_offset;
            u64 window_offset;  ///< a multiple of the page size
            u64 window_size;    ///< bytes, at least 2 * kEntries * 2048
            u32 mtu;            ///< bytes of payload
            u32 features;
            u8 address[6];  ///< of the interface
            u16 reserved;
            u32 sent;  ///< frames submitted since the Open before that were sent or refused; the rest, submitted last, were not
            u32 reserved_too;
        };
    };

    /// What an interface has done since the driver's first start.
    struct Statistics {
        static constexpr u16 kOpcode = 2;
        u64 index;
        struct Reply {
            u64 sent_frames, sent_bytes, send_errors;
            u64 received_frames, received_bytes, receive_errors;
        };
    };
    using Methods = MethodList<Open, Statistics>;
};

}  // namespace pith
