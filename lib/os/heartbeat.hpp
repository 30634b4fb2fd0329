// SPDX-License-Identifier: MIT
// For work that keeps a component's event loop from its heartbeat for long, and has an end.
#pragma once

namespace pith {

/// Answers the heartbeat in the event loop's place, if it is being waited for. Only from the loop's thread.
void answer_heartbeat();

}  // namespace pith
