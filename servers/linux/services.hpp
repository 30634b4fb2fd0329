// SPDX-License-Identifier: MIT
// What the server speaks to: its event loop and the services of its manifest.
#pragma once

#include "lib/os/event_loop.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/block.hpp"
#include "protocol/console.hpp"
#include "protocol/device.hpp"
#include "protocol/log.hpp"
#include "protocol/process.hpp"

namespace pith::lx {

struct Services {
    explicit Services(EventLoop& events) : loop(events) {}
    EventLoop& loop;
    Client<pith::Console> console;
    Client<pith::Process> process;  ///< /proc/pith/services, shutdown
    Client<pith::Log> log;          ///< dmesg, /dev/kmsg
    Client<pith::Block> block;      ///< disks; not valid: this system has none
    Client<pith::Devices> devices;  ///< asked what drivers' devices can reach; not valid: as above
};

}  // namespace pith::lx
