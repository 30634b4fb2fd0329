// SPDX-License-Identifier: MIT
// A driver's device from its capabilities, by the names in its manifest: `ports("uart")`, `memory("bar0")`,
// InterruptLine("uart").
#pragma once

#include "lib/driver/registers.hpp"
#include "lib/os/event_loop.hpp"
#include "lib/os/mapping.hpp"

namespace pith {

/// The ports of that name. not_found: the manifest has none.
Result<IoBlock> device_ports(std::string_view name);

/// The device memory of that name, mapped. not_found: the manifest has none.
Result<Mapping> device_memory(std::string_view name);

/// A device interrupt on an event loop. The handler is called with the interrupt masked; when it returns, the
/// interrupt is acknowledged. A new driver polls its device once after `attach`: an interrupt may have been
/// lost.
class InterruptLine {
  public:
    InterruptLine() = default;
    InterruptLine(const InterruptLine&) = delete;
    InterruptLine& operator=(const InterruptLine&) = delete;
    /// Binds the interrupt of that name and unmasks it. not_found: the manifest has none.
    Result<> attach(EventLoop& loop, std::string_view name, Callback<void()> handler);
    /// The same with an interrupt that comes from elsewhere (lib/driver/pci.hpp). Once.
    Result<> attach(EventLoop& loop, Handle<Interrupt> interrupt, Callback<void()> handler);

  private:
    Handle<Interrupt> interrupt_;
    Callback<void()> handler_;
};

}  // namespace pith
