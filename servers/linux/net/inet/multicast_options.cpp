// SPDX-License-Identifier: MIT
// Membership in multicast groups, and the interface by which a socket sends to them (ip(7), ipv6(7)). Without filters of sources: the stack speaks
// IGMPv2 and MLDv1.
#include <algorithm>
#include <cstring>

#include "servers/linux/net/inet/inet_socket.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kInterface4 = 32, kJoin4 = 35, kLeave4 = 36, kInterface6 = 17, kJoin6 = 20, kLeave6 = 21,
              kJoinAny = 42, kLeaveAny = 45;
constexpr usize kRequest4 = 8, kRequest4WithIndex = 12;  // struct ip_mreq, struct ip_mreqn
constexpr usize kRequest6 = 20;                          // struct ipv6_mreq
constexpr usize kAnyRequest = 136, kAnyAddress = 8;      // struct group_req
constexpr usize kMostMemberships = 20;                   // igmp_max_memberships

u32 word(std::span<const u8> value, usize at) {
    u32 result;
    std::memcpy(&result, value.data() + at, sizeof result);
    return result;
}

InetAddress address4(std::span<const u8> value, usize at) {
    InetAddress result{.family = 4};
    std::memcpy(result.bytes, value.data() + at, 4);
    return result;
}

}  // namespace

std::optional<SysResult<>> InetSocket::set_multicast_option(i32 level, i32 name, std::span<const u8> value) {
    const bool four = level == kIpprotoIp;
    if (name == kJoinAny || name == kLeaveAny || name == (four ? kJoin4 : kJoin6) ||
        name == (four ? kLeave4 : kLeave6))
        return set_membership(level, name, value);
    if (name == (four ? kInterface4 : kInterface6)) return set_many_way(level, value);
    return std::nullopt;
}

bool InetSocket::get_multicast_option(i32 level, i32 name, std::vector<u8>& value) const {
    const bool four = level == kIpprotoIp;
    if (name != (four ? kInterface4 : kInterface6)) return false;
    value.resize(4);
    if (four) std::memcpy(value.data(), many_way4_.from.bytes, 4);
    else std::memcpy(value.data(), &many_way6_.interface, 4);
    return true;
}

InetSocket::~InetSocket() {
    for (const Membership& entry : memberships_)
        network.groups.leave(entry.group, entry.interface, network.stack());
}

bool InetSocket::admits(const InetAddress& to, u32 interface) const {
    if (!is_multicast(to)) return true;
    if (number(to.family == 4 ? InetOption::multicast_all : InetOption::multicast_all6) != 0) return true;
    return std::ranges::any_of(memberships_, [&](const Membership& entry) {
        return entry.interface == interface && same_ip(entry.group, to);
    });
}

SysResult<> InetSocket::set_membership(i32 level, i32 name, std::span<const u8> value) {
    if (type == SocketType::stream) return Errno::EPROTO;
    Membership entry{};
    InetAddress by{};
    if (name == kJoinAny || name == kLeaveAny) {
        if (value.size() < kAnyRequest) return Errno::EINVAL;
        entry.interface = word(value, 0);
        SocketAddress given;
        given.length = static_cast<u32>(sizeof(u32) * 7);
        std::memcpy(given.bytes, value.data() + kAnyAddress, given.length);
        if (given.family() != (level == kIpprotoIp ? AF_INET_ : AF_INET6_))
            return level == kIpprotoIp ? Errno::EINVAL : Errno::EADDRNOTAVAIL;
        entry.group = PITH_TRY(from_program(given));
        entry.group.port = 0;
    } else if (level == kIpprotoIp) {
        if (value.size() < kRequest4) return Errno::EINVAL;
        entry.group = address4(value, 0);
        by = address4(value, 4);
        if (value.size() >= kRequest4WithIndex) entry.interface = word(value, 8);
    } else {
        if (value.size() < kRequest6) return Errno::EINVAL;
        entry.group.family = 6;
        std::memcpy(entry.group.bytes, value.data(), 16);
        entry.interface = word(value, 16);
    }
    entry.group.scope = 0;
    const bool joins = name == kJoinAny || name == (level == kIpprotoIp ? kJoin4 : kJoin6);
    return joins ? join(entry, by) : leave(entry, by);
}

u32 InetSocket::membership_interface(const Membership& wanted, const InetAddress& by) {
    if (wanted.interface != 0) return network.interface_exists(wanted.interface) ? wanted.interface : 0;
    return is_any(by) ? network.interface_for_many() : network.interface_with(by);
}

SysResult<> InetSocket::join(const Membership& wanted, const InetAddress& by) {
    if (!is_multicast(wanted.group)) return Errno::EINVAL;
    const bool four = wanted.group.family == 4;
    const u32 interface = membership_interface(wanted, by);
    if (four && interface == 0) return Errno::ENODEV;
    const bool there = std::ranges::any_of(memberships_, [&](const Membership& entry) {
        return same_ip(entry.group, wanted.group) &&
               (entry.interface == interface || (!four && wanted.interface == 0));
    });
    if (there) return Errno::EADDRINUSE;
    if (interface == 0) return Errno::ENODEV;
    if (four && memberships_.size() >= kMostMemberships) return Errno::ENOBUFS;
    PITH_CHECK(network.groups.join(wanted.group, interface, network.stack()));
    memberships_.push_back({wanted.group, interface});
    return {};
}

SysResult<> InetSocket::leave(const Membership& unwanted, const InetAddress& by) {
    u32 interface = unwanted.interface;
    if (unwanted.group.family == 4) {
        interface = membership_interface(unwanted, by);
        if (interface == 0 && unwanted.interface == 0 && is_any(by)) return Errno::ENODEV;
        if (interface == 0) return Errno::EADDRNOTAVAIL;
    }
    const auto at = std::ranges::find_if(memberships_, [&](const Membership& entry) {
        return same_ip(entry.group, unwanted.group) && (interface == 0 || entry.interface == interface);
    });
    if (at == memberships_.end()) return Errno::EADDRNOTAVAIL;
    network.groups.leave(at->group, at->interface, network.stack());
    memberships_.erase(at);
    return {};
}

SysResult<> InetSocket::set_many_way(i32 level, std::span<const u8> value) {
    if (type == SocketType::stream) return level == kIpprotoIp ? Errno::EINVAL : Errno::ENOPROTOOPT;
    if (value.size() < 4) return Errno::EINVAL;
    ManyWay way;
    Errno unknown = Errno::EADDRNOTAVAIL;
    if (level == kIpprotoIp) {
        // An address, or struct ip_mreq or ip_mreqn, of which only the interface counts.
        const InetAddress named = address4(value, value.size() >= kRequest4 ? 4 : 0);
        if (value.size() >= kRequest4WithIndex) way.interface = word(value, 8);
        if (!is_any(named)) way.from = named;
        if (way.interface == 0 && way.from.family != 0) {
            way.interface = network.interface_with(named);
            if (way.interface == 0) return unknown;
        }
    } else {
        way.interface = word(value, 0);
        unknown = Errno::ENODEV;
    }
    const bool elsewhere = options.bound_interface != 0 && way.interface != 0 &&
                           way.interface != options.bound_interface;
    if (level != kIpprotoIp && elsewhere) return Errno::EINVAL;
    if (way.interface != 0 && !network.interface_exists(way.interface)) return unknown;
    if (elsewhere) return Errno::EINVAL;
    (level == kIpprotoIp ? many_way4_ : many_way6_) = way;
    return {};
}

}  // namespace pith::lx
