// SPDX-License-Identifier: MIT
// The wall clock at the start, and what kind of clock this run has.
#pragma once

#include "lib/os/bundle.hpp"
#include "lib/os/handle.hpp"

namespace pith::root {

/// Nanoseconds since 1970 (UTC) when the system's clock showed 0: from the machine's clock, made finer by
/// what this run's configuration says where the two agree. Without either: 2026-01-01.
i64 boot_wall_clock(const Handle<Machine>& machine, const Handle<Pool>& pool, const Bundle& bundle);

/// This run's clock skips idle time, says its configuration.
bool configured_to_skip(const Bundle& bundle);

}  // namespace pith::root
