// SPDX-License-Identifier: MIT
// The fast paths of messages. Each returns true if it did the whole system call and switched to the partner;
// false: it did nothing, and the general path (ipc.hpp) is to do it.
#pragma once

#include "kernel/core/cpu.hpp"

namespace pith::core {

bool fast_call(Cpu& cpu, Thread& thread);
bool fast_reply_recv(Cpu& cpu, Thread& thread);
/// The `syscall` instruction of a foreign thread.
bool fast_foreign_call(Cpu& cpu, Thread& thread);

}  // namespace pith::core
