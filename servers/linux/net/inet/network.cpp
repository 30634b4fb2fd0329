// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/network.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/clock.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr Time kTimeWait = 60 * kSecond;
constexpr Time kTimeWaitReuse = kSecond;

InetAddress address_of(const Net::InterfaceAddress& entry) {
    InetAddress result{.family = entry.family};
    std::memcpy(result.bytes, entry.bytes, entry.family == 4 ? 4 : 16);
    return result;
}

/// Calls visit(interface, entry) until it says true.
template <typename Visit>
bool any_address_of(const NetSockets::Configuration& configuration, Visit visit) {
    for (const Net::Interface& interface : configuration.interfaces) {
        if (interface.name[0] == 0) break;
        for (const Net::InterfaceAddress& entry : interface.addresses) {
            if (entry.family != 4 && entry.family != 6) break;
            if (visit(interface, entry)) return true;
        }
    }
    return false;
}

}  // namespace

Network::Network(Zone& of) : zone(of) {}
Network::~Network() = default;

const NetSockets::Configuration& Network::configuration() {
    if (client && (!configuration_read_ || client->sockets.configuration_changed(configuration_.sequence))) {
        if (const auto read = client->sockets.configuration()) {
            configuration_ = *read;
            configuration_read_ = true;
        }
    }
    return configuration_;
}

bool Network::has_interface() const {
    return client && const_cast<Network*>(this)->configuration().interfaces[0].name[0] != 0;
}

bool Network::own(const InetAddress& address) { return interface_with(address) != 0; }

bool Network::broadcast(const InetAddress& address) {
    if (address.family != 4) return false;
    const u32 value = ipv4_value(address);
    if (value == ~u32{0}) return true;
    return any_address_of(configuration(), [&](const auto&, const auto& entry) {
        if (entry.family != 4 || entry.prefix >= 31) return false;
        const u32 mask = mask_of(entry.prefix);
        return ((value ^ ipv4_value(address_of(entry))) & mask) == 0 && (value | mask) == ~u32{0};
    });
}

Route Network::route(const InetAddress& to) {
    if (is_loopback(to) || is_any(to)) return Route::loopback;
    if (!client) return Route::none;
    if (own(to)) return Route::loopback;
    for (const Net::Interface& interface : configuration().interfaces) {
        if (interface.name[0] == 0) break;
        if (to.family == 6) {
            // A link-local address suffices for its like; the stack knows the rest.
            if ((interface.flags & Net::kUp) != 0) return Route::stack;
            continue;
        }
        for (const Net::InterfaceAddress& entry : interface.addresses)
            if (entry.family == 4) return Route::stack;
        if (is_multicast(to) || ipv4_value(to) == ~u32{0}) return Route::stack;
    }
    return Route::none;
}

InetAddress Network::source_for(const InetAddress& to) {
    if (is_loopback(to)) return to.family == 4 ? ipv4_address(0x7f000001) : ipv6_loopback();
    InetAddress source = to;
    source.port = 0;
    if (own(to)) return source;
    source = {};
    if (to.family == 4) {
        any_address_of(configuration(), [&](const auto&, const auto& entry) {
            if (entry.family != 4) return false;
            source = address_of(entry);
            return true;
        });
    } else {
        any_address_of(configuration(), [&](const auto&, const auto& entry) {
            if (entry.family != 6) return false;
            const InetAddress candidate = address_of(entry);
            if (is_link_local6(candidate) != needs_scope(to)) return false;
            source = candidate;
            return true;
        });
    }
    return source;
}

u32 Network::interface_index(std::string_view name) {
    if (name == "lo") return kLoopbackIndex;
    const NetSockets::Configuration& known = configuration();
    for (u32 i = 0; i < Net::kMaxInterfaces && known.interfaces[i].name[0] != 0; ++i)
        if (name == known.interfaces[i].name) return kLoopbackIndex + 1 + i;
    return 0;
}

u32 Network::interface_with(const InetAddress& address) {
    if (is_loopback(address)) return kLoopbackIndex;
    u32 found = 0;
    any_address_of(configuration(), [&](const Net::Interface& interface, const auto& entry) {
        if (!same_ip(address_of(entry), address)) return false;
        found = kLoopbackIndex + 1 + static_cast<u32>(&interface - configuration_.interfaces);
        return true;
    });
    return found;
}

InetAddress Network::own_address4(u32 interface) {
    if (interface == kLoopbackIndex) return ipv4_address(0x7f000001);
    InetAddress found = any_address(4);
    any_address_of(configuration(), [&](const Net::Interface& at, const auto& entry) {
        if (&at - configuration_.interfaces != interface - kLoopbackIndex - 1 || entry.family != 4)
            return false;
        found = address_of(entry);
        return true;
    });
    return found;
}

bool Network::interface_exists(u32 index) {
    if (index == kLoopbackIndex) return true;
    return index > kLoopbackIndex && index - kLoopbackIndex <= Net::kMaxInterfaces &&
           configuration().interfaces[index - kLoopbackIndex - 1].name[0] != 0;
}

void Network::enter_time_wait(const Binding& ended) {
    if (time_wait_.size() >= kMostTimeWait) time_wait_.pop_front();
    auto binding = std::make_unique<Binding>();
    binding->remote = ended.remote;
    binding->v6_only = ended.v6_only;
    binding->reuse_address = ended.reuse_address;
    binding->reuse_port = ended.reuse_port;
    binding->by_connect = ended.by_connect;
    binding->uid = ended.uid;
    binding->time_wait = true;
    tcp.enter(*binding, ended.local);
    time_wait_.push_back({std::move(binding), zone.now() + kTimeWait});
}

void Network::expire_time_wait(const InetAddress* local, const InetAddress* remote) {
    const Time time = zone.now();
    while (!time_wait_.empty() && time_wait_.front().expires <= time) time_wait_.pop_front();
    if (local == nullptr) return;
    std::erase_if(time_wait_, [&](const Waiting& entry) {
        const Binding& binding = *entry.binding;
        return entry.expires - kTimeWait + kTimeWaitReuse <= time && binding.local.port == local->port &&
               binding.remote.port == remote->port && same_ip(binding.local, *local) &&
               same_ip(binding.remote, *remote);
    });
}

}  // namespace pith::lx
