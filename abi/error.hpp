// SPDX-License-Identifier: MIT
// The one error code of the system: what a system call, a protocol reply and a library function fail with.
#pragma once

#include "abi/types.hpp"

namespace pith {

enum class Error : u32 {
    ok = 0,         ///< success; never the error of a failed Result
    bad_syscall,    ///< no such system call
    bad_handle,     ///< the slot is empty, or its object is dying
    wrong_type,     ///< the capability is for an object of another type
    no_right,       ///< the capability lacks the right
    invalid,        ///< an argument is malformed or out of range
    no_memory,      ///< the Pool that pays is exhausted
    no_slot,        ///< the CapTable has no free slot
    occupied,       ///< the named slot or address range is in use
    not_found,      ///< no such thing
    timed_out,      ///< the deadline passed; if the request was delivered, its effect is unknown
    peer_died,      ///< the partner is gone; if the request was delivered, its effect is unknown
    cancelled,      ///< the operation was aborted (interrupted, or the object was destroyed)
    would_block,    ///< it cannot be done now
    busy,           ///< in use in a way that excludes this request
    bad_state,      ///< the object is not in a state in which this can be done
    write_execute,  ///< the mapping would be writable and executable (W^X)
    restart,        ///< internal: preempted in the middle, run the call again
    protocol,       ///< a peer's message or reply breaks its protocol
    unsupported,    ///< the peer, or this machine, cannot do that
    io,             ///< the device failed
    held_down,      ///< the service keeps failing and is held down by the supervisor
    no_space,       ///< the store is full
    exists,         ///< it is there already
    access,         ///< the peer refuses it
    end_of_file,    ///< nothing more will come
    count,
};

}  // namespace pith
