// SPDX-License-Identifier: MIT
// The debug console: port 0xe9 of an emulator, found by reading it back; else the first serial port, which then only
// panics use (a driver owns it otherwise). No lock here: core serialises, a panic does not wait for anyone.
#pragma once

#include <string_view>

#include "abi/types.hpp"

namespace pith::platform {

/// Looks for the port. Before this, output is dropped.
void init_debug_console();

/// Writes text to the debug port, if there is one.
void debug_write(std::string_view text);

/// Turns on the serial port as a substitute where there is no debug port.
void debug_console_panic();

}  // namespace pith::platform
