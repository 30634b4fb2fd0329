// SPDX-License-Identifier: MIT
// EventLoop: a server's main loop on one thread. It receives on one Endpoint, to whose thread a Signal is
// bound, and hands out: requests by the protocol in their badge (lib/os/protocol.hpp: Server), kernel events
// (faults and system calls of threads whose handler this Endpoint is), signal bits, timers, and coroutines
// that are ready. Heartbeats are answered here. A request that its handler has not answered on return is
// deferred: its Reply is taken, and is answered whenever the Request object is.
#pragma once

#include "lib/os/callback.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/deadline_keeper.hpp"
#include "lib/os/handle.hpp"
#include "lib/os/task.hpp"
#include "protocol/ipc.hpp"

namespace pith {

class PendingReply;

class EventLoop {
  public:
    /// On the component's own Endpoint and Signal ("endpoint" and "signal" of its StartInfo).
    EventLoop();
    /// On others.
    EventLoop(Handle<Endpoint> endpoint, Handle<Signal> signal, Handle<Signal> pong);
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// The handler of messages of one protocol: it answers through PendingReply (see Server).
    using RequestHandler = Callback<void(Message&, PendingReply&)>;
    void on_protocol(u16 protocol, RequestHandler handler);
    /// The handler of kernel events but signals. It returns true with an answer in `message` (the tag's
    /// operation an abi::Resume), which is sent together with the next receive, or false: it has answered or
    /// will, by the Thread capability or by `take_reply`.
    using KernelHandler = Callback<bool(Message&)>;
    void on_kernel_event(KernelHandler handler) { kernel_handler_ = handler; }
    /// Calls `handler` with those bits of `mask` that were set.
    void on_signal(u64 mask, Callback<void(u64)> handler);
    /// A bit of the Signal that nobody has taken yet, as a mask; 0: none is left.
    u64 allocate_signal_bit();
    const Handle<Signal>& signal() const { return signal_; }
    const Handle<Endpoint>& endpoint() const { return endpoint_; }

    /// `co_await loop.sleep_until(t)`.
    WaitOperation sleep_until(abi::Time deadline) const { return {nullptr, deadline}; }

    /// From now on a thread of its own waits for far deadlines (DeadlineKeeper): for loops that receive often and have a timer pending always.
    /// `options`: at the loop's own priority or above. Errors: no_memory and the like.
    Result<> keep_deadlines(const Handle<Pool>& pool, const ThreadOptions& options);

    /// Serves for ever.
    [[noreturn]] void run();
    /// Notes that the component serves from now on (LifeRecord): for who calls run_once() in a loop of its own.
    static void note_serving();
    /// One round: receives once (not waiting if `deadline` is kPoll), and handles what came and what it made
    /// ready. (Where a component waits, or what it is at, is to be seen in its reports: a frame of its own.)
    [[gnu::noinline]] void run_once(abi::Time deadline = abi::kNoDeadline);

    /// Called for every message before it is handled; for tracing.
    Callback<void(const Message&)> trace;

  private:
    friend class PendingReply;
    static constexpr usize kMaxProtocols = 8;
    static constexpr usize kMaxSignalHandlers = 24;
    struct Protocol {
        u16 number;
        RequestHandler handler;
    };
    struct SignalHandler {
        u64 mask;
        Callback<void(u64)> handler;
    };
    void handle(Message& message);
    void handle_request(Message& message);
    void handle_signals(u64 bits);

    Handle<Endpoint> endpoint_;
    Handle<Signal> signal_;
    Handle<Signal> pong_;
    Protocol protocols_[kMaxProtocols];
    usize protocol_count_ = 0;
    SignalHandler signal_handlers_[kMaxSignalHandlers];
    usize signal_handler_count_ = 0;
    u64 signal_bits_taken_ = kSystemSignals;
    KernelHandler kernel_handler_;
    PendingReply* current_ = nullptr;  // the request that is being handled, while it is unanswered
    DeadlineKeeper keeper_;
    bool answer_ready_ = false;  // answer_ goes out with the next receive
    Message answer_;
};

/// A request that has to be answered exactly once. Move-only: whoever holds it answers. If it is destroyed
/// without, the caller gets Error::cancelled.
class PendingReply {
  public:
    PendingReply() = default;
    PendingReply(PendingReply&& other) noexcept;
    PendingReply& operator=(PendingReply&& other) noexcept;
    ~PendingReply();

    bool pending() const { return loop_ != nullptr; }
    Badge badge() const { return Badge(badge_); }
    /// Answers with `message`; buffer words and handles are in this_buffer() already.
    void send(const Message& message);
    /// Answers with an error.
    void fail(Error error);

  private:
    friend class EventLoop;
    void defer();
    EventLoop* loop_ = nullptr;
    Handle<Reply> reply_;  // valid once deferred
    u64 badge_ = 0;
};

}  // namespace pith
