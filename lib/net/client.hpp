// SPDX-License-Identifier: MIT
// NetClient: the link to the stack of a system (protocol/net.hpp), for an event loop:
//
//   NetClient net(Client<Net>::from_start(), session);
//   net.open(loop.signal(), bit, deadline);      // `bit`: net.look() is called when it comes
//   loop.on_signal(kSignalReborn, [&](u64) { net.reborn(); });
//   NetSocketRef socket = net.sockets.make(...);
//
// The stack may die at any time: sockets go on with its successor, from the link. One that is held down costs all sockets, and is looked at again now
// and then. What sockets have to tell the stack is told at the end of the event loop's round, once.
#pragma once

#include "lib/net/sockets.hpp"
#include "lib/os/deadline_keeper.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/task.hpp"

namespace pith {

class NetClient {
  public:
    NetClient(Client<Net> server, u64 session);
    NetClient(const NetClient&) = delete;
    NetClient& operator=(const NetClient&) = delete;

    /// Opens, waiting for the stack until `deadline` at most. `signal` (the event loop's) gets `bits` when there is something to look at. When it fails
    /// it is tried again by itself, but for `occupied`.
    Result<> open(const Handle<Signal>& signal, u64 bits, abi::Time deadline);
    /// The bits have come.
    void look();
    /// A supplier was started again, perhaps the stack.
    void reborn();
    Result<Net::Statistics::Reply> statistics(abi::Time deadline) const {
        return server_.call(Net::Statistics{}, deadline);
    }

    /// Tells the stack now what waits to be told.
    void flush() {
        if (waiting()) tell();
    }
    /// Something waits to be told: `patient` said that more may come at once.
    bool waiting() const { return delay_.armed(); }

    NetSockets sockets;
    /// Asked when there is something to tell. True: a program runs on, and may soon have more to tell; whoever says so calls flush() when it does not.
    /// Nothing waits for longer than kMostDelay.
    Callback<bool()> patient;
    /// The stack is back after it was held down, or had not been there at the start: what there was is lost, and can be made again.
    Callback<void()> returned;

  private:
    static constexpr abi::Time kPatience = 50'000'000;
    static constexpr abi::Time kLookInterval = 1'000'000'000;
    static constexpr u32 kMostSilences = 5;
    /// A deadline that a thread keeps (lib/os/deadline_keeper.hpp), so that the loop receives quickly meanwhile.
    static constexpr abi::Time kMostDelay = DeadlineKeeper::kStep;
    struct Delay : Timer {
        explicit Delay(NetClient& of) : Timer(&expired), client(of) {}
        static void expired(Timer& timer) { static_cast<Delay&>(timer).client.tell(); }
        NetClient& client;
    };
    struct Watch : Timer {
        explicit Watch(NetClient& of) : Timer(&expired), client(of) {}
        static void expired(Timer& timer) { static_cast<Watch&>(timer).client.watch(); }
        NetClient& client;
    };
    bool server_alive() const { return peer_.valid() && peer_.info().ok(); }
    Result<> try_open(abi::Time deadline);
    void reopen();
    /// Tells the stack what there is to tell, or opens again if the link can't be trusted.
    void settle();
    void watch();

    Client<Net> server_;
    u64 session_;
    const Handle<Signal>* signal_ = nullptr;
    u64 bits_ = 0;
    Handle<Memory> link_;
    Mapping mapping_;
    Handle<Signal> peer_;
    u64 peer_bits_ = 0;
    u32 silences_ = 0;
    bool lost_ = false;  ///< it was held down, or never there
    Watch watch_{*this};
    Delay delay_{*this};
    void tell();
    Event gathered_;  ///< there is something to tell the stack
    Task<void> teller();
};

}  // namespace pith
