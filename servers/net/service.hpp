// SPDX-License-Identifier: MIT
// The stack as a component: its client (protocol/net.hpp), the driver's frames, and the event loop that turns both into rounds.
#pragma once

#include "lib/net/ethernet_client.hpp"
#include "lib/os/lazy_mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/trace.hpp"
#include "servers/net/random.hpp"
#include "servers/net/stack/stack.hpp"

namespace pith::net_server {

struct Event {
    enum Kind : u32 { opened = 1, interface, round } kind;
    u64 value;  ///< the session; 1: attached; frames
    const char* trace_name() const { return kind == opened ? "opened" : kind == interface ? "eth" : "round"; }
    u64 trace_value() const { return value; }
};

class Service final : private stack::Port {
  public:
    /// `driver` may be none. `keep` and `kept` hold the link, once a client has opened.
    Service(EventLoop& loop, const Client<Ethernet>& driver, Handle<Pool> keep, Handle<CapTable> kept,
            std::span<u8> records);
    void handle(const Net::Open& request, Request<Net::Open> call);
    Result<Net::Statistics::Reply> handle(const Net::Statistics& request, Badge badge);

  private:
    static constexpr u32 kTurn = 256;  ///< frames of a round

    u64 now() const override;
    u64 random() override { return random_.next(); }
    u8* frame(u32 length) override;
    bool room(u32 frames) override { return ethernet_.room(frames); }
    void queue(u32 length, u16 checksum_start, u16 checksum_offset) override;
    void publish() override { ethernet_.publish(); }
    void give_back(u64 id) override { ethernet_.give_back(static_cast<u32>(id)); }
    u8* reserve(usize bytes) override;
    bool need(const u8* at, usize length) override;
    void notify_client() override { static_cast<void>(client_signal_.notify(client_bits_)); }

    Result<> make_link();
    void start_stack();
    void attach();
    void work();

    struct Wake : Timer {
        explicit Wake(Service& of)
            : Timer([](Timer& timer) { static_cast<Wake&>(timer).service.work(); }), service(of) {}
        Service& service;
    };

    EventLoop& loop_;
    const u64 client_bit_, driver_bit_;
    EthernetClient ethernet_;
    const bool has_driver_;
    const Handle<Pool> keep_;
    const Handle<CapTable> kept_;
    const std::span<u8> records_;
    Random random_;
    Handle<Memory> link_;
    LazyMapping link_area_;
    Owned<Memory> reserve_;
    LazyMapping reserve_area_;
    stack::Stack* stack_ = nullptr;
    EthernetBuffer buffer_;
    Handle<Signal> client_signal_;
    u64 client_bits_ = 0;
    u32 client_ = 0;
    bool link_was_up_ = false;
    bool working_ = false;
    Wake wake_{*this};
    TraceRing<Event> trace_;
};

}  // namespace pith::net_server
