// SPDX-License-Identifier: MIT
// Ending the machine. Nothing is looked up before it is needed.
#pragma once

#include "lib/os/handle.hpp"
#include "protocol/process.hpp"

namespace pith::root {

/// What ending the machine takes.
struct PowerAccess {
    const Handle<Machine>& machine;
    const Handle<Pool>& pool;
    u64 rsdp;  ///< physical address; 0: none
};

/// Comes back only with an error.
Error shut_down(const PowerAccess& access, ShutdownKind kind, u32 status);

}  // namespace pith::root
