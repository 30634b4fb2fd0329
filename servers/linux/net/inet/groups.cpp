// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/groups.hpp"

#include <algorithm>
#include <cstring>

#include "lib/net/sockets.hpp"
#include "servers/linux/net/interfaces.hpp"

namespace pith::lx {

MulticastGroups::Key MulticastGroups::key_of(const InetAddress& group, u32 interface) {
    Key key{.interface = interface, .family = group.family, .bytes = {}};
    std::copy_n(group.bytes, sizeof group.bytes, key.bytes.begin());
    return key;
}

InetAddress MulticastGroups::address_of(const Key& key) {
    InetAddress group{.family = key.family};
    std::copy_n(key.bytes.begin(), sizeof group.bytes, group.bytes);
    return group;
}

bool MulticastGroups::outside(const Key& key) {
    return key.interface > kLoopbackIndex && (key.family == 4 || multicast_scope6(address_of(key)) > 1);
}

usize MulticastGroups::count_outside() const {
    return static_cast<usize>(
        std::ranges::count_if(groups_, [](const auto& entry) { return outside(entry.first); }));
}

SysResult<> MulticastGroups::join(const InetAddress& group, u32 interface, NetSockets* stack) {
    const Key key = key_of(group, interface);
    const auto at = groups_.find(key);
    if (at != groups_.end()) {
        ++at->second;
        return {};
    }
    if (outside(key) && count_outside() == Net::kMaxGroups) return Errno::ENOBUFS;
    groups_.emplace(key, 1);
    if (outside(key)) tell(stack);
    return {};
}

void MulticastGroups::leave(const InetAddress& group, u32 interface, NetSockets* stack) {
    const auto at = groups_.find(key_of(group, interface));
    if (at == groups_.end() || --at->second != 0) return;
    const bool told = outside(at->first);
    groups_.erase(at);
    if (told) tell(stack);
}

bool MulticastGroups::joined(const InetAddress& group, u32 interface) const {
    return is_all_hosts(group) || groups_.contains(key_of(group, interface));
}

void MulticastGroups::tell(NetSockets* stack) const {
    if (stack == nullptr) return;
    std::vector<Net::Group> groups;
    for (const auto& [key, sockets] : groups_) {
        if (!outside(key)) continue;
        Net::Group group{.family = key.family, .interface = key.interface - kLoopbackIndex};
        std::copy_n(key.bytes.begin(), sizeof group.bytes, group.bytes);
        groups.push_back(group);
    }
    stack->set_groups(std::move(groups));
}

}  // namespace pith::lx
