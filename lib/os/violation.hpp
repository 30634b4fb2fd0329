// SPDX-License-Identifier: MIT
// Telling the supervisor that a server breaks its protocol (docs/recovery.md): who does so several times is restarted.
#pragma once

#include <string_view>

#include "lib/os/handle.hpp"

namespace pith {

/// `server`: the capability to it that this component was started with; of others nothing is told. `what` it does, in a few words. Waits
/// for the supervisor a few milliseconds at most, and not for what comes of it.
void report_violation(const Handle<Endpoint>& server, std::string_view what);

}  // namespace pith
