// SPDX-License-Identifier: MIT
// The link: opening it, opening it again, and waiting for it without the event loop.
#include "lib/fs/client.hpp"

#include <algorithm>

#include "lib/base/round.hpp"
#include "lib/fs/call.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/heartbeat.hpp"
#include "lib/os/violation.hpp"

namespace pith {

namespace {

/// What an Open looks like whose server died while it answered: the Signal that it sent is gone, or it sent none.
bool died_answering(Error error) { return error == Error::protocol; }

}  // namespace

FsClient::~FsClient() {
    requests_.end(Error::cancelled);
    if (notifier_.coroutine) notifier_.coroutine.destroy();
}

Task<Result<>> FsClient::attach(const Handle<Signal>& signal, u64 bits, u64 session,
                                const Fs::Attach& where) {
    if (signal_ != nullptr) co_return Error::bad_state;
    signal_ = &signal;
    bits_ = bits;
    session_ = session;
    silences_ = bad_opens_ = 0;
    attach_until_ = HostDeadline(kAttachPatience);
    if (!notifier_.coroutine && !spawn(run_notifier())) {
        close_link();
        co_return Error::no_memory;
    }
    Call call(*this);
    requests_.begin(where, &call);
    reopen();
    const Error error = co_await call;
    attach_until_ = HostDeadline();
    if (error == Error::ok) co_return Result<>();
    close_link();
    co_return error;
}

Task<Result<>> FsClient::detach() {
    Call call(*this);
    requests_.detach(call);
    const Error error = co_await call;
    if (error != Error::ok) requests_.end(error);
    close_link();
    if (error == Error::ok) co_return Result<>();
    co_return error;
}

void FsClient::close_link() {
    watch_.cancel();
    notifier_.unlink();
    requests_.close();
    mapping_.reset();
    link_.reset();
    peer_.reset();
    signal_ = nullptr;
}

Result<> FsClient::try_open(abi::Time deadline) {
    HandleList handles;
    handles.add(*signal_, rights(abi::SignalRight::notify));
    ReceivedHandles received;
    const auto reply = PITH_TRY(server_.call(Fs::Open{mount_, session_, bits_}, handles, received, deadline));
    PITH_CHECK(requests_.check(reply));
    Handle<Memory> link = PITH_TRY(received.take<Memory>(0));
    Handle<Signal> peer = PITH_TRY(received.take<Signal>(1));
    const u64 length = round_up(reply.window_offset + reply.window_size, abi::kPageSize);
    Mapping mapping = PITH_TRY(Mapping::create(link, 0, length));
    peer_ = std::move(peer);
    peer_bits_ = reply.bits;
    requests_.open(mapping.bytes(), reply);
    mapping_ = std::move(mapping);
    link_ = std::move(link);
    return {};
}

void FsClient::reopen() {
    requests_.close();
    const Result<> opened = try_open(now() + kPatience);
    if (!opened.ok()) return open_failed(opened.error());
    bad_opens_ = 0;
    settle();
}

void FsClient::open_failed(Error error) {
    if (died_answering(error) && ++bad_opens_ < kMaxOpens) {
        watch_.arm(now() + kLookInterval / 64);
        return;
    }
    if (died_answering(error)) report_violation(server_.endpoint(), "bad answers to open");
    bad_opens_ = 0;
    const bool later = error == Error::timed_out || error == Error::no_memory || error == Error::no_slot;
    if (!later || attach_until_.passed()) requests_.fail_all(error);
    // Of one that is held down kSignalReborn will tell.
    if (error != Error::held_down) watch_later();
}

/// More and more rarely, so that a server that never answers does not cost its client all the time.
void FsClient::watch_later() {
    watch_.arm(now() + (kLookInterval / 4 << silences_));
    silences_ = std::min(silences_ + 1, kMostSilences);
}

void FsClient::settle() {
    if (const Error error = requests_.take_attach_error(); error != Error::ok) {
        static_cast<void>(requests_.take_broken());
        requests_.fail_all(error);
        return watch_later();
    }
    if (requests_.take_broken()) {
        report_violation(server_.endpoint(), "a bad completion");
        // At once, but not all the time: each costs a call.
        const abi::Time time = now();
        const bool again = broken_at_ != 0 && time - broken_at_ < kLookInterval;
        broken_at_ = time;
        watch_.arm(again ? time + kLookInterval / 16 : time);
        return;
    }
    if (requests_.take_submitted()) {
        if (requests_.under_way() == 1) tell_server();
        else if (!notifier_.linked()) make_ready(notifier_);
    }
    if (requests_.under_way() != 0) {
        if (!watch_.armed()) watch_.arm(now() + kLookInterval);
    } else if (requests_.running() && requests_.idle()) {
        watch_.cancel();  // a timer that is armed costs each receive of the event loop
    }
}

void FsClient::tell_server() {
    notifier_.unlink();
    static_cast<void>(peer_.notify(peer_bits_));
}

Task<void> FsClient::run_notifier() {
    struct Pause {
        Waiter& waiter;
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> coroutine) { waiter.coroutine = coroutine; }
        void await_resume() const {}
    };
    for (;;) {
        co_await Pause{notifier_};
        tell_server();
    }
}

void FsClient::look() {
    requests_.serve();
    if (requests_.running()) silences_ = 0;
    settle();
}

void FsClient::reborn() {
    if (signal_ == nullptr || (requests_.opened() && server_alive())) return;
    requests_.drain();
    silences_ = 0;
    reopen();
}

/// Nothing was heard for a while, or it is time to try again. A server that works for long is left alone; one that died is called: its
/// successor answers, or the supervisor for one that is held down.
void FsClient::watch() {
    if (signal_ == nullptr) return;
    if (requests_.opened() && server_alive()) return look();
    requests_.drain();
    reopen();
}

struct FsClient::NowCall : FsCaller {
    NowCall() : FsCaller([](FsCaller& caller) { static_cast<NowCall&>(caller).done_now = true; }) {}
    bool done_now = false;
};

/// Serves the link until the call is done; `taken` gets the bits of the Signal that were taken for it.
Result<> FsClient::wait_now(const NowCall& call, u64& taken) {
    settle();
    while (!call.done_now) {
        answer_heartbeat();  // if somebody is stuck it is the server
        if (notifier_.linked()) tell_server();
        const abi::Time deadline = watch_.armed() ? watch_.deadline() : now() + kLookInterval;
        Result<u64> waited = signal_->wait(bits_ | kSignalReborn, std::max(deadline, abi::kPoll));
        if (waited.error() == Error::timed_out) {
            watch_.cancel();
            watch();
            continue;
        }
        const u64 bits = PITH_TRY(std::move(waited));
        taken |= bits;
        if ((bits & kSignalReborn) != 0) reborn();
        if ((bits & bits_) != 0) look();
    }
    return {};
}

Result<usize> FsClient::read_now(Fs::FileId file, u64 offset, std::span<u8> to) {
    if (to.size() > kMaxNow) return Error::invalid;
    if (signal_ == nullptr) return Error::bad_state;
    usize count = 0;
    u64 taken = 0;
    Error error = Error::ok;
    while (count < to.size()) {
        NowCall call;
        call.to = to.subspan(count, std::min<usize>(to.size() - count, requests_.max_now()));
        requests_.read_now(call, file, offset + count, call.to.size());
        const Result<> waited = wait_now(call, taken);
        error = waited.ok() ? call.error : waited.error();
        if (error != Error::ok) break;
        count += call.value;
        if (call.value < call.to.size()) break;
    }
    // They may be for others too: each looks once more.
    if (taken != 0) static_cast<void>(signal_->notify(taken));
    if (error != Error::ok) return error;
    return count;
}

}  // namespace pith
