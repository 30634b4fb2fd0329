// SPDX-License-Identifier: MIT
// Process 1. It has no program of its own: the server adopts orphans in its name and forgets them when they end. Its one
// child is the command of this run (run/config), whose end is the end of the zone.
#pragma once

#include <span>

#include "servers/linux/zone.hpp"

namespace pith::lx {

/// Makes process 1 and starts the command. What is wrong with the command is told on its stderr, and ends the zone
/// as a shell would (127, 126).
SysResult<> start_init(Zone& zone, std::string_view run_config);

}  // namespace pith::lx
