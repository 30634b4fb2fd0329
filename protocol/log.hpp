// SPDX-License-Identifier: MIT
// The system log: a ring of records from all components, in preserved Memory. Reading does not consume: a
// reader keeps the sequence number that it wants next. Resumed: write is at least once (a record may be there
// twice if the log died before it answered); read is free of effects.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

enum class Severity : u32 {
    crash = 1,  ///< a component died: one line, shown to the user of ./pith also without --log
    error = 3,
    warning = 4,
    notice = 5,
    info = 6,
    debug = 7,  ///< the values are those of syslog but for crash
};

struct Log {
    static constexpr const char* kName = "log";
    static constexpr usize kMaxText = 400;

    /// Appends a record from the caller; text is cut at kMaxText, no newline at its end.
    struct Write {
        static constexpr u16 kOpcode = 1;
        u32 severity;
        u32 length;
        char text[kMaxText];
        usize payload_size() const { return 8 + (length < kMaxText ? length : kMaxText); }
        struct Reply {};
    };
    /// The record with the least sequence number that is at least `sequence` (0: the oldest). would_block:
    /// there is none yet.
    struct Read {
        static constexpr u16 kOpcode = 2;
        u64 sequence;
        struct Reply {
            u64 sequence;  ///< of this record
            u64 time;      ///< nanoseconds since boot
            u32 severity;
            u32 component;  ///< number of the writer
            char name[32];  ///< of the writer
            u32 length;
            u32 reserved;
            char text[kMaxText];
            usize payload_size() const { return 64 + (length < kMaxText ? length : kMaxText); }
        };
    };
    /// Has `signal` (the capability sent along, right notify) notified with `bits` at each new record with a
    /// severity value up to `severity`. Replaces what the same caller asked before. Used by the streamer of
    /// --log and by /dev/kmsg.
    struct Watch {
        static constexpr u16 kOpcode = 3;
        u64 bits;
        u64 severity;
        struct Reply {
            u64 next_sequence;
        };
    };
    using Methods = MethodList<Write, Read, Watch>;
};

}  // namespace pith
