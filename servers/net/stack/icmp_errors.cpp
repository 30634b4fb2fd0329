// SPDX-License-Identifier: MIT
#include "servers/net/stack/icmp_errors.hpp"

#include <cstring>

#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/raw.h>
#include <lwip/udp.h>
#include "lib/lwip/checksum.hpp"
#include "servers/net/stack/addresses.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u32 kIcmpHeader = 8, kUdpHeader = 8;

Net::Failure failure_of(bool six, u8 type, u8 code) {
    using enum Net::Failure;
    if (six) {
        if (type != ICMP6_TYPE_DUR) return none;
        return code == ICMP6_DUR_PORT ? refused : code == ICMP6_DUR_NO_ROUTE ? unreachable : host_unreachable;
    }
    if (type != ICMP_DUR) return none;
    return code == ICMP_DUR_PORT || code == ICMP_DUR_PROTO ? refused
           : code == ICMP_DUR_NET                          ? unreachable
           : code == ICMP_DUR_FRAG                         ? none
                                                           : host_unreachable;
}

bool error_type(bool six, u8 type) {
    if (six) return type >= ICMP6_TYPE_DUR && type <= ICMP6_TYPE_PP;
    return type == ICMP_DUR || type == ICMP_TE || type == ICMP_PP;
}

u16 pair_at(const u8* bytes) { return static_cast<u16>(bytes[0] << 8 | bytes[1]); }

/// What a router says that fits.
u16 mtu_of(bool six, const u8* icmp) {
    if (!six) return icmp[0] == ICMP_DUR && icmp[1] == ICMP_DUR_FRAG ? pair_at(icmp + 6) : u16{0};
    return icmp[0] == ICMP6_TYPE_PTB && pair_at(icmp + 4) == 0 ? pair_at(icmp + 6) : u16{0};
}

ip_addr_t address_at(bool six, const u8* bytes) {
    ip_addr_t address{};
    if (six) {
        IP_SET_TYPE_VAL(address, IPADDR_TYPE_V6);
        std::memcpy(ip_2_ip6(&address)->addr, bytes, 16);
    } else {
        IP_SET_TYPE_VAL(address, IPADDR_TYPE_V4);
        std::memcpy(&ip_2_ip4(&address)->addr, bytes, 4);
    }
    return address;
}

/// The checksum of an ICMP message of `length` bytes that begins `skip` bytes into the packet is right; `sum`: of the pseudo-header.
bool checksum_right(const pbuf* packet, u32 skip, u32 length, u64 sum) {
    u32 done = 0;
    for (; packet != nullptr && done < length; packet = packet->next) {
        if (skip >= packet->len) {
            skip -= packet->len;
            continue;
        }
        const u32 part = packet->len - skip < length - done ? packet->len - skip : length - done;
        const u64 piece = checksum(static_cast<const u8*>(packet->payload) + skip, part, 0);
        sum += (done & 1) == 0 ? u64{fold_checksum(piece)} : swap_checksum(piece);
        done += part;
        skip = 0;
    }
    return done == length && fold_checksum(sum) == 0xffff;
}

bool is_own(const netif& device, const ip_addr_t& address) {
    if (IP_IS_V4_VAL(address)) return ip4_addr_cmp(netif_ip4_addr(&device), ip_2_ip4(&address));
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (ip6_addr_isvalid(netif_ip6_addr_state(&device, i)) &&
            ip6_addr_cmp_zoneless(netif_ip6_addr(&device, i), ip_2_ip6(&address)))
            return true;
    }
    return false;
}

}  // namespace

std::optional<IcmpError> icmp_error_in(const pbuf* packet) {
    const u8* ip = static_cast<const u8*>(packet->payload);
    const u32 length = packet->len;
    const bool six = length >= 40 && ip[0] >> 4 == 6;
    const u32 header = six ? 40 : (ip[0] & 15u) * 4;
    if (header < 20 || length < header + kIcmpHeader) return std::nullopt;
    if (six ? ip[6] != IP6_NEXTH_ICMP6 : ip[9] != IP_PROTO_ICMP || (ip[6] & 0x1f) != 0 || ip[7] != 0)
        return std::nullopt;
    const u8* icmp = ip + header;
    if (!error_type(six, icmp[0])) return std::nullopt;
    const u32 total = six ? 40u + pair_at(ip + 4) : u32{pair_at(ip + 2)};
    if (total < header + kIcmpHeader) return std::nullopt;
    u64 pseudo = 0;
    if (six)
        pseudo = checksum(ip + 8, 32, 0) % 0xffff + __builtin_bswap16(static_cast<u16>(total - 40)) +
                 u64{IP6_NEXTH_ICMP6} * 256;
    if (!checksum_right(packet, header, total - header, pseudo)) return std::nullopt;
    const u8* quoted = icmp + kIcmpHeader;
    const u32 left = length - header - kIcmpHeader;
    if (left < (six ? 40u : 20u)) return std::nullopt;
    const u32 quoted_header = six ? 40 : (quoted[0] & 15u) * 4;
    if (quoted_header < 20 || left < quoted_header + 8) return std::nullopt;
    const u8* ports = quoted + quoted_header;
    return IcmpError{.six = six,
                     .type = icmp[0],
                     .code = icmp[1],
                     .ttl = six ? ip[7] : ip[8],
                     .tos = six ? static_cast<u8>(ip[0] << 4 | ip[1] >> 4) : ip[1],
                     .protocol = six ? quoted[6] : quoted[9],
                     .offender = address_at(six, six ? ip + 8 : ip + 12),
                     .from = address_at(six, six ? quoted + 8 : quoted + 12),
                     .to = address_at(six, six ? quoted + 24 : quoted + 16),
                     .from_port = pair_at(ports),
                     .to_port = pair_at(ports + 2),
                     .mtu = mtu_of(six, icmp),
                     .failure = failure_of(six, icmp[0], icmp[1]),
                     .packet = packet,
                     .quoted = header + kIcmpHeader + quoted_header,
                     .end = total};
}

void Stack::on_icmp_error(const IcmpError& error) {
    if (!is_own(interface_.device(), error.from)) return;
    if (error.protocol == IP_PROTO_TCP) {
        // RFC 5927: only an attempt to connect ends by it, and only if the ports are right.
        tcp_pcb* pcb = demux_.find(error.from, error.from_port, error.to, error.to_port);
        if (pcb == nullptr || pcb->state != SYN_SENT || pcb->callback_arg == nullptr) return;
        if (error.failure != Net::Failure::none)
            fail(*static_cast<Socket*>(pcb->callback_arg), error.failure);
        return;
    }
    for (Socket& socket : sockets_) {
        if (socket.udp != nullptr && error.protocol == IP_PROTO_UDP) udp_error(socket, error);
        if (socket.raw != nullptr) raw_error(socket, error);
    }
}

void Stack::udp_error(Socket& socket, const IcmpError& error) {
    const udp_pcb& udp = *socket.udp;
    const bool connected = (udp.flags & UDP_FLAGS_CONNECTED) != 0;
    if (udp.local_port != error.from_port) return;
    if (connected && (udp.remote_port != error.to_port || IP_IS_V6(&udp.remote_ip) != error.six ||
                      !ip_addr_cmp_zoneless(&udp.remote_ip, &error.to)))
        return;
    if ((socket.flags & Net::kReportErrors) != 0) return report(socket, error, kUdpHeader);
    if (!connected || error.failure == Net::Failure::none) return;
    socket.failure = error.failure;
    socket.failures++;
    socket.news = true;
    touch(socket);
}

void Stack::raw_error(Socket& socket, const IcmpError& error) {
    if ((socket.flags & Net::kReportErrors) == 0 || socket.raw->protocol != error.protocol) return;
    if (socket.kind == Net::Kind::echo) {
        u8 echo[6];
        if (pbuf_copy_partial(error.packet, echo, sizeof echo, static_cast<u16>(error.quoted)) != sizeof echo)
            return;
        if (echo[0] != (error.six ? u8{ICMP6_TYPE_EREQ} : u8{ICMP_ECHO}) ||
            pair_at(echo + 4) != socket.identifier)
            return;
    }
    report(socket, error, 0);
}

/// A record in the receive ring; `skip`: bytes of the quoted header that are not the client's.
void Stack::report(Socket& socket, const IcmpError& error, u32 skip) {
    const u32 start = error.quoted + skip,
              end = error.end < error.packet->tot_len ? error.end : error.packet->tot_len;
    Net::Datagram header{};
    header.length = end > start ? end - start : 0;
    header.interface = 1;
    header.remote = from_lwip(error.to, socket.udp != nullptr ? error.to_port : u16{0});
    header.local = from_lwip(error.offender, 0);
    header.ttl = error.ttl;
    header.tos = error.tos;
    header.report = 1;
    header.icmp_type = error.type;
    header.icmp_code = error.code;
    header.mtu = error.mtu;
    static_cast<void>(store(socket, header, error.packet, start));
}

}  // namespace pith::stack
