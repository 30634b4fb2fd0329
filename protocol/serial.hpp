// SPDX-License-Identifier: MIT
// A serial line: bytes out, bytes in. One client. Spoken by drivers/serial/*, used by the console server.
//
// Data travels in calls, for the line is far slower than they are. Resuming: the driver keeps nothing. After
// its death bytes that it had taken, or had not handed over, may be lost, or be on the line twice: the
// client's own protocol (protocol/mux.hpp) makes up for that. Each start is a new instance; a Transfer for
// another one answers bad_state without effect, and the client opens the line again. It is told by
// kSignalReborn to do so when it has nothing to transfer. The client calls with a deadline: a driver that
// hangs doesn't hold it up.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Serial {
    static constexpr const char* kName = "serial";
    static constexpr usize kMaxData = 512;

    /// The caller becomes the one client. Sent along: a Signal (right notify), notified with `bits` when
    /// bytes have arrived and when there is room again after a Transfer that was not taken whole. Idempotent.
    struct Open {
        static constexpr u16 kOpcode = 1;
        u64 bits;
        struct Reply {
            u64 instance;
        };
    };
    /// Sends `data` as far as there is room, and hands over what has arrived. Errors: bad_state: `instance`
    /// is not the present one.
    struct Transfer {
        static constexpr u16 kOpcode = 2;
        u64 instance;
        u64 length;  ///< of data
        u8 data[kMaxData];
        usize payload_size() const { return 16 + (length < kMaxData ? length : kMaxData); }
        struct Reply {
            u32 taken;   ///< bytes of the request's data
            u32 length;  ///< of data; kMaxData: call again, there may be more
            u8 data[kMaxData];
            usize payload_size() const { return 8 + (length < kMaxData ? length : kMaxData); }
        };
    };
    using Methods = MethodList<Open, Transfer>;
};

}  // namespace pith
