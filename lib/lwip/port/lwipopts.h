/* SPDX-License-Identifier: MIT
 * lwIP's configuration: one thread, no sockets of its own, bounded pools, timers and demultiplexing by servers/net/stack. */
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 1
#define LWIP_TIMERS_CUSTOM 1
#define LWIP_STATS 1                 /* only what is bad of TCP */
#define TCP_STATS 1
#define LINK_STATS 0
#define ETHARP_STATS 0
#define IP_STATS 0
#define IPFRAG_STATS 0
#define ICMP_STATS 0
#define IGMP_STATS 0
#define UDP_STATS 0
#define MEM_STATS 0
#define MEMP_STATS 0
#define SYS_STATS 0
#define IP6_STATS 0
#define ICMP6_STATS 0
#define IP6_FRAG_STATS 0
#define MLD6_STATS 0
#define ND6_STATS 0
#define LWIP_STATS_LARGE 1
#define LWIP_DEBUG 0
#define LWIP_HOOK_FILENAME "hooks.h"
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1

/* Memory. What mem_malloc() gives comes from a bounded heap (pith_lwip_allocate). */
#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1
#define mem_clib_malloc pith_lwip_allocate
#define mem_clib_calloc(count, size) pith_lwip_allocate((count) * (size))
#define mem_clib_free pith_lwip_free
#define MEMP_NUM_TCP_PCB 5120        /* Net::kSockets, and 1,024 in TIME_WAIT */
#define MEMP_NUM_TCP_PCB_LISTEN 512
#define MEMP_NUM_TCP_SEG 6144
#define MEMP_NUM_PBUF 12288          /* without data of their own: what refers to a send ring, and views of others */
#define MEMP_NUM_UDP_PCB 514         /* two of DHCP's */
#define MEMP_NUM_RAW_PCB 128
#define MEMP_NUM_REASSDATA 8
#define MEMP_NUM_ND6_QUEUE 32
#define MEMP_NUM_ARP_QUEUE 32
#define PBUF_POOL_SIZE 1024          /* what is copied of received frames: their headers, and all of short ones */
#define PBUF_POOL_BUFSIZE 256
#define LWIP_SUPPORT_CUSTOM_PBUF 1

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ARP 1
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 8
#define ARP_TABLE_SIZE 256           /* all of a usual network, so that nobody pushes others out */
#define LWIP_NETIF_HWADDRHINT 1      /* ... and a connection remembers where in it its neighbour is */
#define ETHARP_SUPPORT_STATIC_ENTRIES 0
#define ETHARP_TRUST_IP_MAC 0
#define IP_FORWARD 0
#define IP_REASSEMBLY 1
#define IP_FRAG 1
#define IP_REASS_MAX_PBUFS 192       /* two for each frame: the largest datagram in frames of 1,500 bytes, twice */
#define IP_REASS_MAXAGE 15
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_RAW 1
#define LWIP_DHCP 1
#define DHCP_DOES_ARP_CHECK 0
#define LWIP_DHCP_CHECK_LINK_UP 1
#define LWIP_DNS 1                   /* so that DHCP tells of name servers; the resolver itself is not built */
#define DNS_MAX_SERVERS 4
#define LWIP_DHCP_MAX_DNS_SERVERS 4
#define LWIP_AUTOIP 0
#define LWIP_IGMP 1
#define MEMP_NUM_IGMP_GROUP 65       /* Net::kMaxGroups, and all hosts */
#define LWIP_IPV6_MLD 1
#define MEMP_NUM_MLD6_GROUP 80       /* Net::kMaxGroups, and those of the interface's own addresses */
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_DHCP6 0
#define LWIP_IPV6_REASS 1
#define LWIP_IPV6_FRAG 1
#define LWIP_ND6_NUM_NEIGHBORS 64
#define LWIP_ND6_NUM_DESTINATIONS 64
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 0
#define LWIP_IPV6_NUM_ADDRESSES 4
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 0
#define SO_REUSE_RXTOALL 1           /* what is for many is for all sockets that it fits */
#define SO_REUSE 1                   /* an exact address goes before "any"; lwIP's own checks of ports are not used */
#define LWIP_UDP 1

/* The sum over a segment is made while it is copied to its frame (servers/net/stack/interface.cpp). */
#define CHECKSUM_GEN_TCP 0
#define LWIP_CHECKSUM_ON_COPY 0
#define TCP_CHECKSUM_ON_COPY 0

#define LWIP_TCP 1
#define TCP_MSS 1460
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)         /* Net::kRingSize */
#define TCP_WND_UPDATE_THRESHOLD (TCP_WND / 8)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 4096
#define TCP_SNDLOWAT 32768
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES (128 * 1024)
#define TCP_OOSEQ_MAX_PBUFS 128
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 1
#define LWIP_TCP_KEEPALIVE 1
#define TCP_LISTEN_BACKLOG 0         /* counted by servers/net/stack/listener.cpp */
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1
#define TCP_TMR_INTERVAL 50          /* milliseconds: delayed acknowledgements; retransmission counts in twice that */
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10 * (mss))) /* RFC 6928 */
#define TCP_MSL 30000
#define TCP_MAXRTX 12
#define TCP_SYNMAXRTX 6
