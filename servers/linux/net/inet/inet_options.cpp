// SPDX-License-Identifier: MIT
// Options of levels IPPROTO_IP and IPPROTO_IPV6.
#include <algorithm>
#include <cstring>

#include "servers/linux/net/inet/inet_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

struct OptionEntry {
    InetOption option;
    i32 level, name;
    i32 initial, least, most;
    bool boolean;  ///< anything but 0 is 1
};

constexpr i32 kAny = 0x7fff'ffff;

/// By the order of InetOption.
constexpr OptionEntry kOptions[] = {
    {InetOption::tos, kIpprotoIp, 1, 0, -kAny, kAny, false},
    {InetOption::ttl, kIpprotoIp, 2, 64, -1, 255, false},
    {InetOption::packet_info, kIpprotoIp, 8, 0, -kAny, kAny, true},
    {InetOption::receive_ttl, kIpprotoIp, 12, 0, -kAny, kAny, true},
    {InetOption::receive_tos, kIpprotoIp, 13, 0, -kAny, kAny, true},
    {InetOption::receive_errors, kIpprotoIp, 11, 0, -kAny, kAny, true},
    {InetOption::mtu_discover, kIpprotoIp, 10, 1, 0, 5, false},
    {InetOption::free_bind, kIpprotoIp, 15, 0, -kAny, kAny, true},
    {InetOption::transparent, kIpprotoIp, 19, 0, -kAny, kAny, true},
    {InetOption::multicast_ttl, kIpprotoIp, 33, 1, -1, 255, false},
    {InetOption::multicast_loop, kIpprotoIp, 34, 1, -kAny, kAny, true},
    {InetOption::multicast_all, kIpprotoIp, 49, 1, 0, 1, false},
    {InetOption::header_included, kIpprotoIp, 3, 0, -kAny, kAny, true},
    {InetOption::router_alert, kIpprotoIp, 5, 0, -kAny, kAny, true},
    {InetOption::bind_no_port, kIpprotoIp, 24, 0, -kAny, kAny, true},
    {InetOption::min_ttl, kIpprotoIp, 21, 0, 0, 255, false},
    {InetOption::receive_options, kIpprotoIp, 6, 0, -kAny, kAny, true},
    {InetOption::original_destination, kIpprotoIp, 20, 0, -kAny, kAny, true},
    {InetOption::v6_only, kIpprotoIpv6, 26, 0, -kAny, kAny, true},
    {InetOption::hops, kIpprotoIpv6, 16, 64, -1, 255, false},
    {InetOption::multicast_hops, kIpprotoIpv6, 18, 1, -1, 255, false},
    {InetOption::multicast_loop6, kIpprotoIpv6, 19, 1, 0, 1, false},
    {InetOption::multicast_all6, kIpprotoIpv6, 29, 1, 0, 1, false},
    {InetOption::packet_info6, kIpprotoIpv6, 49, 0, -kAny, kAny, true},
    {InetOption::receive_hop_limit, kIpprotoIpv6, 51, 0, -kAny, kAny, true},
    {InetOption::receive_class, kIpprotoIpv6, 66, 0, -kAny, kAny, true},
    {InetOption::traffic_class, kIpprotoIpv6, 67, 0, -1, 255, false},
    {InetOption::receive_errors6, kIpprotoIpv6, 25, 0, -kAny, kAny, true},
    {InetOption::mtu_discover6, kIpprotoIpv6, 23, 1, 0, 5, false},
    {InetOption::dont_fragment6, kIpprotoIpv6, 62, 0, -kAny, kAny, true},
    {InetOption::auto_flow_label, kIpprotoIpv6, 70, 1, -kAny, kAny, true},
    {InetOption::free_bind6, kIpprotoIpv6, 78, 0, -kAny, kAny, true},
    {InetOption::checksum6, kIpprotoIpv6, 7, -1, -1, kAny, false},
    {InetOption::packet_info6_old, kIpprotoIpv6, 2, 0, -kAny, kAny, true},
    {InetOption::receive_hop_limit_old, kIpprotoIpv6, 8, 0, -kAny, kAny, true},
};
static_assert(std::size(kOptions) == static_cast<usize>(InetOption::count));

const OptionEntry* find_option(i32 level, i32 name) {
    const auto* at = std::ranges::find_if(
        kOptions, [=](const OptionEntry& entry) { return entry.level == level && entry.name == name; });
    return at == std::end(kOptions) ? nullptr : at;
}

constexpr i32 kIpMtu = 14, kIpv6Mtu = 24;
constexpr i32 kLoopbackMtu = 65536, kMostMtu4 = 65535;

void append_number(std::vector<u8>& to, i32 number) {
    const auto* bytes = reinterpret_cast<const u8*>(&number);
    to.insert(to.end(), bytes, bytes + sizeof number);
}

}  // namespace

InetSocket::InetSocket(Thread& thread, u32 open_flags, u16 socket_family, SocketType socket_type,
                       i32 socket_protocol)
    : Socket(socket_path(thread), O_READ_WRITE | open_flags, socket_family, socket_type, socket_protocol),
      network(*thread.zone().network) {
    for (const OptionEntry& entry : kOptions) numbers_[static_cast<usize>(entry.option)] = entry.initial;
}

SysResult<> InetSocket::set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value) {
    if (level != kIpprotoIp && level != kIpprotoIpv6) return Errno::ENOPROTOOPT;
    if (level == kIpprotoIpv6 && !v6()) return Errno::ENOPROTOOPT;
    if (const auto done = set_multicast_option(level, name, value)) return *done;
    i32 number = 0;
    if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
    else if (level == kIpprotoIp && !value.empty()) number = value[0];
    else if (level == kIpprotoIpv6) return Errno::EINVAL;
    const OptionEntry* const entry = find_option(level, name);
    if (entry == nullptr) return Errno::ENOPROTOOPT;
    if (number < entry->least || number > entry->most) return Errno::EINVAL;
    switch (entry->option) {
        case InetOption::ttl:
            if (number == 0) return Errno::EINVAL;
            break;
        case InetOption::v6_only:
            if (bound()) return Errno::EINVAL;
            break;
        case InetOption::header_included:
            if (type != SocketType::raw) return Errno::ENOPROTOOPT;
            break;
        case InetOption::transparent:
            if (number != 0 && !thread.process.credentials.root()) return Errno::EPERM;
            break;
        case InetOption::tos: number &= type == SocketType::stream ? 0xfc : 0xff; break;
        case InetOption::multicast_ttl:
        case InetOption::multicast_hops:
            if (type == SocketType::stream) return level == kIpprotoIp ? Errno::EINVAL : Errno::ENOPROTOOPT;
            break;
        default: break;
    }
    if (entry->boolean) number = number != 0 ? 1 : 0;
    if (number == -1 && entry->most == 255) number = entry->initial;
    numbers_[static_cast<usize>(entry->option)] = number;
    option_changed();
    return {};
}

SysResult<> InetSocket::get_option(Thread&, i32 level, i32 name, std::vector<u8>& value) {
    if (level != kIpprotoIp && level != kIpprotoIpv6) return Errno::EOPNOTSUPP;
    if (level == kIpprotoIpv6 && !v6()) return Errno::EOPNOTSUPP;
    if (level == kIpprotoIp ? name == kIpMtu : name == kIpv6Mtu) {
        const SysResult<SocketAddress> peer = peer_name();
        if (!peer.ok()) return Errno::ENOTCONN;
        const SysResult<InetAddress> to = from_program(peer.value());
        const bool outside = to.ok() && network.route(to.value()) == Route::stack;
        append_number(value, outside ? static_cast<i32>(network.configuration().interfaces[0].mtu)
                             : level == kIpprotoIp ? kMostMtu4
                                                   : kLoopbackMtu);
        return {};
    }
    if (get_multicast_option(level, name, value)) return {};
    const OptionEntry* const entry = find_option(level, name);
    if (entry == nullptr) return Errno::ENOPROTOOPT;
    append_number(value, number(entry->option));
    return {};
}

}  // namespace pith::lx
