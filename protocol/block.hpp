// SPDX-License-Identifier: MIT
// A disk: sectors of 512 bytes read, written and flushed. Spoken by drivers/block/*; used by the Linux server and by
// file servers. A disk has several clients at once, each known by the badge under which it opens; what they do to each
// other's sectors is between them.
//
// Requests travel through a Queue (lib/os/queue.hpp) in the client's *link*, a Memory in a keep Pool, so that it
// outlives both sides: first the Queue (Submission, Completion, Block::kEntries), then, from Open::Reply::window_offset
// on, the window: the bytes that are read and written. A device may move them itself, so the driver never copies. Each client
// has a link of its own with each disk, and sees no other's.
//
// Requests may be carried out in any order, and completed in any order, and adjacent ones of a client as one; who needs an order waits for
// the first to be completed. A Flush that is completed has made durable every write, of any client, that was completed before it was
// submitted. The clients' requests are taken in turn.
//
// Resuming: the driver keeps nothing but the links, whose they are, and what it has counted. After kSignalReborn the client opens
// again (the link is the same, what is in the window stays), resets its ring, and submits again whatever was not completed: reading
// and writing the same sectors twice is harmless. Each start is a new instance. A driver that dies right after it has answered an Open takes the
// Signal along that it gave: who finds that gone opens again.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Block {
    static constexpr const char* kName = "block";
    static constexpr u64 kSectorSize = 512;
    static constexpr u32 kEntries = 64;  ///< of the Queue: requests that can be under way
    static constexpr u32 kMaxDisks = 16;
    static constexpr u32 kMaxClients = 4;      ///< of one disk
    static constexpr u32 kMaxGranularity = 8;  ///< sectors

    enum class Operation : u32 {
        read = 1,   ///< from the disk into the window
        write = 2,  ///< from the window to the disk
        flush = 3,  ///< `sector`, `sectors` and `offset` are 0
    };

    struct Submission {
        u64 id;  ///< the client's, comes back in the Completion
        u32 operation;
        u32 sectors;  ///< not 0; at most Open::Reply::max_sectors, a multiple of its granularity
        u64 sector;   ///< the first one, a multiple too
        u64 offset;   ///< in the window, a multiple of kSectorSize
    };
    static_assert(sizeof(Submission) == 32);
    struct Completion {
        u64 id;
        u32 error;  ///< Error. invalid: outside the disk or the window, or no such operation; access: a write to a
                    ///< disk that may only be read; io: the device could not
        u32 reserved;
    };
    static_assert(sizeof(Completion) == 16);

    /// Bits of Open::Reply::flags.
    static constexpr u32 kReadOnly = 1;

    /// Disk number `index`, counted from 0 without a gap. Sent along: a Signal of the client (right notify), which gets
    /// `bits` when there are completions. Comes back: the link (a Memory, read and write), and a Signal (right notify) which gets
    /// the reply's `bits` when there are submissions. Who opens again under the same badge is given the same link again. What was
    /// under way for it comes to nothing or is finished first, and the answer waits for that: nothing touches the window after the
    /// answer but what is submitted then. The ring is empty then. Other clients' requests go on.
    /// Errors: not_found: there is no such disk (ask at the next kSignalReborn again); io: the device doesn't work; no_slot: it has
    /// kMaxClients others; no_memory: for a link; cancelled: it was opened again meanwhile. Idempotent.
    struct Open {
        static constexpr u16 kOpcode = 1;
        u64 index;
        u64 bits;
        u64 window;  ///< bytes of window that the client wishes for; 0: no wish. A link stays as large as it was made
        struct Reply {
            u64 instance;
            u64 sectors;  ///< of the disk
            u64 bits;
            u64 window_offset;  ///< in the link; a multiple of the page size
            u64 window_size;    ///< bytes; perhaps fewer than were wished for
            u32 max_sectors;    ///< of one request
            u32 flags;
            u32 granularity;  ///< sectors that can only be read and written together, a power of two; 1: each alone
            u32 reserved;
        };
    };

    /// Requests of one kind that a disk is done with, also those that failed.
    struct Done {
        u64 requests;  ///< as the device had them
        u64 merged;    ///< further ones of clients that were part of these
        u64 sectors;   ///< of both
        u64 time;      ///< nanoseconds, from when each was taken from its client: the sum
    };
    struct Counts {
        Done reads;
        Done writes;
        Done flushes;   ///< those that the device was asked for
        u64 busy_time;  ///< nanoseconds with any request under way
    };

    /// What disk number `index` has done, for all of its clients, since the driver's first start: its later lives go on counting, without
    /// what was under way at a death. The disk is not waited for, and needs not work.
    /// Errors: not_found: there is no such disk (ask at the next kSignalReborn again). Idempotent.
    struct Statistics {
        static constexpr u16 kOpcode = 2;
        u64 index;
        struct Reply {
            Counts counts;
            u64 under_way;  ///< requests of clients that the driver has taken, and not answered
        };
    };
    using Methods = MethodList<Open, Statistics>;
};

}  // namespace pith
