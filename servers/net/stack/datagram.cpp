// SPDX-License-Identifier: MIT
// Datagrams of UDP, raw IP and ICMP echo: records in the two rings. What is sent lies in its frame when lwIP comes back, so the ring's bytes are never kept.
#include <algorithm>
#include <cstring>

#include <lwip/icmp.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/raw.h>
#include <lwip/udp.h>
#include "protocol/ethernet.hpp"
#include "servers/net/stack/addresses.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u32 kTurn = 64;  ///< datagrams of a socket, until others have their turn
constexpr u32 kHeader = sizeof(Net::Datagram);
constexpr u32 kEchoHeader = 8;

constexpr u32 padded(u32 length) { return (length + 7) & ~7u; }

/// What was for many is shown to sockets of other peers too.
void udp_arrived(void* argument, udp_pcb* at, pbuf* data, const ip_addr_t* from, u16_t port) {
    const bool others = (at->flags & UDP_FLAGS_CONNECTED) != 0 &&
                        (at->remote_port != port || !ip_addr_cmp(&at->remote_ip, from));
    if (!others)
        static_cast<void>(Stack::current().on_datagram(*static_cast<Socket*>(argument), data, *from, port));
    pbuf_free(data);
}

/// A socket can be bound to it, but nothing is sent from it.
bool many(const ip_addr_t& address, netif* device) {
    return ip_addr_ismulticast(&address) || ip_addr_isbroadcast(&address, device);
}

/// lwIP shows raw packets with their IP header; they are others' too.
u8_t raw_arrived(void* argument, raw_pcb*, pbuf* data, const ip_addr_t* from) {
    auto& socket = *static_cast<Socket*>(argument);
    const u16 header = ip_current_header_tot_len();
    const bool six = ip_current_is_v6();
    if (socket.kind == Net::Kind::echo) {
        u8 icmp[kEchoHeader];
        if (pbuf_copy_partial(data, icmp, sizeof icmp, header) != sizeof icmp) return 0;
        if (icmp[0] != (six ? u8{ICMP6_TYPE_EREP} : u8{ICMP_ER}) ||
            (icmp[4] << 8 | icmp[5]) != socket.identifier)
            return 0;
    }
    static_cast<void>(Stack::current().on_datagram(socket, data, *from, 0));
    return 0;
}

/// The packet's bytes behind `skip`, which lie in a chain.
template <typename Use>
void for_bytes(const pbuf* data, u32 skip, Use use) {
    for (; data != nullptr; data = data->next) {
        if (skip >= data->len) {
            skip -= data->len;
            continue;
        }
        use(static_cast<const u8*>(data->payload) + skip, data->len - skip);
        skip = 0;
    }
}

/// How many frames a packet takes, which may be fragmented; no more than are to be waited for.
u32 frames_of(u32 length, bool six, u32 mtu) {
    constexpr u32 kMost = Ethernet::kEntries / 2;
    const u32 header = six ? 40 : 20, fragment = six ? 8 : 0;
    if (length + header <= mtu || mtu < header + fragment + 8) return 1;
    const u32 part = (mtu - header - fragment) & ~7u;
    return std::min((length + part - 1) / part, kMost);
}

Net::Failure failure_of(err_t error) {
    switch (error) {
        case ERR_OK:
        case ERR_MEM:  // lost, as datagrams are
        case ERR_BUF: return Net::Failure::none;
        case ERR_RTE: return Net::Failure::unreachable;
        case ERR_VAL: return Net::Failure::too_long;
        default: return Net::Failure::host_unreachable;
    }
}

}  // namespace

void Stack::open_datagrams(Socket& socket, const Net::ClientHalf& client) {
    ip_addr_t local, remote;
    const bool udp = client.kind == Net::Kind::datagram;
    if (!to_lwip(client.local, local) || !to_lwip(client.remote, remote) || (udp && client.local.port == 0))
        return fail(socket, Net::Failure::broken);
    const bool six = client.local.family == 6 || client.remote.family == 6;
    if (client.local.family == 0 && client.remote.family != 0) IP_SET_TYPE_VAL(local, IP_GET_TYPE(&remote));
    if (udp && client.local.family == 6 && any(client.local) && !socket.v6_only && client.remote.family != 6)
        IP_SET_TYPE_VAL(local, IPADDR_TYPE_ANY);
    socket.send_head = socket.send_tail = socket.fed = look(shared_.server(socket.number).generation) ==
                                                               socket.generation
                                                           ? look(shared_.server(socket.number).send_head)
                                                           : 0;
    err_t error = ERR_OK;
    if (udp) {
        if (datagram_sockets_ >= kMaxDatagramSockets ||
            (socket.udp = udp_new_ip_type(IP_GET_TYPE(&local))) == nullptr)
            return fail(socket, Net::Failure::no_memory);
        datagram_sockets_++;
        ip_set_option(socket.udp, SOF_REUSEADDR);  // who may share a port is the client's business
        udp_recv(socket.udp, udp_arrived, &socket);
        error = udp_bind(socket.udp, &local, client.local.port);
        if (error == ERR_OK && client.remote.family != 0)
            error = udp_connect(socket.udp, &remote, client.remote.port);
    } else {
        const bool echo = client.kind == Net::Kind::echo;
        const u8 protocol = echo ? (six ? u8{IP6_NEXTH_ICMP6} : u8{IP_PROTO_ICMP}) : client.protocol;
        if (raw_sockets_ >= kMaxRawSockets ||
            (socket.raw = raw_new_ip_type(six ? u8{IPADDR_TYPE_V6} : u8{IPADDR_TYPE_V4}, protocol)) ==
                nullptr)
            return fail(socket, Net::Failure::no_memory);
        raw_sockets_++;
        socket.identifier = client.local.port;
        if (six && protocol == IP6_NEXTH_ICMP6) {
            socket.raw->chksum_reqd = 1;
            socket.raw->chksum_offset = 2;
        }
        raw_recv(socket.raw, raw_arrived, &socket);
        if (!any(client.local)) error = raw_bind(socket.raw, &local);
        if (error == ERR_OK && client.remote.family != 0) error = raw_connect(socket.raw, &remote);
    }
    if (error != ERR_OK)
        return fail(socket, error == ERR_USE ? Net::Failure::in_use : Net::Failure::no_memory);
    socket.state = Net::State::open;
    Net::ServerHalf& server = shared_.server(socket.number);
    server.local = client.local;
    server.remote = client.remote;
}

void Stack::close_datagrams(Socket& socket) {
    if (socket.udp != nullptr) {
        udp_remove(socket.udp);
        datagram_sockets_--;
    }
    if (socket.raw != nullptr) {
        raw_remove(socket.raw);
        raw_sockets_--;
    }
    socket.udp = nullptr;
    socket.raw = nullptr;
}

/// A datagram has come.
bool Stack::on_datagram(Socket& socket, pbuf* data, const ip_addr_t& remote, u16 remote_port) {
    const bool six = ip_current_is_v6();
    u32 skip = 0;
    if (socket.kind != Net::Kind::datagram && (six || socket.kind == Net::Kind::echo))
        skip = ip_current_header_tot_len();
    if (data->tot_len < skip) return false;
    Net::Datagram header{};
    header.length = data->tot_len - skip;
    header.interface = 1;
    header.remote = from_lwip(remote, remote_port);
    header.local = from_lwip(*ip_current_dest_addr(),
                             socket.udp != nullptr ? socket.udp->local_port : u16{0});
    header.ttl = six ? IP6H_HOPLIM(ip6_current_header()) : IPH_TTL(ip4_current_header());
    header.tos = six ? IP6H_TC(ip6_current_header()) : IPH_TOS(ip4_current_header());
    if (!store(socket, header, data, skip)) return false;
    counts().datagrams_received++;
    return true;
}

/// header.length bytes of `data` from `skip` on: they are in the ring as a whole, or they are dropped.
bool Stack::store(Socket& socket, const Net::Datagram& header, const pbuf* data, u32 skip) {
    const u32 size = kHeader + padded(header.length);
    touch(socket);
    const bool told = take_head(socket);
    const u32 unread = socket.receive_tail - socket.receive_head;
    const bool fits = unread + size <= socket.limit || (unread == 0 && size <= Net::kRingSize);
    if (!told || (socket.flags & Net::kReceiveClosed) != 0 || !fits ||
        !reserve(socket, socket.receive_tail + size)) {
        socket.drops++;
        counts().datagram_drops++;
        return false;
    }
    u32 at = socket.receive_tail, left = header.length;
    bool whole = put_bytes(socket, at, &header, kHeader);
    at += kHeader;
    for_bytes(data, skip, [&](const u8* bytes, u32 count) {
        count = std::min(count, left);
        whole = whole && put_bytes(socket, at, bytes, count);
        at += count;
        left -= count;
    });
    if (!whole) {  // the client's doing; lwIP still uses what fail() would remove
        socket.drops++;
        counts().datagram_drops++;
        return false;
    }
    socket.receive_tail += size;
    socket.news = true;
    return true;
}

err_t Stack::send_datagram(Socket& socket, const Net::Datagram& header, u32 position) {
    Net::ClientHalf& client = shared_.client(socket.number);
    const Net::Address to = header.remote.family != 0 ? header.remote : client.remote;
    ip_addr_t remote, local;
    if (to.family == 0 || !to_lwip(to, remote) || !to_lwip(header.local, local)) return ERR_RTE;
    const ip_addr_t& bound = socket.udp != nullptr ? socket.udp->local_ip : socket.raw->local_ip;
    if (any(header.local)) ip_addr_copy(local, bound);
    if (!IP_IS_ANY_TYPE_VAL(local) && !ip_addr_isany(&local) && IP_GET_TYPE(&local) != IP_GET_TYPE(&remote))
        return ERR_RTE;
    netif* route = ip_route(&local, &remote);
    if (route == nullptr || !netif_is_link_up(route)) return ERR_RTE;
    if (IP_IS_ANY_TYPE_VAL(local) || ip_addr_isany(&local) || many(local, route)) {
        const ip_addr_t* source = ip_netif_get_local_ip(route, &remote);
        if (source == nullptr) return ERR_RTE;
        ip_addr_copy(local, *source);
    }
    if (IP_IS_V6(&remote) && ip6_addr_lacks_zone(ip_2_ip6(&remote), IP6_UNKNOWN))
        ip6_addr_assign_zone(ip_2_ip6(&remote), IP6_UNKNOWN, route);

    const u32 own = socket.udp != nullptr ? 8 : 0;
    if (header.length + own + (IP_IS_V4(&remote) ? 20 : 0) > 65'535) return ERR_VAL;
    if (!interface_.room(frames_of(header.length + own, IP_IS_V6(&remote), route->mtu)))
        return ERR_WOULDBLOCK;

    // Of an echo request the first bytes are ours: its identifier is the socket's.
    pbuf* packet = nullptr;
    u32 left = header.length;
    if (socket.kind == Net::Kind::echo) {
        if (left < kEchoHeader) return ERR_VAL;
        packet = pbuf_alloc(PBUF_IP, kEchoHeader, PBUF_RAM);
        if (packet == nullptr) return ERR_MEM;
        auto* icmp = static_cast<u8*>(packet->payload);
        if (!get_bytes(socket, position, icmp, kEchoHeader)) {
            pbuf_free(packet);
            return ERR_ARG;
        }
        icmp[0] = IP_IS_V6(&remote) ? u8{ICMP6_TYPE_EREQ} : u8{ICMP_ECHO};
        icmp[1] = icmp[2] = icmp[3] = 0;
        icmp[4] = static_cast<u8>(socket.identifier >> 8);
        icmp[5] = static_cast<u8>(socket.identifier);
        position += kEchoHeader;
        left -= kEchoHeader;
    }
    while (left > 0) {
        u32 run = left;
        const u8* bytes = send_at(socket, position, run);
        pbuf* piece = bytes != nullptr ? pbuf_alloc(PBUF_RAW, static_cast<u16_t>(run), PBUF_REF) : nullptr;
        if (piece == nullptr) {
            if (packet != nullptr) pbuf_free(packet);
            return bytes == nullptr ? ERR_ARG : ERR_MEM;
        }
        piece->payload = const_cast<u8*>(bytes);
        if (packet == nullptr) packet = piece;
        else pbuf_cat(packet, piece);
        position += run;
        left -= run;
    }
    if (packet == nullptr) packet = pbuf_alloc(PBUF_TRANSPORT, 0, PBUF_RAM);
    if (packet == nullptr) return ERR_MEM;
    if (socket.kind == Net::Kind::echo && IP_IS_V4(&remote)) {
        const u16 sum = inet_chksum_pbuf(packet);
        std::memcpy(static_cast<u8*>(packet->payload) + 2, &sum, 2);
    }
    const u8 ttl = header.ttl != 0 ? header.ttl : look(client.ttl);
    const u8 tos = header.tos != 0 ? header.tos : look(client.tos);
    err_t error;
    if (socket.udp != nullptr) {
        socket.udp->ttl = socket.udp->mcast_ttl = ttl != 0 ? ttl : u8{UDP_TTL};
        socket.udp->tos = tos;
        if ((socket.flags & Net::kBroadcast) != 0) ip_set_option(socket.udp, SOF_BROADCAST);
        else ip_reset_option(socket.udp, SOF_BROADCAST);
        error = udp_sendto_if_src(socket.udp, packet, &remote, to.port, route, &local);
    } else {
        socket.raw->ttl = socket.raw->mcast_ttl = ttl != 0 ? ttl : u8{RAW_TTL};
        socket.raw->tos = tos;
        if ((socket.flags & Net::kBroadcast) != 0) ip_set_option(socket.raw, SOF_BROADCAST);
        else ip_reset_option(socket.raw, SOF_BROADCAST);
        error = raw_sendto_if_src(socket.raw, packet, &remote, route, &local);
    }
    pbuf_free(packet);
    return error;
}

void Stack::send_datagrams(Socket& socket) {
    if (waiting_for_interface()) return;
    for (u32 sent = 0; socket.send_head != socket.send_tail; sent++) {
        if (sent == kTurn) return touch(socket);
        const u32 left = socket.send_tail - socket.send_head;
        Net::Datagram header;
        if (left < kHeader || !get_bytes(socket, socket.send_head, &header, kHeader) ||
            header.length > Net::kMaxDatagram || kHeader + padded(header.length) > left)
            return fail(socket, Net::Failure::broken);
        const err_t error = send_datagram(socket, header, socket.send_head + kHeader);
        if (error == ERR_ARG) return fail(socket, Net::Failure::broken);
        if (error == ERR_WOULDBLOCK) return starve(socket);
        if (const Net::Failure failure = failure_of(error); failure != Net::Failure::none) {
            socket.failure = failure;
            socket.failures++;
        }
        if (error == ERR_OK) counts().datagrams_sent++;
        socket.send_head += kHeader + padded(header.length);
        socket.news = true;
    }
}

}  // namespace pith::stack
