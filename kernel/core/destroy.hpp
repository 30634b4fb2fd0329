// SPDX-License-Identifier: MIT
// Destruction of objects (docs/kernel.md, Destruction).
#pragma once

#include "kernel/core/object.hpp"

namespace pith::core {

class CapTable;
class Memory;
struct Thread;

/// Frees an object that nobody has ever been given a capability to.
void discard(CapTable& table);
void discard(Memory& memory);
void discard(Thread& thread);
/// An object that was never finished: the next destruction in its Pool frees it.
void abandon(Object& object);
/// A dying thread's unfinished destruction is left for others.
void leave_job(Thread& thread);

}  // namespace pith::core
