// SPDX-License-Identifier: MIT
// Destruction of objects (docs/kernel.md, Destruction).
#pragma once

#include "kernel/core/object.hpp"

namespace pith::core {

struct Thread;

/// Frees an object that nobody has ever been given a capability to.
void discard(Thread& thread);
/// An object that was never finished: the next destruction in its Pool frees it.
void abandon(Object& object);
/// An object that a thread goes on making later. It dies with its Pool if that is destroyed first. restart.
Error keep_partial(Thread& thread, Object& object);
/// Takes it back; null: there is none, or it is gone.
Object* drop_partial(Thread& thread);
/// A dying thread's unfinished destruction is left for others.
void leave_job(Thread& thread);

}  // namespace pith::core
