// SPDX-License-Identifier: MIT
// The short paths of messages between threads of one CPU. Each returns the thread from whose Frame the one that runs now
// gets message words and tag; null: nothing has been done, and the general path is to be taken.
#pragma once

#include "kernel/core/ipc.hpp"

namespace pith::core {

/// call, from the Frame.
PITH_KEEPS_NONE Thread* call_directly(Cpu& cpu, Thread& thread);
/// reply_recv, from the Frame: the message, or how a foreign or faulting thread goes on.
PITH_KEEPS_NONE Thread* reply_directly(Cpu& cpu, Thread& thread);

}  // namespace pith::core
