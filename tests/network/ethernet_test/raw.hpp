// SPDX-License-Identifier: MIT
// An interface as a client has it that keeps to no rules: the bare Queues of its link.
#pragma once

#include "lib/os/mapping.hpp"
#include "lib/os/queue.hpp"
#include "tests/network/ethernet_test/harness.hpp"

namespace pith::test {

class Raw {
  public:
    explicit Raw(const Client<Ethernet>& driver) : driver_(driver) {}
    /// Whoever had it opens it anew later.
    Error open(u64 index = 0);
    const Ethernet::Open::Reply& facts() const { return facts_; }
    u8* window() const { return mapping_.as<u8>(facts_.window_offset); }
    QueueHeader& send_header() const { return *mapping_.as<QueueHeader>(); }
    QueueHeader& receive_header() const { return *mapping_.as<QueueHeader>(facts_.receive_offset); }
    Ethernet::State& state() const { return *mapping_.as<Ethernet::State>(facts_.state_offset); }

    static constexpr abi::Time kPatience = 30 * kSecond;
    /// One frame to send, one buffer to receive into: the error that it is answered with; timed_out: none comes.
    Error send(const Ethernet::Send& entry);
    Error receive(const Ethernet::Buffer& entry, abi::Time patience = kPatience);
    void notify() const { static_cast<void>(peer_.notify(facts_.bits)); }
    QueueClient<Ethernet::Send, Ethernet::Sent>& send_queue() { return send_; }
    QueueClient<Ethernet::Buffer, Ethernet::Received>& receive_queue() { return receive_; }

  private:
    template <typename Queue, typename Entry, typename Answer>
    Error run(Queue& queue, const Entry& entry, Answer& answer, abi::Time patience);
    const Client<Ethernet>& driver_;
    Ethernet::Open::Reply facts_{};
    Handle<Memory> link_;
    Mapping mapping_;
    Handle<Signal> peer_, own_;
    QueueClient<Ethernet::Send, Ethernet::Sent> send_;
    QueueClient<Ethernet::Buffer, Ethernet::Received> receive_;
};

}  // namespace pith::test
