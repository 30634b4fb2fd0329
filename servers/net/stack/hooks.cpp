// SPDX-License-Identifier: MIT
// What lwIP asks (lib/lwip/port/hooks.h), and its bounded heap.
#include <hooks.h>

#include <cstdlib>
#include <cstring>

#include <lwip/dns.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/tcp.h>
#include "lib/base/assert.hpp"
#include "lib/lwip/checksum.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr usize kHeap = 3 << 20;  ///< bytes
constexpr usize kSmall = 184;     ///< what a segment's headers take: kept for the next one
struct Piece {
    union {
        usize size;
        Piece* next;
    };
    u64 align;
};
usize used = 0;
Piece* small = nullptr;

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

/// An ICMP error quotes the packet that it is about.
void look_for_error(const pbuf* packet) {
    const u8* ip = static_cast<const u8*>(packet->payload);
    const u32 length = packet->len;
    const bool six = length >= 40 && ip[0] >> 4 == 6;
    const u32 header = six ? 40 : (ip[0] & 15u) * 4;
    if (header < 20 || length < header + 8) return;
    if (six ? ip[6] != IP6_NEXTH_ICMP6 : ip[9] != IP_PROTO_ICMP || (ip[6] & 0x1f) != 0 || ip[7] != 0) return;
    const u8* icmp = ip + header;
    const Net::Failure failure = failure_of(six, icmp[0], icmp[1]);
    if (failure == Net::Failure::none) return;
    const u32 total = six ? 40u + static_cast<u32>(ip[4] << 8 | ip[5]) : static_cast<u32>(ip[2] << 8 | ip[3]);
    if (total < header + 8) return;
    u64 pseudo = 0;
    if (six)
        pseudo = checksum(ip + 8, 32, 0) % 0xffff + __builtin_bswap16(static_cast<u16>(total - 40)) +
                 u64{IP6_NEXTH_ICMP6} * 256;
    if (!checksum_right(packet, header, total - header, pseudo)) return;
    const u8* quoted = icmp + 8;
    const u32 left = length - header - 8;
    if (left < (six ? 40u : 20u)) return;
    const u32 quoted_header = six ? 40 : (quoted[0] & 15u) * 4;
    if (quoted_header < 20 || left < quoted_header + 8) return;
    ip_addr_t from{}, to{};
    u8 protocol;
    if (six) {
        protocol = quoted[6];
        IP_SET_TYPE_VAL(from, IPADDR_TYPE_V6);
        IP_SET_TYPE_VAL(to, IPADDR_TYPE_V6);
        std::memcpy(ip_2_ip6(&from)->addr, quoted + 8, 16);
        std::memcpy(ip_2_ip6(&to)->addr, quoted + 24, 16);
    } else {
        protocol = quoted[9];
        IP_SET_TYPE_VAL(from, IPADDR_TYPE_V4);
        IP_SET_TYPE_VAL(to, IPADDR_TYPE_V4);
        std::memcpy(&ip_2_ip4(&from)->addr, quoted + 12, 4);
        std::memcpy(&ip_2_ip4(&to)->addr, quoted + 16, 4);
    }
    const u8* ports = quoted + quoted_header;
    Stack::current().on_unreachable(six, protocol, from, static_cast<u16>(ports[0] << 8 | ports[1]), to,
                                    static_cast<u16>(ports[2] << 8 | ports[3]), failure);
}

}  // namespace
}  // namespace pith::stack

using pith::stack::Stack;

extern "C" {

unsigned pith_lwip_random(void) { return static_cast<unsigned>(Stack::current().port().random()); }

void pith_lwip_broken(const char* text) { pith::assertion_failed(text); }

void* pith_lwip_allocate(size_t size) {
    using namespace pith::stack;
    if (size <= kSmall && small != nullptr) {
        Piece* piece = small;
        small = piece->next;
        piece->size = kSmall;
        return piece + 1;
    }
    if (size < kSmall) size = kSmall;
    if (used + size > kHeap) return nullptr;
    auto* piece = static_cast<Piece*>(std::malloc(sizeof(Piece) + size));
    if (piece == nullptr) return nullptr;
    used += size;
    piece->size = size;
    return piece + 1;
}

void pith_lwip_free(void* memory) {
    using namespace pith::stack;
    Piece* piece = static_cast<Piece*>(memory) - 1;
    if (piece->size == kSmall) {
        piece->next = small;
        small = piece;
        return;
    }
    used -= piece->size;
    std::free(piece);
}

u32_t pith_lwip_sequence(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                         u16_t remote_port) {
    return Stack::current().sequence(*local, local_port, *remote, remote_port);
}

tcp_pcb* pith_lwip_find(const tcp_hdr* header, int time_wait) {
    tcp_pcb* pcb = Stack::current().demux().find(*ip_current_dest_addr(), header->dest,
                                                 *ip_current_src_addr(), header->src);
    if (pcb == nullptr || (pcb->state == TIME_WAIT) != (time_wait != 0)) return nullptr;
    if (time_wait == 0) return pcb;
    // A new connection of the same pair, beyond what the old one has had, need not wait (RFC 1122, 4.2.2.13).
    constexpr pith::u32 kOpening = TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN;
    if ((TCPH_FLAGS(header) & kOpening) != TCP_SYN || !TCP_SEQ_GT(header->seqno, pcb->rcv_nxt)) return pcb;
    tcp_abort(pcb);
    return nullptr;
}

err_t pith_lwip_segment(tcp_pcb* pcb, const tcp_hdr* header, pbuf* data) {
    Stack& stack = Stack::current();
    stack.counts().segments_received += stack.interface().merged();
    const pith::u8 flags = TCPH_FLAGS(header);
    if (pcb->state == LISTEN) return stack.on_listener_segment(pcb, flags);
    return stack.on_segment(pcb, header->seqno, flags, data->tot_len);
}

int pith_lwip_packet(pbuf* packet, netif*) {
    pith::stack::look_for_error(packet);
    return 0;
}

void pith_lwip_dhcp_option(netif*, u8_t option, u8_t length, pbuf* message, u16_t offset) {
    constexpr u8_t kDomain = 15;
    char text[255];
    if (option != kDomain || length == 0) return;
    const u16_t got = pbuf_copy_partial(message, text, length, offset);
    for (u16_t i = 0; i < got; i++) {
        if (text[i] < '!' || text[i] > '~') return;
    }
    Stack::current().interface().set_domain(text, got);
}

// lwIP's resolver is not there: programs have their own.
void dns_init(void) {}
void dns_setserver(u8_t number, const ip_addr_t* server) {
    Stack::current().interface().set_name_server(number, *server);
}

}  // extern "C"
