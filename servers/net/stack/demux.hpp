// SPDX-License-Identifier: MIT
// Finds the connection that a segment belongs to: a hash table of lwIP's control blocks by addresses and ports, keyed by a secret, so that nobody can
// choose ports that meet. A control block is in it from the time that it has all four until lwIP frees it.
#pragma once

#include <lwip/tcp.h>
#include "abi/types.hpp"
#include "protocol/net.hpp"
#include "servers/net/stack/port.hpp"
#include "servers/net/stack/socket.hpp"

namespace pith::stack {

class Demux {
  public:
    struct Node {
        tcp_pcb* pcb;
        Socket* socket;  ///< nullptr: in TIME_WAIT, nobody's any more
        Node* next;
        u32 bucket;
        bool waiting = false;  ///< in TIME_WAIT, in a list by age
        Node *older = nullptr, *newer = nullptr;
    };

    static constexpr u32 kNodes = MEMP_NUM_TCP_PCB;

    /// `memory`: of the stack's reserve, for kNodes of them.
    void start(u64 secret, Port& port, Node* memory);
    /// Enters `pcb`, for as long as it lives.
    Node& insert(tcp_pcb* pcb, Socket* socket);
    tcp_pcb* find(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) const;
    void remove(Node& node);
    /// It is in TIME_WAIT from now on.
    void wait(Node& node);
    /// The one that has been waiting for longest; nullptr: there is none.
    Node* longest_waiting() { return oldest_; }
    u32 waiting() const { return waiting_; }
    static Node* node(const tcp_pcb* pcb) { return static_cast<Node*>(pcb->ext_args[0].data); }
    u32 count() const { return count_; }

  private:
    static constexpr u32 kBuckets = 4096;
    u32 bucket(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) const;

    u64 secret_ = 0;
    u32 count_ = 0;
    u32 waiting_ = 0;
    Node *oldest_ = nullptr, *newest_ = nullptr;
    Node* take();

    Port* port_ = nullptr;
    Node* fresh_ = nullptr;  ///< from here on they were never used
    Node* end_ = nullptr;
    Node* free_ = nullptr;
    Node* buckets_[kBuckets] = {};
};

}  // namespace pith::stack
