// SPDX-License-Identifier: MIT
// Messages: call, send, recv, reply_recv, reply, take_reply, adopt.
//
// Three facts hold at all times, and every rule below keeps them: a caller whose call was received has exactly one of
// `server` (that thread's current caller is it) and `reply` (one Reply capability stands for it); a caller without
// either is in the queue of an Endpoint; nobody waits for the dead.
#include <algorithm>
#include <utility>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {
constexpr auto kSend = static_cast<RightsBits>(abi::EndpointRight::send);
constexpr auto kReceive = static_cast<RightsBits>(abi::EndpointRight::receive);
constexpr auto kReply = static_cast<RightsBits>(abi::ReplyRight::reply);
}  // namespace

/// What a call's message looks like, before it goes anywhere. Bit 63 of the tag is the kernel's alone.
Message System::message_of(const Call& call) const {
    Message message{.tag = call.tag & ~abi::kTagKernel, .badge = 0, .words = call.words, .data = {}, .handles = {}};
    abi::Tag tag(call.tag);
    for (usize i = 0; i < std::min<usize>(tag.buffer_words(), abi::kBufferWords); i++)
        message.data.push_back(call.buffer.words[i]);
    for (usize i = 0; i < std::min<usize>(tag.handles(), abi::kMessageHandles); i++)
        message.handles.push_back(call.buffer.handles[i]);
    return message;
}

/// What makes a message one that can't be sent. A capability needs the right to be copied, but a Reply, which only moves.
Errors System::message_errors(Id thread, const Call& call) const {
    Errors errors;
    abi::Tag tag(call.tag);
    if (tag.buffer_words() > abi::kBufferWords || tag.handles() > abi::kMessageHandles) return {Error::invalid};
    for (const auto& sent : message_of(call).handles) {
        const Capability* capability = find(thread, sent.handle);
        if (capability == nullptr) {
            errors.insert(Error::bad_handle);
            continue;
        }
        bool moves = (sent.flags & abi::kHandleMove) != 0;
        bool is_reply = objects.at(capability->object).type == ObjectType::reply;
        if (is_reply && !moves) errors.insert({Error::no_right, Error::invalid});
        if (!is_reply && !(capability->rights & abi::kRightCopy)) errors.insert(Error::no_right);
    }
    return errors;
}

/// The capabilities of a message go from one thread's table to another's: all of them or none.
Error System::transfer(Id from, Id to, Message& message) {
    if (message.handles.empty()) return Error::ok;
    for (const auto& sent : message.handles) {
        const Capability* capability = find(from, sent.handle);
        if (capability == nullptr) return Error::bad_handle;  // it went while the message was waiting
    }
    Id table = as<Thread>(to).captable;
    if (table == kNone) return Error::no_slot;
    std::vector<Id> made;
    for (auto& sent : message.handles) {
        Id source = id_of(from, sent.handle);
        Capability copy = capabilities.at(source);
        copy.rights &= sent.rights;
        bool moves = (sent.flags & abi::kHandleMove) != 0;
        HandleIndex slot = 0;
        if (!place(table, 0, copy, moves ? copy.parent : source, slot)) {
            for (Id id : made) remove(id);
            return Error::no_slot;
        }
        Id placed = as<CapTable>(table).slots.at(slot);
        made.push_back(placed);
        if (moves) {  // the same place in the tree: what was derived from the old one is derived from the new one
            for (Id child : children(source)) capabilities.at(child).parent = placed;
            Capability old = capabilities.at(source);
            as<CapTable>(old.table).slots.erase(old.slot);
            capabilities.erase(source);
        }
        sent = {.handle = slot, .rights = copy.rights};
    }
    return Error::ok;
}

void System::finish(Id thread, Completion completion) {
    unqueue(thread);
    auto& t = as<Thread>(thread);
    t.state = State::ready;
    t.deadline = abi::kNoDeadline;
    t.completion = std::move(completion);
}

void System::block(Id thread, State state, Time deadline) {
    auto& t = as<Thread>(thread);
    t.state = state;
    t.deadline = deadline;
    t.completion.reset();
}

/// Out of whatever queue the thread is in, and off whoever serves it.
void System::unqueue(Id thread) {
    auto& t = as<Thread>(thread);
    if (t.queued_at != kNone) {
        std::erase(as<Endpoint>(t.queued_at).senders, thread);
        std::erase(as<Endpoint>(t.queued_at).receivers, thread);
        t.queued_at = kNone;
    }
    if (t.waits_for != kNone) {
        as<Signal>(t.waits_for).waiter = kNone;
        t.waits_for = kNone;
    }
    if (t.server != kNone) {
        as<Thread>(t.server).current = kNone;
        t.server = kNone;
    }
    if (t.reply != kNone) {
        as<Reply>(t.reply).caller = kNone;  // answering it is `not_found` from now on
        t.reply = kNone;
    }
}

/// The thread that was to answer can't any more: the caller gets peer_died. (A thread at an event stays stopped; its
/// personality may still resume it by its capability.)
void System::abandon(Id caller) {
    auto& t = as<Thread>(caller);
    if (t.state == State::event) {
        unqueue(caller);
        return;
    }
    t.server = kNone;
    t.reply = kNone;
    finish(caller, {.errors = {Error::peer_died}});
}

/// The message of `from` arrives at `to`. An error is the sender's, and then nothing has happened.
Error System::deliver(Id from, Id to) {
    auto& sender = as<Thread>(from);
    auto& receiver = as<Thread>(to);
    Message message = sender.outgoing;
    if (sender.state != State::event)
        if (Error error = transfer(from, to, message); error != Error::ok) return error;
    bool one_way = sender.state == State::sending;
    unqueue(from);
    finish(to, {.errors = {}, .message = message});
    if (one_way) {
        finish(from, {});
    } else {
        sender.server = to;
        receiver.current = from;
    }
    return Error::ok;
}

/// A receiver and a sender at the same Endpoint meet, until there is no pair.
void System::receive_next(Id endpoint) {
    for (;;) {
        auto& e = as<Endpoint>(endpoint);
        if (e.senders.empty() || e.receivers.empty()) return;
        Id from = e.senders.front();
        Error error = deliver(from, e.receivers.front());
        if (error != Error::ok) finish(from, {.errors = {error}});
    }
}

Outcome System::start_call(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::endpoint, kSend, errors);
    errors.merge(message_errors(thread, call));
    if (!errors.empty()) return {.errors = errors};
    Id endpoint = target->object;
    auto& t = as<Thread>(thread);
    t.outgoing = message_of(call);
    t.outgoing.badge = target->badge;
    bool expired = call.deadline != abi::kNoDeadline && call.deadline <= now;
    if (expired && as<Endpoint>(endpoint).receivers.empty()) return {.errors = {Error::timed_out}};
    block(thread, call.number == abi::Syscall::call ? State::calling : State::sending, call.deadline);
    t.queued_at = endpoint;
    as<Endpoint>(endpoint).senders.push_back(thread);
    receive_next(endpoint);
    // Poll: delivered now or never; and then the answer is not waited for.
    if (expired && as<Thread>(thread).state != State::ready) finish(thread, {.errors = {Error::timed_out}});
    return {.blocks = true};
}

/// recv: an unanswered current caller learns that nobody will answer; bits of the bound Signal come before messages.
Outcome System::start_recv(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::endpoint, kReceive, errors);
    if (target == nullptr) return {.errors = errors};
    Id endpoint = target->object;
    auto& t = as<Thread>(thread);
    if (t.current != kNone) abandon(t.current);
    if (t.bound_signal != kNone && as<Signal>(t.bound_signal).pending != 0) {
        u64 bits = std::exchange(as<Signal>(t.bound_signal).pending, 0);
        Message message{.tag = u64{static_cast<u16>(abi::Event::signal)} | abi::kTagKernel};
        message.words[0] = bits;
        finish(thread, {.errors = {}, .message = message});
        return {.blocks = true};
    }
    block(thread, State::receiving, call.deadline);
    t.queued_at = endpoint;
    as<Endpoint>(endpoint).receivers.push_back(thread);
    receive_next(endpoint);
    bool expired = call.deadline != abi::kNoDeadline && call.deadline <= now;
    if (expired && as<Thread>(thread).state == State::receiving) finish(thread, {.errors = {Error::timed_out}});
    return {.blocks = true};
}

/// The server's answer arrives at the caller, and resumes it.
Error System::answer(Id caller, Id server, const Message& message) {
    auto& t = as<Thread>(caller);
    if (t.state == State::event) {
        switch (static_cast<abi::Resume>(abi::Tag(message.tag).operation())) {
            case abi::Resume::retry: break;
            case abi::Resume::result:
            case abi::Resume::state:
                if (t.kind != abi::ThreadKind::foreign) return Error::invalid;
                break;
            default: return Error::invalid;
        }
        unqueue(caller);
        resumed(caller);
        return Error::ok;
    }
    Message arrived = message;
    arrived.badge = 0;
    if (Error error = transfer(server, caller, arrived); error != Error::ok) return error;
    finish(caller, {.errors = {}, .message = arrived});
    return Error::ok;
}

Outcome System::reply(Id thread, const Call& call) {
    Errors errors = message_errors(thread, call);
    Id caller = kNone;
    Id capability = kNone;
    if (call.handle == abi::kNoHandle) {
        caller = as<Thread>(thread).current;
        if (caller == kNone) errors.insert({Error::bad_state, Error::not_found});
    } else if (const Capability* right = lookup(thread, call.handle, ObjectType::reply, kReply, errors)) {
        caller = as<Reply>(right->object).caller;
        capability = id_of(thread, call.handle);
        if (caller == kNone) errors.insert(Error::not_found);  // it was cut off, or is dead
    }
    if (!errors.empty()) return {.errors = errors};
    Error error = answer(caller, thread, message_of(call));
    if (error != Error::ok) return {.errors = {error}};
    if (capability != kNone && capabilities.contains(capability)) remove(capability);
    return {};
}

/// Answers the current caller, if there is one, and receives. Refused before the answer, it has not answered.
Outcome System::reply_recv(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::endpoint, kReceive, errors);
    errors.merge(message_errors(thread, call));
    if (!errors.empty()) return {.errors = errors};
    if (Id caller = as<Thread>(thread).current; caller != kNone) {
        Error error = answer(caller, thread, message_of(call));
        if (error != Error::ok) return {.errors = {error}};
    }
    return start_recv(thread, call);
}

Outcome System::take_reply(Id thread, const Call&) {
    auto& t = as<Thread>(thread);
    if (t.current == kNone) return {.errors = {Error::bad_state}};
    Id caller = t.current;
    if (as<Thread>(caller).state == State::event) return {.errors = {Error::bad_state}};
    if (observed_.error == Error::no_slot || observed_.error == Error::no_memory) return {.errors = {observed_.error}};
    Id reply = add(ObjectType::reply, kNone, Reply{.caller = caller});
    HandleIndex slot = 0;
    Capability capability{.object = reply,
                          .rights = static_cast<RightsBits>(static_cast<RightsBits>(abi::ReplyRight::reply) |
                                                            static_cast<RightsBits>(abi::ReplyRight::manage))};
    if (!place(t.captable, 0, capability, kNone, slot)) {
        objects.erase(reply);
        return {.errors = {Error::no_slot, Error::no_memory}};
    }
    t.current = kNone;
    as<Thread>(caller).server = kNone;
    as<Thread>(caller).reply = reply;
    return {.r0 = slot};
}

/// The Reply's caller becomes the current caller again, with its Budget and priority; the Reply is used up.
Outcome System::adopt(Id thread, const Call& call) {
    Errors errors;
    const Capability* right = lookup(thread, call.handle, ObjectType::reply, kReply, errors);
    if (as<Thread>(thread).current != kNone) errors.insert(Error::bad_state);
    Id caller = right == nullptr ? kNone : as<Reply>(right->object).caller;
    if (right != nullptr && caller == kNone) errors.insert(Error::not_found);
    if (!errors.empty()) return {.errors = errors};
    Id capability = id_of(thread, call.handle);
    as<Thread>(caller).reply = kNone;
    as<Reply>(right->object).caller = kNone;
    remove(capability);
    as<Thread>(caller).server = thread;
    as<Thread>(thread).current = caller;
    return {};
}

/// A foreign thread's system call or a fault: a call to the handler by the kernel, answered by a resumption.
void System::raise(Id thread, abi::Event event, const std::array<u64, 8>& words) {
    auto& t = as<Thread>(thread);
    if (t.handler == kNone) {  // faults kill
        kill(thread);
        return;
    }
    t.outgoing = {.tag = u64{static_cast<u16>(event)} | abi::kTagKernel, .badge = t.badge, .words = words};
    block(thread, State::event, abi::kNoDeadline);
    t.queued_at = t.handler;
    as<Endpoint>(t.handler).senders.push_back(thread);
    receive_next(t.handler);
}

/// A thread leaves its event. An interruption that came meanwhile is the next one.
void System::resumed(Id thread) {
    auto& t = as<Thread>(thread);
    t.state = State::ready;
    if (t.interrupt_pending) {
        t.interrupt_pending = false;
        raise(thread, abi::Event::interrupted, {});
    }
}

}  // namespace pith::spec
