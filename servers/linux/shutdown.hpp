// SPDX-License-Identifier: MIT
// The end of a zone: everything in it is killed, the console gets the status, the supervisor ends the machine.
#pragma once

#include "servers/linux/zone.hpp"

namespace pith::lx {

enum class EndKind : u8 { exited, poweroff, reboot };

/// Begins the end; it happens from the event loop. `status`: 0 to 255. The first call counts.
void end_zone(Zone& zone, EndKind kind, u32 status);
/// True: an earlier life of this server had come to its end but for the machine's; it is ended now, and nothing is to run.
bool finish_end(Zone& zone);

}  // namespace pith::lx
