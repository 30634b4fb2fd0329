// SPDX-License-Identifier: MIT
// The events of the zone's threads: system calls, faults, interrupts. One function, called by the event loop for
// each; what it leaves in the message is the answer.
#pragma once

#include "lib/os/event_loop.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

/// Handles one event of a foreign thread. True: `message` is the answer that resumes it.
bool handle_event(Zone& zone, Message& message);

}  // namespace pith::lx
