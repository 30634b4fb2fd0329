/* SPDX-License-Identifier: MIT
 * What lwIP asks the stack (servers/net/stack/hooks.cpp). */
#pragma once

#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

struct dhcp;
struct netif;
struct tcp_hdr;
struct tcp_pcb;

#ifdef __cplusplus
extern "C" {
#endif
/* The initial sequence number of a connection (RFC 6528). */
u32_t pith_lwip_sequence(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote, u16_t remote_port);
/* The connection to which the segment being received belongs (header in host order): in TIME_WAIT, or in any other state. */
struct tcp_pcb* pith_lwip_find(const struct tcp_hdr* header, int time_wait);
/* A segment has arrived for `pcb`. Not ERR_OK: it is dropped. */
err_t pith_lwip_segment(struct tcp_pcb* pcb, const struct tcp_hdr* header, struct pbuf* data);
/* An acknowledgement has been taken: `bytes` are newly acknowledged, or it may be a duplicate. The options lie in two pieces. */
void pith_lwip_acknowledged(struct tcp_pcb* pcb, const struct tcp_hdr* header, u16_t options_length, u16_t first_length,
                            const u8_t* second, u32_t bytes, int duplicate);
/* All that is not acknowledged is about to be sent again. */
void pith_lwip_timed_out(struct tcp_pcb* pcb);
/* An IP packet has arrived, its header not yet checked. Not 0: it was eaten. */
int pith_lwip_packet(struct pbuf* packet, struct netif* from);
/* An option of DHCP that lwIP does not know. */
void pith_lwip_dhcp_option(struct netif* netif, u8_t option, u8_t length, struct pbuf* message, u16_t offset);
#ifdef __cplusplus
}
#endif

/* Of tcp_pcb.flags: loss recovery has something to remember. Of tcp_seg.flags: the peer has it; it was sent again since recovery began. */
#define PITH_TF_LOSS 0x2000U
#define PITH_SEG_SACKED 0x20U
#define PITH_SEG_RESENT 0x40U
/* In tcp_receive(). Nothing is asked of an acknowledgement in order, without options other than timestamps, when nothing is missing. */
#define LWIP_HOOK_TCP_ACKNOWLEDGED(pcb, bytes, duplicate) \
    do { \
        if ((duplicate) || ((pcb)->flags & PITH_TF_LOSS) != 0 || tcphdr_optlen != ((pcb)->flags & TF_TIMESTAMP ? 12 : 0)) \
            pith_lwip_acknowledged(pcb, tcphdr, tcphdr_optlen, tcphdr_opt1len, tcphdr_opt2, bytes, duplicate); \
    } while (0)
#define LWIP_HOOK_TCP_TIMED_OUT pith_lwip_timed_out

#define LWIP_HOOK_TCP_ISN pith_lwip_sequence
#define LWIP_HOOK_TCP_FIND pith_lwip_find
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, length, length1, options2, data) pith_lwip_segment(pcb, header, data)
#define LWIP_HOOK_IP4_INPUT(packet, from) pith_lwip_packet(packet, from)
#define LWIP_HOOK_IP6_INPUT(packet, from) pith_lwip_packet(packet, from)
#define LWIP_HOOK_DHCP_PARSE_OPTION(netif, dhcp, state, message, type, option, length, data, offset) \
    do { LWIP_UNUSED_ARG(message); pith_lwip_dhcp_option(netif, option, length, data, offset); } while (0)
