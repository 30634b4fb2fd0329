// SPDX-License-Identifier: MIT
// The start of the network: before the first program, the stack is asked, and an interface that is being configured is waited for.
#include <cstring>
#include <string>

#include "lib/os/clock.hpp"
#include "servers/linux/init.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr Time kOpenPatience = 2 * kSecond, kConfigurePatience = 5 * kSecond;

bool configuring(const NetSockets::Configuration& configuration) {
    for (const Net::Interface& interface : configuration.interfaces) {
        if (interface.name[0] == 0) break;
        if ((interface.flags & Net::kTrying) != 0 && (interface.flags & Net::kConfigured) == 0) return true;
    }
    return false;
}

}  // namespace

void Network::start() {
    Services& services = *zone.services;
    if (!services.net.valid()) return;
    EventLoop& loop = services.loop;
    const u64 bit = loop.allocate_signal_bit();
    if (bit == 0) return;
    u64 session = 0;
    while (session == 0) zone.random(&session, sizeof session);
    // Of two lives of the zone with the same seed the clocks differ.
    session = (session ^ static_cast<u64>(zone.realtime()) ^ zone.now() << 32) | 1;
    client = std::make_unique<NetClient>(std::move(services.net), session);
    loop.on_signal(bit, [this](u64) { client->look(); });
    loop.on_signal(kSignalReborn, [this](u64) { client->reborn(); });
    static_cast<void>(client->open(loop.signal(), bit, zone.now() + kOpenPatience));
    const Time deadline = zone.now() + kConfigurePatience;
    while (configuring(configuration()) && zone.now() < deadline) loop.run_once(deadline);
}

}  // namespace pith::lx
