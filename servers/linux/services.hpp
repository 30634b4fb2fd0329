// SPDX-License-Identifier: MIT
// What the server speaks to: its event loop and the services of its manifest.
#pragma once

#include "lib/os/event_loop.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/block.hpp"
#include "protocol/chaos.hpp"
#include "protocol/console.hpp"
#include "protocol/device.hpp"
#include "protocol/fs.hpp"
#include "protocol/log.hpp"
#include "protocol/memory_fs.hpp"
#include "protocol/net.hpp"
#include "protocol/process.hpp"
#include "protocol/share.hpp"

namespace pith::lx {

struct Services {
    explicit Services(EventLoop& events) : loop(events) {}
    EventLoop& loop;
    Client<pith::Console> console;
    Client<pith::Process> process;  ///< /proc/pith/services, shutdown
    Client<pith::Log> log;          ///< dmesg, /dev/kmsg
    Client<pith::Block> block;      ///< disks /dev/vda ...; not valid: this system has no driver of such
    Client<pith::Block> nvme;       ///< disks /dev/nvme0n1 ...; the same
    Client<pith::Fs> fs;            ///< file systems on the former; not valid: this system has none
    Client<pith::Fs>
        memory_fs;           ///< files in memory (protocol/memory_fs.hpp); not valid: this system has none
    Client<pith::Fs> share;  ///< a folder of the host's (protocol/share.hpp); not valid: this system has none
    Client<pith::Chaos> chaos;  ///< kills components while the command runs; not valid: nobody does
    Client<pith::Net> net;      ///< the network stack; not valid: this system has none
    Client<pith::Devices>
        devices;  ///< asked what drivers' devices can reach; not valid: this system has none
};

}  // namespace pith::lx
