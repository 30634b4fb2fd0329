// SPDX-License-Identifier: MIT
// Futexes: threads wait on a word of memory. A word is known by what holds it: (source, byte offset) where it is
// shared between processes, (address space, address) where it is private or anonymous.
#pragma once

#include "servers/linux/syscall.hpp"

namespace pith::lx {

/// What a thread leaves behind: its robust list is marked, and clear_child_tid is cleared and woken.
void release_futexes(Thread& thread);
/// Wakes up to `count` threads that wait on the word; how many it were.
u32 futex_wake(Thread& thread, u64 address, u32 count, u32 bits, bool is_private);

}  // namespace pith::lx
