// SPDX-License-Identifier: MIT
// System calls on Endpoints, Replies and Signals.
#include "kernel/core/call.hpp"
#include "kernel/core/reply.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

using abi::EndpointRight;
using abi::Syscall;

/// Answers a thread that waits for it: a call, a fault, or the event of a foreign thread.
/// As its server, or by a Reply capability that is in `held`.
Error answer(Call& call, Thread& caller, const Slot* held = nullptr) {
    if (caller.state == State::at_event) {
        const auto how = static_cast<abi::Resume>(abi::Tag(call.frame.tag()).operation());
        return resume_foreign(caller, how, call.frame.word(0), &call.thread);
    }
    Error error;
    do { error = reply_to(call.thread, caller, held); } while (error == Error::restart);
    return error;
}

Handler null, call_endpoint, send_only, receive_only, reply_and_receive, reply, take_reply, adopt, notify,
    wait, create_signal, yield, clock, trace_mark;

Error reply_and_receive(Call& call) {
    auto endpoint = PITH_CALL(call.object<Endpoint>(EndpointRight::receive));
    const abi::Time deadline = call.frame.deadline();
    // Once the reply is out, a restart would find no caller; so receive does not restart.
    if (Thread* caller = call.thread.caller; caller != nullptr) {
        const Error error = answer(call, *caller);
        if (error != Error::ok && error != Error::not_found && error != Error::bad_state) return error;
    }
    return receive(call.thread, *endpoint, deadline);
}

Error reply(Call& call) {
    if (call.handle() == abi::kNoHandle) {
        Thread* caller = call.thread.caller;
        return caller != nullptr ? answer(call, *caller) : Error::not_found;
    }
    Capability found;
    auto reply = PITH_CALL(lookup<Reply>(call.thread, call.handle(), abi::ReplyRight::reply, found));
    // A Reply that was cut off stays in its holder's slot, which is the holder's to delete.
    return reply->caller != nullptr ? answer(call, *reply->caller, found.slot) : Error::not_found;
}

Error take_reply(Call& call) {
    Thread& thread = call.thread;
    PITH_PASS(call.reserve());
    Thread* caller = thread.caller;
    if (caller == nullptr) return Error::bad_state;
    ThreadPairLock locks(thread, *caller);
    if (thread.caller != caller || caller->state != State::awaiting_reply) return Error::bad_state;
    const auto rights = static_cast<RightsBits>(abi::ReplyRight::reply);
    PITH_PASS(capability::insert(call.slot(), caller->reply, rights, 0).error());
    caller->server = nullptr;
    thread.caller = nullptr;
    call.filled();
    return Error::ok;
}

/// Lends this thread what a caller lent whose Reply it holds.
Error adopt(Call& call) {
    Thread& thread = call.thread;
    auto found = PITH_CALL(call.object<Reply>(abi::ReplyRight::reply));
    Thread* caller = found->caller;
    if (caller == nullptr) return Error::not_found;
    if (thread.caller != nullptr) return Error::bad_state;
    for (;;) {
        Thread* before = thread.lender;
        Thread* worker = caller->borrower;
        u32 mask = cpu_bit(thread.cpu) | cpu_bit(caller->cpu);
        if (before != nullptr) mask |= cpu_bit(before->cpu);
        if (worker != nullptr) mask |= cpu_bit(worker->cpu);
        CpuLocks locks(mask);
        const auto locked = [mask](const Thread* each) {
            return each == nullptr || (mask & cpu_bit(each->cpu)) != 0;
        };
        const bool same = thread.lender == before && caller->borrower == worker && locked(caller) &&
                          locked(before) && locked(worker);
        if (!same) continue;
        if (caller->state != State::awaiting_reply || caller->server != nullptr) return Error::not_found;
        if (worker != nullptr) unlend_locked(*worker);
        if (thread.lender != nullptr) unlend_locked(thread);
        if (Slot* slot = detach_reply(*caller); slot != nullptr) CapTable::release(*slot);
        thread.caller = caller;
        caller->server = &thread;
        lend_locked(*caller, thread);
        this_cpu().reschedule = true;
        return Error::ok;
    }
}

Error send(Call& call, Delivery kind) {
    Capability found;
    auto endpoint = PITH_CALL(lookup<Endpoint>(call.thread, call.handle(), EndpointRight::send, found));
    return send_message(call.thread, *endpoint, found.badge, kind);
}

Error null(Call&) { return Error::ok; }
Error call_endpoint(Call& call) { return send(call, Delivery::call); }
Error send_only(Call& call) { return send(call, Delivery::send); }
Error receive_only(Call& call) {
    auto endpoint = PITH_CALL(call.object<Endpoint>(EndpointRight::receive));
    return receive(call.thread, *endpoint, call.frame.deadline());
}

/// ipc_fast.cpp has done so, but where the handle is at fault.
Error notify(Call& call) {
    auto signal = PITH_CALL(call.object<Signal>(abi::SignalRight::notify));
    signal->notify(call.argument(0));
    return Error::ok;
}

Error wait(Call& call) {
    auto signal = PITH_CALL(call.object<Signal>(abi::SignalRight::wait));
    call.r0 = PITH_CALL(signal->wait(call.thread, call.argument(0), call.argument(1)));
    return Error::ok;
}

Error create_signal(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(abi::PoolRight::allocate));
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(pool->create<Signal>()));
}

Error yield(Call&) {
    this_cpu().rotate = this_cpu().reschedule = true;
    return Error::ok;
}

Error clock(Call& call) {
    call.r0 = arch::now();
    return Error::ok;
}

Error trace_mark(Call& call) {
    trace(TraceKind::mark, call.argument(0), call.argument(1));
    return Error::ok;
}

}  // namespace

constinit const Handlers message_calls = {null,  call_endpoint, send_only, receive_only, reply_and_receive,
                                          reply, take_reply,    adopt};
constinit const Handlers signal_calls = {notify, wait, create_signal, yield, clock, trace_mark};

}  // namespace pith::core
