// SPDX-License-Identifier: MIT
// The receive loop, and the fate of replies.
#include "lib/os/event_loop.hpp"

#include "lib/os/heartbeat.hpp"
#include "lib/os/life_record.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

namespace {

/// Of the loop that has the component's heartbeat.
constinit abi::HandleIndex beat_signal = abi::kNoHandle, beat_pong = abi::kNoHandle;

}  // namespace

void answer_heartbeat() {
    if (beat_pong == abi::kNoHandle || Borrowed<Signal>(beat_signal).poll(kSignalPing) == 0) return;
    static_cast<void>(Borrowed<Signal>(beat_pong).notify(1));
}

EventLoop::EventLoop()
    : EventLoop(take_start_handle<Endpoint>("endpoint"), take_start_handle<Signal>("signal"),
                take_start_handle<Signal>("pong")) {}

EventLoop::EventLoop(Handle<Endpoint> endpoint, Handle<Signal> signal, Handle<Signal> pong)
    : endpoint_(std::move(endpoint)), signal_(std::move(signal)), pong_(std::move(pong)) {
    thread_context().loop = this;
    if (!pong_.valid()) return;
    beat_signal = signal_.index();
    beat_pong = pong_.index();
}

void EventLoop::on_protocol(u16 protocol, RequestHandler handler) {
    if (protocol_count_ == kMaxProtocols) panic("too many protocols");
    protocols_[protocol_count_++] = {protocol, handler};
}

void EventLoop::on_signal(u64 mask, Callback<void(u64)> handler) {
    if (signal_handler_count_ == kMaxSignalHandlers) panic("too many signal handlers");
    signal_handlers_[signal_handler_count_++] = {mask, handler};
    signal_bits_taken_ |= mask;
}

u64 EventLoop::allocate_signal_bit() {
    const u64 bit = ~signal_bits_taken_ & (signal_bits_taken_ + 1);
    signal_bits_taken_ |= bit;
    return bit;
}

Result<> EventLoop::keep_deadlines(const Handle<Pool>& pool, const ThreadOptions& options) {
    const u64 bit = allocate_signal_bit();
    if (bit == 0) return Error::no_slot;
    return keeper_.start(pool, signal_, bit, options);
}

void EventLoop::note_serving() {
    if (own_life_record().serving == 0) own_life_record().serving = now();
}

void EventLoop::run() {
    note_serving();
    for (;;) run_once();
}

void EventLoop::run_once(abi::Time deadline) {
    abi::Time next = thread_context().timers.next();
    if (keeper_.started()) next = keeper_.keep(next);
    if (next != abi::kNoDeadline && (deadline == abi::kNoDeadline || next < deadline)) deadline = next;
    Message message;
    Error error;
    const bool answering = std::exchange(answer_ready_, false);
    if (answering) {
        message = answer_;
        error = ipc_reply_recv(endpoint_.index(), message, deadline);
    } else {
        error = ipc_recv(endpoint_.index(), message, deadline);
    }
    if (error == Error::ok) handle(message);
    // With an answer, the error may be the caller's: it has gone, or has no room for what was sent.
    else if (!answering &&
             (error == Error::bad_handle || error == Error::no_right || error == Error::wrong_type))
        panic("the Endpoint is gone");
    if (thread_context().timers.next() != abi::kNoDeadline) thread_context().timers.run(now());
    run_ready();
}

void EventLoop::handle(Message& message) {
    if (trace) trace(message);
    if (!message.tag.from_kernel()) return handle_request(message);
    if (message.tag.operation() == static_cast<u16>(abi::Event::signal))
        return handle_signals(message.words[0]);
    if (kernel_handler_ && kernel_handler_(message)) {
        answer_ = message;
        answer_ready_ = true;
    }
}

void EventLoop::handle_signals(u64 bits) {
    if ((bits & kSignalPing) != 0 && pong_.valid()) static_cast<void>(pong_.notify(1));
    for (usize i = 0; i < signal_handler_count_; i++) {
        const u64 mine = bits & signal_handlers_[i].mask;
        if (mine != 0) signal_handlers_[i].handler(mine);
    }
}

void EventLoop::handle_request(Message& message) {
    own_life_record().add(message.tag.bits(), message.badge, message.words[0], message.words[1]);
    PendingReply pending;
    pending.loop_ = this;
    pending.badge_ = message.badge;
    current_ = &pending;
    const u16 protocol = Badge(message.badge).protocol();
    usize i = 0;
    while (i < protocol_count_ && protocols_[i].number != protocol) i++;
    if (i < protocol_count_) {
        protocols_[i].handler(message, pending);
    } else {
        for (u32 k = 0; k < message.tag.handles() && k < abi::kMessageHandles; k++)
            HandleBase<Memory>(this_buffer().handles[k].handle).reset();
        pending.fail(Error::unsupported);
    }
    if (current_ != nullptr && current_ != &pending) current_->defer();
    // Left unanswered here, it is answered by its destructor.
}

namespace {

/// A reply that cannot be sent as it is (a capability that went meanwhile) becomes an error: the caller must
/// not wait. True: the Reply is used up.
bool reply_through(abi::HandleIndex reply, const Message& message) {
    const Error error = ipc_reply(reply, message);
    if (error == Error::ok || error == Error::not_found) return error == Error::ok;
    Message failure;
    failure.tag = abi::Tag(0, 0, 0, error);
    return ipc_reply(reply, failure) == Error::ok;
}

}  // namespace

PendingReply::PendingReply(PendingReply&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), reply_(std::move(other.reply_)), badge_(other.badge_) {
    if (loop_ != nullptr && loop_->current_ == &other) loop_->current_ = this;
}

PendingReply& PendingReply::operator=(PendingReply&& other) noexcept {
    if (this == &other) return *this;
    if (pending()) fail(Error::cancelled);
    loop_ = std::exchange(other.loop_, nullptr);
    reply_ = std::move(other.reply_);
    badge_ = other.badge_;
    if (loop_ != nullptr && loop_->current_ == &other) loop_->current_ = this;
    return *this;
}

PendingReply::~PendingReply() {
    if (pending()) fail(Error::cancelled);
}

void PendingReply::defer() {
    loop_->current_ = nullptr;
    auto taken = Handle<Reply>::take();
    // A one-way message has no Reply; a full CapTable drops the request: its caller learns peer_died and
    // sends again.
    if (taken.ok()) reply_ = std::move(*taken);
    else loop_ = nullptr;
}

void PendingReply::send(const Message& message) {
    if (!pending()) return;
    EventLoop& loop = *std::exchange(loop_, nullptr);
    if (reply_.valid()) {
        if (reply_through(reply_.index(), message)) reply_.release();
        else reply_.reset();
        return;
    }
    loop.current_ = nullptr;
    if (message.tag.buffer_words() != 0 || message.tag.handles() != 0) {
        // The buffer is this thread's: it may be used again before the next receive.
        static_cast<void>(reply_through(abi::kNoHandle, message));
    } else {
        loop.answer_ = message;
        loop.answer_ready_ = true;
    }
}

void PendingReply::fail(Error error) {
    Message message;
    message.tag = abi::Tag(0, 0, 0, error);
    send(message);
}

}  // namespace pith
