// SPDX-License-Identifier: MIT
// The network: sockets of TCP, UDP and raw IP over the machine's interfaces. Spoken by servers/net; used by the Linux server through
// lib/net. docs/network.md says why it is as it is. One client.
//
// Nothing is asked and answered: the two sides *share state*. In the link, a Memory in the server's keep Pool, each socket has a Block of
// two halves: the client writes what it wants, the server what there is. Whoever has changed its half puts the socket's number in a ring
// (once: `pending` says that it is in there) and notifies the other's Signal. What a ring says is only where to look; all that
// counts is in the Blocks. So either side can lose its rings at any time, and looks at every Block then (the server at every one whose number was ever entered,
// or given by itself).
//
// Bytes travel in two ring buffers a socket: one to send, written by the client; one received, written by the server. A ring buffer has
// positions that count bytes from 0 on and wrap at 2^32; the byte at position p is in page `pages[p / kPageSize % kRingPages]` of the window, at
// p % kPageSize. Pages kFirstSendPage to kPages - 1 are the client's to give to its send rings, pages 0 to kFirstSendPage - 1 the server's for what is
// received. A page belongs to a ring where it holds a byte between head and tail.
//
// A stream's bytes in the send ring stay there until the peer has acknowledged them (`send_head`), and nothing is acknowledged to the peer before it
// is in the receive ring. So all that a crash of the server can take is what it keeps of each connection, and that it keeps in preserved Memory
// (docs/network.md). A ring of datagrams holds records: a Datagram, then its bytes, then padding to a multiple of 8; head and tail are between records.
//
// Resuming. After kSignalReborn the client opens again with the same session, and looks at every Block; the server, reborn, has done so with its own records. Nothing is sent again.
//
// Trust. Each side copies what the other wrote once, checks it, and keeps private copies of its own: the server believes no page number, position or
// generation of the client's, and the other way round. What can't be costs that socket (failure `broken`) or, for the rings of numbers, a new Open.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Net {
    static constexpr const char* kName = "net";

    // --- sizes ---
    static constexpr u32 kSockets = 4096;  ///< a power of two: the rings of numbers have as many entries
    static constexpr u32 kFirstServerSocket =
        2048;  ///< from here on: connections that came in, numbered by the server; below: the client's own
    static constexpr u32 kPageSize = 4096;
    static constexpr u32 kRingPages = 64;                     ///< of a ring buffer
    static constexpr u32 kRingSize = kRingPages * kPageSize;  ///< bytes between head and tail, at most
    static constexpr u32 kPages = 2048;                       ///< of the window
    static constexpr u32 kFirstSendPage = 1024;
    static constexpr u32 kMaxInterfaces = 4;
    static constexpr u32 kMaxAddresses = 8;  ///< of an interface
    static constexpr u32 kMaxNameServers = 4;
    static constexpr u32 kMaxDatagram = 65535;
    static constexpr u32 kMaxGroups = 64;  ///< multicast groups that the client is in
    static constexpr u16 kNoPage = 0xffff;

    /// An IP address and a port.
    struct Address {
        u8 family;  ///< 0: none (any), 4 or 6
        u8 reserved;
        u16 port;      ///< in the machine's byte order
        u32 scope;     ///< of a link-local address: the interface, counted from 1; 0: none
        u8 bytes[16];  ///< in network order; of IPv4 the first four, the others 0
        bool operator==(const Address&) const = default;
    };
    static_assert(sizeof(Address) == 24);

    enum class Kind : u8 {
        none = 0,  ///< the client does not use this socket, or no longer
        stream,    ///< a connection of TCP
        listener,  ///< of TCP
        datagram,  ///< UDP
        raw,  ///< IP packets of protocol `protocol`, sent without their IP header; received with it (IPv4) or without (IPv6), as Linux does
        echo,  ///< ICMP echo requests; `local.port` is their identifier (Linux: SOCK_DGRAM, IPPROTO_ICMP)
    };

    enum class State : u8 {
        free = 0,     ///< the server has nothing of it: its number can be used again
        open,         ///< datagram, raw, echo, listener: it is there
        connecting,   ///< stream
        established,  ///< stream; also when one side or both have closed
        closed,  ///< stream: nothing more will be sent or received by the network; `failure` says why. What is in the receive ring may be taken
    };

    enum class Failure : u8 {
        none = 0,     ///< closed by both sides in order
        refused,      ///< the peer does not listen there
        reset,        ///< by the peer
        timed_out,    ///< no answer; also of keep-alive
        unreachable,  ///< there is no route
        host_unreachable,
        in_use,     ///< the address, or the pair of addresses
        not_local,  ///< `local` is no address of this machine
        no_memory,  ///< the server has no room for it
        broken,     ///< the client has broken the protocol
        too_long,   ///< a datagram that can't be sent
    };

    /// Bits of ClientHalf::flags.
    static constexpr u8 kSendClosed = 1;     ///< nothing more comes behind send_tail: FIN follows it
    static constexpr u8 kReceiveClosed = 2;  ///< what arrives is acknowledged and dropped
    static constexpr u8 kAbort = 4;         ///< with Kind::none: RST, and what is in the send ring is dropped
    static constexpr u8 kNoDelay = 8;       ///< of a stream: Nagle's algorithm is off
    static constexpr u8 kReportErrors = 8;  ///< of datagrams: ICMP errors come as records (Datagram::report)
    static constexpr u8 kKeepAlive = 16;
    static constexpr u8 kBroadcast = 32;
    static constexpr u8 kV6Only = 64;
    static constexpr u8 kCork = 128;  ///< segments that are not full wait, 200 ms at most

    /// Bits of ServerHalf::flags.
    static constexpr u8 kPeerClosed = 1;  ///< nothing more comes behind receive_tail

    /// What the client wants; the fields up to `generation` are fixed as long as that is.
    struct ClientHalf {
        Kind
            kind;  ///< the last field to be written for a new use. none: the client lets go; the server sends what is left, and closes
        u8 flags;  ///< may change at any time
        u8 protocol;  ///< of raw
        u8 ttl;       ///< 0: the default
        u8 tos;
        u8 reserved[3];
        /// Of the client's own sockets: counted up for each use, never 0. Of the server's: what the server's half says, once the client has seen it.
        u32 generation;
        u32 backlog;  ///< of a listener: connections that the client has not yet seen, at most
        Address
            local;  ///< the client chooses ports, and sees to it that they don't collide; family 0 or address 0: any
        Address remote;  ///< of a stream: to connect to; of datagrams: the only peer, or none
        u32 send_tail;
        u32 receive_head;
        u32 receive_limit;                         ///< bytes in the receive ring, at most; 0: kRingSize
        u32 keep_idle, keep_interval, keep_count;  ///< seconds, seconds, probes; 0: 7200, 75, 9
        u32 user_timeout;  ///< milliseconds that sent bytes may stay unacknowledged; 0: the default
        u32 pending;       ///< atomic: 1: this socket's number is in the ring to the server
        u16 send_pages[kRingPages];
    };

    /// What there is.
    struct ServerHalf {
        State state;
        Failure
            failure;  ///< of datagrams: that of the last one, an ICMP error perhaps; a new one has another `failures`
        u8 flags;
        u8 reserved;
        /// The client's, of which this half speaks; of the server's own sockets counted up for each use, never 0.
        u32 generation;
        u32 listener;             ///< of a connection that came in: by which socket
        u32 listener_generation;  ///< ... of which generation
        Address local;            ///< as it is: of a stream the address that it uses
        Address remote;
        u32 send_head;  ///< bytes before it are acknowledged (stream), or have been sent (others)
        u32 receive_tail;
        u32 wake_at;  ///< the client tells the server (ring and Signal) when receive_head gets there or beyond
        u32 failures;           ///< counted
        u32 drops;              ///< datagrams that found no room
        u32 mss;                ///< the rest of a stream's: for TCP_INFO
        u32 round_trip;         ///< microseconds, smoothed; 0: not known
        u32 congestion_window;  ///< bytes
        u32 send_window;        ///< bytes, as the peer last told
        u32 retransmissions;
        u32 pending;  ///< atomic: 1: this socket's number is in the ring to the client
        u16 receive_pages[kRingPages];
    };

    struct Block {
        alignas(64) ClientHalf client;
        alignas(64) ServerHalf server;
    };
    static_assert(sizeof(ClientHalf) == 224 && sizeof(ServerHalf) == 236 && sizeof(Block) == 512);

    /// Before each datagram in a ring.
    struct Datagram {
        u32 length;      ///< bytes of it, at most kMaxDatagram
        u32 interface;   ///< received: by which interface, counted from 1
        Address remote;  ///< received: from; sent: to (family 0: the socket's remote)
        Address local;   ///< received: to which address; sent: from (family 0: as the route says)
        u8 ttl;          ///< received: of the packet; sent: 0 is the socket's
        u8 tos;
        /// Received: 1 where this is no datagram but an ICMP error about one that was sent (kReportErrors): `remote` is where that was to go, `local`
        /// who says so, and the bytes are what is quoted of its own bytes (of raw and echo: from its ICMP or other header on).
        u8 report;
        u8 icmp_type, icmp_code;
        u8 reserved;
        u16 mtu;  ///< of a report that it was too big: what fits
    };
    static_assert(sizeof(Datagram) == 64);

    struct InterfaceAddress {
        u8 family;  ///< 4, 6; 0: none, as all behind it
        u8 prefix;  ///< bits
        u8 reserved[2];
        u32 lifetime;  ///< seconds when it was written; ~0: for ever
        u8 bytes[16];
    };
    struct Interface {
        char name[16];  ///< ended by 0; "eth0". Empty: there is none, and none behind it
        u8 hardware_address[6];
        u16 flags;  ///< kUp, kConfigured
        u32 mtu;
        u32 reserved;
        InterfaceAddress addresses[kMaxAddresses];
        u8 gateway4[4];  ///< 0: none
        u8 reserved2[4];
        u8 gateway6[16];
        u64 received_frames, received_bytes, receive_drops;
        u64 sent_frames, sent_bytes, send_drops;
    };
    static constexpr u16 kUp = 1;  ///< there is a carrier
    static constexpr u16
        kConfigured = 2;  ///< it has an IPv4 address, or none is to be had: DHCP has given up for now
    static constexpr u16 kTrying = 4;  ///< DHCP is under way

    /// A multicast group that an interface is to be in (RFC 2236, RFC 2710).
    struct Group {
        u8 family;  ///< 4, 6; 0: none
        u8 reserved[3];
        u32 interface;  ///< counted from 1
        u8 bytes[16];   ///< as Address::bytes
        bool operator==(const Group&) const = default;
    };
    static_assert(sizeof(Group) == 24);

    /// A ring of socket numbers: one writer, one reader.
    struct NumberRing {
        alignas(64) u32 tail;          ///< written by who enters
        alignas(64) u32 head;          ///< written by who takes
        alignas(64) u32 reader_awake;  ///< 1: the reader looks again before it waits: no need to notify it
        alignas(64) u16 numbers[kSockets];
    };

    /// The link's layout. The window follows it.
    struct Link {
        NumberRing to_server;
        NumberRing to_client;
        /// The client's, in no order; `group_sequence` is odd while it writes them, and another each time. It notifies the server then. What comes for
        /// other groups is dropped, but for that of all hosts; which socket gets it is decided by port and address as always, and each of several gets it.
        alignas(64) u32 group_sequence;
        Group groups[kMaxGroups];
        alignas(64) u32
            sequence;  ///< of what follows up to the Blocks: odd while the server writes it, another each time
        u32 name_server_count;
        Address name_servers[kMaxNameServers];
        char domain[64];  ///< ended by 0
        Interface interfaces[kMaxInterfaces];
        alignas(4096) Block blocks[kSockets];
    };
    static constexpr u64 kWindowOffset = (sizeof(Link) + kPageSize - 1) / kPageSize * kPageSize;
    static constexpr u64 kLinkSize = kWindowOffset + u64{kPages} * kPageSize;

    /// `session` is a number of the client's that no earlier client had, not 0: another one than at the last Open closes all that the earlier client left (as kAbort does), and makes the link empty. Sent along: a Signal of the
    /// client (right notify), which gets `bits`. Comes back: the link (a Memory, read and write), and a Signal (right notify) which gets the reply's
    /// `bits`. Both sides look at the Blocks after it, and the client enters the numbers of those that it uses. Never waits for the network.
    /// Errors: occupied: another component is its client; no_memory. Idempotent.
    struct Open {
        static constexpr u16 kOpcode = 1;
        u64 session;
        u64 bits;
        struct Reply {
            u64 instance;  ///< another one for each life of the server
            u64 bits;
        };
    };

    /// What the server has used and could use.
    struct Statistics {
        static constexpr u16 kOpcode = 2;
        struct Reply {
            u64 connections, listeners, datagram_sockets, half_open,
                waiting;  ///< now; `waiting`: in TIME_WAIT
            u64 receive_pages_used;
            u64 opened_actively, opened_passively, failed_attempts, resets;  ///< since its first start
            u64 segments_received, segments_sent, segments_retransmitted, bad_segments;
            u64 datagrams_received, datagrams_sent, datagram_drops;
            u64 restored;   ///< connections that were taken over from a dead predecessor, ever
            u64 heap_used;  ///< bytes
        };
    };
    using Methods = MethodList<Open, Statistics>;
};

}  // namespace pith
