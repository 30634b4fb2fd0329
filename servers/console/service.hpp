// SPDX-License-Identifier: MIT
// The console server: protocol/console.hpp towards its client, the mux (or the plain line) towards the host.
//
// One thread. A request changes the state, commits it, and is answered; `pump` runs after every round of the
// event loop: it moves bytes between the rings and the line, follows the log, and notifies the client of what
// is new.
#pragma once

#include "lib/os/trace.hpp"
#include "servers/console/line.hpp"
#include "servers/console/log_reader.hpp"
#include "servers/console/streams.hpp"

namespace pith::console {

class Service {
  public:
    Service(Store& store, EventLoop& loop, u64 line_bit, u64 log_bit);

    /// Everything that can be done now.
    void pump();
    /// When to pump though nothing happens.
    abi::Time deadline();

    void handle(const Console::Attach& request, Request<Console::Attach> call);
    Result<Console::Poll::Reply> handle(const Console::Poll&, Badge badge);
    Result<Console::Write::Reply> handle(const Console::Write& request, Badge badge);
    Result<Console::Read::Reply> handle(const Console::Read& request, Badge badge);
    Result<Console::GetTermios::Reply> handle(const Console::GetTermios&, Badge badge);
    Result<Console::SetTermios::Reply> handle(const Console::SetTermios& request, Badge badge);
    Result<Console::Flush::Reply> handle(const Console::Flush& request, Badge badge);
    Result<Console::Flow::Reply> handle(const Console::Flow& request, Badge badge);
    Result<Console::SetWindow::Reply> handle(const Console::SetWindow& request, Badge badge);
    Result<Console::Ready::Reply> handle(const Console::Ready&, Badge badge);
    Result<Console::Report::Reply> handle(const Console::Report& request, Badge badge);
    void handle(const Console::Exit& request, Request<Console::Exit> call);

  private:
    struct Record {
        u32 what;  // opcode of a request, or kNotified and so on
        u32 error;
        u64 value;
        const char* trace_name() const {
            return what == kLineLost ? "lost" : what == kNotified ? "notify" : "attach";
        }
        u64 trace_value() const { return value; }
    };
    static constexpr u32 kLineLost = 0x100;
    static constexpr u32 kNotified = 0x101;
    static constexpr abi::Time
        kHostPatience = 2 * kSecond;  // for a host that has not said anything yet, at the end

    Core& core() { return store_.core(); }
    bool plain() { return core().setup.plain != 0; }
    /// The caller is the one that attached.
    Error check(Badge badge) const;
    /// A numbered request: ok if it is to be done now, exists if it was done already (answer again).
    Error check(Badge badge, u64 id, u32 opcode);
    void done(u64 id, u32 opcode);

    Result<Console::Read::Reply> read_input(const Console::Read& request);
    Result<Console::Read::Reply> read_tty(const Console::Read& request);
    void flush_tty(bool input, bool output);
    u32 ready();
    u32 events();
    void commit();
    void notify_client();

    void pump_line();
    bool exchange();
    void fill_wire();
    void fill_plain();
    void take_wire(std::span<const u8> bytes);
    void line_lost();
    bool exit_is_limited();
    void finish_exit();
    bool drained();

    Store& store_;
    Streams streams_;
    mux::Link link_;
    Line line_;
    LogReader log_;
    TraceRing<Record> trace_;

    Handle<Signal> client_;
    u64 client_bits_ = 0;
    u64 client_badge_ = 0;
    u32 told_ready_ = 0;  // what the client was notified of
    u32 told_events_ = 0;
    Request<Console::Exit> exit_call_{PendingReply(), ReceivedHandles()};
    abi::Time exit_limit_ = 0;

    bool dirty_ = true;       // changes that are not committed
    bool line_ready_ = true;  // the line may have bytes for us
    u32 wire_begin_ = 0;      // what the driver has not taken yet: [wire_begin_, wire_end_)
    u32 wire_end_ = 0;
    u8 wire_[4 * mux::kMaxWireFrame];
};

}  // namespace pith::console
