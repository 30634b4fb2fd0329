// SPDX-License-Identifier: MIT
// Reply capabilities and their deletion. The Reply is embedded in the caller's Thread; at most one capability
// names it. A capability whose caller has given up is pointed to the dead Reply, so that its holder's slot
// stays its own.
#pragma once

#include "kernel/core/capability.hpp"
#include "kernel/core/thread.hpp"

namespace pith::core {

extern Reply* dead_reply;

/// One bounded step of deleting a capability; done: its slot is free. A Reply's caller learns that its peer
/// died.
capability::Removal delete_step(const Capability& which);

/// Takes the capability away from a Reply, if there is one: its slot is empty, but still reserved. With the
/// caller's CPU locked.
Slot* detach_reply(Thread& caller);
/// The same, and the holder's slot names the dead Reply from now on.
void cut_reply(Thread& caller);

}  // namespace pith::core
