// SPDX-License-Identifier: MIT
// The server's own heap grows with what programs do (areas, page tables, processes, inodes). What adds to it asks
// heap_low() first, and fails with ENOMEM, so that no program can exhaust it.
#pragma once

#include "lib/os/heap.hpp"

namespace pith::lx {

inline u64 heap_limit = ~u64{0};  ///< bytes; set at the start from the server's Pool

/// True: nothing that is not needed to end things may be allocated.
inline bool heap_low() { return heap_use().allocated > heap_limit; }

/// False: `bytes` more would be too much.
inline bool heap_room(u64 bytes) { return !heap_low() && bytes <= heap_limit - heap_use().allocated; }

}  // namespace pith::lx
