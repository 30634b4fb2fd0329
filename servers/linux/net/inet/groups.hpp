// SPDX-License-Identifier: MIT
// MulticastGroups: which multicast groups the zone's sockets are in, by which interface, and how many of them. What the stack has to be in is told to it.
#pragma once

#include <compare>
#include <map>

#include "servers/linux/errno.hpp"
#include "servers/linux/net/inet/ip.hpp"

namespace pith {
class NetSockets;
}

namespace pith::lx {

class MulticastGroups {
  public:
    /// One more is in it. ENOBUFS: the stack can be in no more groups.
    SysResult<> join(const InetAddress& group, u32 interface, NetSockets* stack);
    /// One less.
    void leave(const InetAddress& group, u32 interface, NetSockets* stack);
    /// A socket is in it, or it is the group of all hosts, in which every interface is.
    bool joined(const InetAddress& group, u32 interface) const;
    /// visit(group, interface, sockets), by interface.
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const auto& [key, sockets] : groups_) visit(address_of(key), key.interface, sockets);
    }

  private:
    struct Key {
        u32 interface;
        u8 family;
        std::array<u8, 16> bytes;
        auto operator<=>(const Key&) const = default;
    };
    static Key key_of(const InetAddress& group, u32 interface);
    static InetAddress address_of(const Key& key);
    /// It concerns the stack: its interface is the stack's, and it leaves the machine.
    static bool outside(const Key& key);
    void tell(NetSockets* stack) const;
    usize count_outside() const;

    std::map<Key, u32> groups_;
};

}  // namespace pith::lx
