// SPDX-License-Identifier: MIT
// EthernetClient: one interface of a driver (protocol/ethernet.hpp), for a server with an event loop:
//
//   EthernetClient interface(driver, 0);
//   interface.changed = [&] { ... };        // it was opened (again), or could not be: attached(), address(), link_up() may be others
//   PITH_CHECK(interface.open(loop.signal(), bit, now() + 10 * kSecond));
//   loop.on_signal(bit, [&](u64) {
//       for (EthernetFrame frame; interface.receive(frame);) { ...; interface.give_back(frame.id); }
//       ...  // look at link_up(), send what waited for a buffer
//       interface.publish();
//   });
//   loop.on_signal(kSignalReborn, [&](u64) { interface.reborn(); });
//
// To send: take a buffer(), fill its bytes(), queue() it. What was queued and given back is unseen by the driver until publish(),
// which costs one notification at most: call it at the end of each round, also when nothing was queued.
//
// The driver may die at any time: frames are lost then, as frames are. Received frames and buffers stay good, at the same addresses.
// A driver that breaks the protocol is opened again, more and more rarely; so is one that does not answer.
#pragma once

#include "lib/net/ethernet_rings.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/task.hpp"

namespace pith {

class EthernetClient : public EthernetRings {
  public:
    /// `driver` outlives it.
    EthernetClient(const Client<Ethernet>& driver, u64 index) : driver_(driver), index_(index) {}

    /// Opens the interface, waiting for the driver until `deadline` at most. `signal` (the event loop's, right notify) gets `bits` when there
    /// is something to look at. not_found: the driver has no such interface (yet: reborn() looks again); io, occupied, no_memory, timed_out,
    /// held_down: it is tried again later, and `changed` called then.
    Result<> open(const Handle<Signal>& signal, u64 bits, abi::Time deadline);
    /// Shows the driver what is new.
    void publish() {
        if (flush()) static_cast<void>(peer_.notify(peer_bits_));
        if (take_broken()) broken();
    }
    /// A supplier of this component's was started again, perhaps this driver: if so, opens the interface again.
    void reborn();
    /// What the interface has done since the driver's first start.
    Result<Ethernet::Statistics::Reply> statistics(abi::Time deadline) const {
        return driver_.call(Ethernet::Statistics{index_}, deadline);
    }

    /// Called after each attempt to open it but the first.
    Callback<void()> changed;

  private:
    static constexpr abi::Time kPatience = 50'000'000;
    static constexpr abi::Time kFirstPause = 10'000'000;
    static constexpr u32 kMostFailures = 9;  ///< in a row that count
    struct Watch : Timer {
        explicit Watch(EthernetClient& of) : Timer(&expired), client(of) {}
        static void expired(Timer& timer) { static_cast<Watch&>(timer).client.reopen(); }
        EthernetClient& client;
    };
    bool driver_alive() const { return peer_.valid() && peer_.info().ok(); }
    Result<> try_open(abi::Time deadline);
    void reopen();
    void reopen_later();
    void broken();

    const Client<Ethernet>& driver_;
    const u64 index_;
    const Handle<Signal>* signal_ = nullptr;
    u64 bits_ = 0;
    Handle<Memory> link_;
    Mapping mapping_;
    Handle<Signal> peer_;
    u64 peer_bits_ = 0;
    Watch watch_{*this};
    u32 failures_ = 0;  ///< in a row
    abi::Time opened_at_ = 0;
};

}  // namespace pith
