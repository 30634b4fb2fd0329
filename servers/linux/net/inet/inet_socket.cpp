// SPDX-License-Identifier: MIT
#include "servers/linux/net/inet/inet_socket.hpp"

#include <algorithm>

#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kBindService = 10;  // CAP_NET_BIND_SERVICE

bool may_bind_port(const Thread& thread, const Network& network, u16 port) {
    return port == 0 || port >= network.tcp.first_unprivileged ||
           (thread.process.credentials.effective >> kBindService & 1) != 0;
}

}  // namespace

SysResult<InetAddress> InetSocket::check_bind(Thread& thread, const SocketAddress& address) {
    const u32 least = v6() ? 24 : 16;
    if (address.length < least) return Errno::EINVAL;
    SocketAddress given = address;
    if (given.family() != family) {
        // An old habit: AF_UNSPEC with INADDR_ANY is AF_INET.
        const bool any = !v6() && given.family() == AF_UNSPECIFIED &&
                         std::ranges::all_of(std::span(given.bytes).subspan(4, 4),
                                             [](u8 byte) { return byte == 0; });
        if (!any) return Errno::EAFNOSUPPORT;
        given.bytes[0] = AF_INET_;
    }
    const InetAddress result = PITH_TRY(from_program(given));
    if (v6() && result.family == 4 && v6_only()) return Errno::EINVAL;
    if (v6() && result.family == 6 && is_multicast(result) && type == SocketType::stream)
        return Errno::EINVAL;
    const bool free = number(v6() ? InetOption::free_bind6 : InetOption::free_bind) != 0 ||
                      number(InetOption::transparent) != 0;
    const bool group = is_multicast(result) || network.broadcast(result);
    if (!is_any(result) && !free && !group && !network.own(result)) return Errno::EADDRNOTAVAIL;
    if (!may_bind_port(thread, network, result.port)) return Errno::EACCES;
    return result;
}

SysResult<InetAddress> InetSocket::check_destination(const SocketAddress& address, bool bound_to_v4) {
    if (!v6()) {
        if (address.length < 16) return Errno::EINVAL;
        if (address.family() != AF_INET_) return Errno::EAFNOSUPPORT;
    } else {
        if (address.length < 24 && !(address.family() == AF_INET_ && type != SocketType::stream))
            return Errno::EINVAL;
        if (address.family() == AF_INET_ && type == SocketType::stream) return Errno::EAFNOSUPPORT;
    }
    InetAddress to = PITH_TRY(from_program(address));
    if (v6() && to.family == 4 && v6_only()) return Errno::ENETUNREACH;
    if (is_any(to)) {
        const u16 port = to.port;
        if (to.family == 6 && bound_to_v4) to = ipv4_address(0);
        to = to.family == 6 ? ipv6_loopback(port) : ipv4_address(0x7f000001, port);
    }
    return to;
}

SysResult<> InetSocket::bind_to_interface(std::span<const u8> name) {
    std::string wanted;
    for (usize i = 0; i < name.size() && name[i] != 0; ++i) wanted += static_cast<char>(name[i]);
    u32 index = 0;
    if (!wanted.empty()) {
        index = network.interface_index(wanted);
        if (index == 0) return Errno::ENODEV;
    }
    options.bound_interface = index;
    return {};
}

}  // namespace pith::lx
