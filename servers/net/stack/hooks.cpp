// SPDX-License-Identifier: MIT
// What lwIP asks (lib/lwip/port/hooks.h), and its bounded heap.
#include <hooks.h>

#include <cstdlib>
#include <cstring>

#include <lwip/dns.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>
#include "lib/base/assert.hpp"
#include "servers/net/stack/icmp_errors.hpp"
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

void* pith_lwip_pools(void) { return Stack::current().pools(); }
int pith_lwip_need(void* memory, size_t size) {
    return Stack::current().port().need(static_cast<const pith::u8*>(memory), size) ? 1 : 0;
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
    return stack.on_segment(pcb, header->seqno, header->ackno, flags, data->tot_len);
}

void pith_lwip_acknowledged(tcp_pcb* pcb, const tcp_hdr* header, u16_t options_length, u16_t first_length,
                            const u8_t* second, u32_t bytes, int duplicate) {
    const auto* options = reinterpret_cast<const u8_t*>(header + 1);
    const u16_t rest = second == nullptr ? u16_t{0} : static_cast<u16_t>(options_length - first_length);
    Stack::current().on_acknowledged(
        pcb, {header->ackno, bytes, duplicate != 0, false,
              pith::stack::find_sack_blocks({options, first_length}, {second, rest})});
}

void pith_lwip_timed_out(tcp_pcb* pcb) {
    auto* socket = static_cast<pith::stack::Socket*>(pcb->callback_arg);
    if (socket != nullptr) pith::stack::timed_out(*pcb, socket->loss);
}

int pith_lwip_packet(pbuf* packet, netif*) {
    if (const auto error = pith::stack::icmp_error_in(packet)) Stack::current().on_icmp_error(*error);
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
