// SPDX-License-Identifier: MIT
// What the stack keeps of a socket for itself: of all that is in the shared Block only these copies, which were checked, count.
#pragma once

#include "protocol/net.hpp"
#include "servers/net/stack/loss_recovery.hpp"

struct tcp_pcb;
struct udp_pcb;
struct raw_pcb;

namespace pith::stack {

inline constexpr u16 kNoSocket = 0xffff;

struct Socket {
    Net::Kind kind = Net::Kind::none;
    Net::State state = Net::State::free;
    Net::Failure failure = Net::Failure::none;
    u8 flags = 0;              ///< the client's, as they were applied
    u8 protocol = 0;           ///< of raw
    bool touched : 1 = false;  ///< it is in the round's list
    bool orphan : 1 = false;   ///< the client has let go; what is left is sent
    bool half_open : 1 =
        false;  ///< a connection coming in whose handshake is not complete: the client does not know of it
    bool unseen : 1 = false;  ///< came in, and the client has not yet seen it
    bool fin_queued : 1 = false;
    bool fin_received : 1 = false;
    bool recorded : 1 = false;  ///< there is a record of it
    bool corked : 1 = false;    ///< bytes wait for more, until `deadline`
    bool news : 1 = false;      ///< the client is to look at it
    bool deferred : 1 = false;  ///< lwIP had no room for what is to be sent
    bool v6_only : 1 = false;
    bool starved : 1 = false;  ///< segments or datagrams wait for room for their frames
    bool telling : 1 = false;  ///< its `told` is to be written down
    u32 generation = 0;
    u32 send_tail = 0;  ///< by the client
    u32 fed = 0;        ///< up to here lwIP has it
    u32 send_head = 0;
    u32 receive_tail = 0;
    u32 receive_head = 0;  ///< by the client
    u32 reserved = 0;      ///< up to here the receive ring has pages
    u32 limit = Net::kRingSize;
    u32 dropped = 0;  ///< bytes acknowledged, and never in the ring
    u32 wake_at = 0;
    u32 first_sent = 0;      ///< initial sequence number
    u32 first_received = 0;  ///< the peer's
    u32 backlog = 0;         ///< of a listener
    u32 waiting = 0;         ///< of a listener: connections that the client has not yet seen
    u32 opening = 0;         ///< of a listener: half-open connections
    u32 listener_generation = 0;
    u16 listener = kNoSocket;
    u16 next_opening = kNoSocket, previous_opening = kNoSocket;  ///< half-open connections by age
    u32 failures = 0, drops = 0;
    u32 user_timeout = 0;
    u32 retransmissions = 0;
    LossRecovery loss;
    u64 progress = 0;  ///< when bytes were last acknowledged, or the first unacknowledged one was sent
    u64 deadline = 0;  ///< of corked
    u64 objected = 0;  ///< when the peer was told that it acknowledges what was never sent
    u64 record_count = 0;
    tcp_pcb* tcp = nullptr;  ///< a tcp_pcb_listen, of a listener
    tcp_pcb* tcp6 = nullptr;
    udp_pcb* udp = nullptr;
    raw_pcb* raw = nullptr;
    u16 number = 0;
    u16 identifier = 0;                            ///< of echo
    u32 recorded_sent = 0, recorded_received = 0;  ///< sequence numbers in the newest record
    u16 recorded_flags = 0;
    u8 recorded_state = 0;
    u32 told_acknowledged = 0,
        told_edge = 0;  ///< what the peer was told of: the last byte received, and the window's edge
};

}  // namespace pith::stack
