// SPDX-License-Identifier: MIT
// socket(AF_INET or AF_INET6, ...).
#include "servers/linux/net/inet/tcp_socket.hpp"
#include "servers/linux/net/inet/udp_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kNetRaw = 13;  // CAP_NET_RAW

bool in_range(const Network& network, const Credentials& who) {
    const auto inside = [&](u32 group) {
        return group >= network.first_echo_group && group <= network.last_echo_group;
    };
    if (inside(who.egid)) return true;
    for (const u32 group : who.groups)
        if (inside(group)) return true;
    return false;
}

}  // namespace

SysResult<Ref<Socket>> make_inet_socket(Thread& thread, u16 family, SocketType type, i32 protocol,
                                        u32 flags) {
    const Credentials& who = thread.process.credentials;
    const i32 icmp = family == AF_INET_ ? kIpprotoIcmp : kIpprotoIcmp6;
    switch (type) {
        case SocketType::stream:
            if (protocol != 0 && protocol != kIpprotoTcp) return Errno::EPROTONOSUPPORT;
            return Ref<Socket>(Ref<TcpSocket>::make(thread, flags, family));
        case SocketType::datagram:
            if (protocol == icmp) {
                if (!in_range(*thread.zone().network, who)) return Errno::EACCES;
            } else if (protocol != 0 && protocol != kIpprotoUdp) {
                return Errno::EPROTONOSUPPORT;
            }
            return Ref<Socket>(Ref<DatagramSocket>::make(thread, flags, family, type,
                                                         protocol == 0 ? kIpprotoUdp : protocol));
        case SocketType::raw:
            if (protocol == 0) return Errno::EPROTONOSUPPORT;
            if ((who.effective >> kNetRaw & 1) == 0) return Errno::EPERM;
            return Ref<Socket>(Ref<DatagramSocket>::make(thread, flags, family, type, protocol));
        default: return Errno::ESOCKTNOSUPPORT;
    }
}

}  // namespace pith::lx
