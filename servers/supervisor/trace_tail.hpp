// SPDX-License-Identifier: MIT
// The last records of the kernel's trace (abi/trace.hpp) about the threads of one component: for the report of its death.
#pragma once

#include "lib/base/format.hpp"
#include "lib/os/handle.hpp"

namespace pith::supervisor {

/// Writes the last few, a line each, oldest first: how long before `time` (of now()) they were, and what was done. `number`: of the component,
/// as its threads are named in the trace.
void print_trace(TextWriter& out, const Handle<Machine>& machine, u32 number, abi::Time time);

}  // namespace pith::supervisor
