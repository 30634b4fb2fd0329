// SPDX-License-Identifier: MIT
// Ending the machine. Nothing is looked up before it is needed.
#pragma once

#include "lib/driver/acpi.hpp"
#include "protocol/process.hpp"

namespace pith::root {

/// Comes back only with an error.
Error shut_down(const FirmwareAccess& access, ShutdownKind kind, u32 status);

}  // namespace pith::root
