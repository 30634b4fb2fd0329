// SPDX-License-Identifier: MIT
// Signals: 64 bits that are set by notify and taken by a wait, or by the recv of the thread to which they are bound; time.
#include "tests/host/spec/system.hpp"

namespace pith::spec {

/// Sets bits, and hands them over if somebody waits for them.
void System::signal(Id id, u64 bits) {
    auto& s = as<Signal>(id);
    s.pending |= bits;
    if (s.waiter != kNone) {
        u64 taken = s.pending & as<Thread>(s.waiter).wait_mask;
        if (taken != 0) {
            s.pending &= ~taken;
            finish(s.waiter, {.errors = {}, .message = {}, .r0 = taken});
        }
    }
    if (s.bound != kNone && s.pending != 0 && as<Thread>(s.bound).state == State::receiving) {
        Message message{.tag = u64{static_cast<u16>(abi::Event::signal)} | abi::kTagKernel};
        message.words[0] = s.pending;
        s.pending = 0;
        finish(s.bound, {.errors = {}, .message = message});
    }
}

Outcome System::signal_notify(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::signal,
                                      static_cast<RightsBits>(abi::SignalRight::notify), errors);
    if (target == nullptr) return {.errors = errors};
    signal(target->object, call.a[0]);
    return {};
}

Outcome System::signal_wait(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::signal,
                                      static_cast<RightsBits>(abi::SignalRight::wait), errors);
    if (target == nullptr) return {.errors = errors};
    auto& s = as<Signal>(target->object);
    if (s.waiter != kNone) return {.errors = {Error::busy}};
    if (u64 taken = s.pending & call.a[0]; taken != 0) {
        s.pending &= ~taken;
        return {.r0 = taken};
    }
    if (call.a[1] != abi::kNoDeadline && call.a[1] <= now) return {.errors = {Error::timed_out}};
    block(thread, State::waiting, call.a[1]);
    as<Thread>(thread).waits_for = target->object;
    as<Thread>(thread).wait_mask = call.a[0];
    s.waiter = thread;
    return {.blocks = true};
}

/// Deadlines: a call that was not delivered has had no effect; one that was is cut off, its answer has nowhere to go.
void System::advance(Time to) {
    now = to;
    for (auto& [id, object] : objects) {
        if (object.type != ObjectType::thread) continue;
        auto& t = std::get<Thread>(object.body);
        bool blocked = t.state == State::calling || t.state == State::sending ||
                       t.state == State::receiving || t.state == State::waiting;
        if (blocked && t.deadline != abi::kNoDeadline && t.deadline <= now)
            finish(id, {.errors = {Error::timed_out}});
    }
}

}  // namespace pith::spec
