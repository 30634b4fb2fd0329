// SPDX-License-Identifier: MIT
#include "servers/net/stack/demux.hpp"

#include <utility>

#include "lib/base/assert.hpp"

namespace pith::stack {
namespace {

/// The high half of a product is as good as random where the low one is not (the mixing step of wyhash).
u64 mix(u64 a, u64 b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
}

u64 mix_address(u64 hash, const ip_addr_t& address) {
    if (IP_IS_V4_VAL(address)) return mix(hash ^ ip_2_ip4(&address)->addr, 0x9e3779b97f4a7c15);
    const u32* words = ip_2_ip6(&address)->addr;
    hash = mix(hash ^ (u64{words[0]} << 32 | words[1]), 0x9e3779b97f4a7c15);
    return mix(hash ^ (u64{words[2]} << 32 | words[3]), 0xd6e8feb86659fd93);
}

}  // namespace

void Demux::start(u64 secret, Port& port, Node* memory) {
    secret_ = secret;
    port_ = &port;
    fresh_ = memory;
    end_ = memory + kNodes;
}

/// A free one; nullptr: there is none.
Demux::Node* Demux::take() {
    if (free_ != nullptr) return std::exchange(free_, free_->next);
    if (fresh_ == end_ || !port_->need(reinterpret_cast<const u8*>(fresh_), sizeof(Node))) return nullptr;
    return fresh_++;
}

u32 Demux::bucket(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) const {
    u64 hash = mix_address(secret_ ^ (u64{local_port} << 16 | remote_port), remote);
    hash = mix_address(hash, local);
    return static_cast<u32>(hash >> 32) % kBuckets;
}

Demux::Node& Demux::insert(tcp_pcb* pcb, Socket* socket) {
    Node* node = take();
    PITH_ASSERT(node != nullptr);  // there are as many as control blocks
    const u32 at = bucket(pcb->local_ip, pcb->local_port, pcb->remote_ip, pcb->remote_port);
    *node = {pcb, socket, buckets_[at], at};
    buckets_[at] = node;
    count_++;
    return *node;
}

tcp_pcb* Demux::find(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) const {
    for (Node* node = buckets_[bucket(local, local_port, remote, remote_port)]; node != nullptr;
         node = node->next) {
        const tcp_pcb& pcb = *node->pcb;
        if (pcb.remote_port == remote_port && pcb.local_port == local_port &&
            ip_addr_cmp(&pcb.remote_ip, &remote) && ip_addr_cmp(&pcb.local_ip, &local))
            return node->pcb;
    }
    return nullptr;
}

void Demux::wait(Node& node) {
    node.waiting = true;
    node.older = newest_;
    if (newest_ != nullptr) newest_->newer = &node;
    else oldest_ = &node;
    newest_ = &node;
    waiting_++;
}

void Demux::remove(Node& node) {
    if (node.waiting) {
        (node.older != nullptr ? node.older->newer : oldest_) = node.newer;
        (node.newer != nullptr ? node.newer->older : newest_) = node.older;
        waiting_--;
    }
    Node** link = &buckets_[node.bucket];
    while (*link != &node) link = &(*link)->next;
    *link = node.next;
    node = {nullptr, nullptr, free_, 0};
    free_ = &node;
    count_--;
}

}  // namespace pith::stack
