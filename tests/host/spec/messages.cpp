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
    Message message{
        .tag = call.tag & ~abi::kTagKernel, .badge = 0, .words = call.words, .data = {}, .handles = {}};
    abi::Tag tag(call.tag);
    for (usize i = 0; i < std::min<usize>(tag.buffer_words(), abi::kBufferWords); i++)
        message.data.push_back(call.buffer.words[i]);
    for (usize i = 0; i < std::min<usize>(tag.handles(), abi::kMessageHandles); i++)
        message.handles.push_back(call.buffer.handles[i]);
    return message;
}

/// What makes a message one that can't be sent; looked at when it is sent and, since capabilities may go while it waits,
/// when it is delivered. A capability needs the right to be copied, but a Reply, which only
/// moves; nothing is moved and mentioned again.
Errors System::message_errors(Id thread, const Message& message) const {
    abi::Tag tag(message.tag);
    if (tag.buffer_words() > abi::kBufferWords || tag.handles() > abi::kMessageHandles)
        return {Error::invalid};
    Errors errors;
    std::map<HandleIndex, bool> seen;
    for (const auto& sent : message.handles) {
        const Capability* capability = find(thread, sent.handle);
        if (capability == nullptr) {
            errors.insert(Error::bad_handle);
            continue;
        }
        bool moves = (sent.flags & abi::kHandleMove) != 0;
        bool is_reply = objects.at(capability->object).type == ObjectType::reply;
        if (is_reply && !moves) errors.insert(Error::no_right);
        if (!is_reply && !(capability->rights & abi::kRightCopy)) errors.insert(Error::no_right);
        if (seen.contains(sent.handle) && (moves || seen[sent.handle])) errors.insert(Error::invalid);
        seen[sent.handle] = seen[sent.handle] || moves;
    }
    return errors;
}

/// The capabilities of a message go from one thread's table to another's: all of them, or no_slot and none.
Error System::transfer(Id from, Id to, Message& message) {
    if (message.handles.empty()) return Error::ok;
    Id table = as<Thread>(to).captable;
    if (table == kNone) return Error::no_slot;
    struct Placed {
        Id source, copy;
        bool moves;
    };
    std::vector<Placed> made;
    std::vector<abi::MessageHandle> arrived;
    for (auto& sent : message.handles) {
        Id source = id_of(from, sent.handle);
        Capability copy = capabilities.at(source);
        bool moves = (sent.flags & abi::kHandleMove) != 0;
        // A Reply in its own answer is used up on its way: the handle that arrives names nothing.
        if (const auto* reply = std::get_if<Reply>(&objects.at(copy.object).body);
            reply && reply->caller == to) {
            arrived.push_back({.handle = kUsedUp, .rights = copy.rights});
            continue;
        }
        if (objects.at(copy.object).type != ObjectType::reply) copy.rights &= sent.rights;
        HandleIndex slot = 0;
        if (!place(table, 0, copy, moves ? copy.parent : source, slot)) {
            for (const Placed& one : made) {
                as<CapTable>(table).slots.erase(capabilities.at(one.copy).slot);
                capabilities.erase(one.copy);
            }
            return Error::no_slot;
        }
        made.push_back({source, as<CapTable>(table).slots.at(slot), moves});
        arrived.push_back({.handle = slot, .rights = copy.rights});
    }
    for (const Placed& one : made) {
        if (!one.moves) continue;
        // The same place in the tree: what was derived from the old one is derived from the new one, as far as its
        // rights go.
        for (Id child : children(one.source)) capabilities.at(child).parent = one.copy;
        Capability old = capabilities.at(one.source);
        as<CapTable>(old.table).slots.erase(old.slot);
        capabilities.erase(one.source);
    }
    message.handles = arrived;
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
    withdraw_loan(thread);
    if (t.reply != kNone) {
        as<Reply>(t.reply).caller = kNone;  // answering it is `not_found` from now on
        t.reply = kNone;
    }
}

/// What a thread lent is its own again.
void System::withdraw_loan(Id lender) {
    for (auto& [id, object] : objects)
        if (object.type == ObjectType::thread && std::get<Thread>(object.body).lender == lender) {
            std::get<Thread>(object.body).lender = kNone;
            std::get<Thread>(object.body).on_reserve = false;
        }
}

/// The thread that was to answer can't any more: the caller gets peer_died. (A thread at an event stays stopped; its
/// personality may still resume it by its capability.)
void System::abandon(Id caller) {
    auto& t = as<Thread>(caller);
    if (t.state == State::event && !t.native_fault) {
        unqueue(caller);
        return;
    }
    if (t.state == State::event) {  // nobody will ever mend its fault
        kill(caller);
        return;
    }
    finish(caller, {.errors = {Error::peer_died}});
}

/// The message of `from` arrives at `to`. An error is the sender's, and then nothing has happened.
Error System::deliver(Id from, Id to) {
    auto& sender = as<Thread>(from);
    auto& receiver = as<Thread>(to);
    Message message = sender.outgoing;
    if (sender.state != State::event) {
        if (Errors errors = message_errors(from, message); !errors.empty()) {
            finish(from, {.errors = errors});
            return *errors.begin();
        }
        if (Error error = transfer(from, to, message); error != Error::ok) {
            finish(from, {.errors = {error}});
            return error;
        }
    }
    bool one_way = sender.state == State::sending;
    unqueue(from);
    finish(to, {.errors = {}, .message = message});
    if (one_way) {
        finish(from, {});
    } else {
        sender.server = to;
        receiver.current = from;
        receiver.lender = from;
        receiver.on_reserve = false;
    }
    return Error::ok;
}

/// A sender queues in the part of its own CPU if somebody receives there, else where somebody does.
void System::enqueue(Id thread, Id endpoint) {
    auto& t = as<Thread>(thread);
    std::set<u32> with_receivers;
    for (Id id : as<Endpoint>(endpoint).registered) with_receivers.insert(as<Thread>(id).cpu);
    t.part = with_receivers.empty() || with_receivers.contains(t.cpu) ? t.cpu : *with_receivers.begin();
    t.queued_at = endpoint;
    as<Endpoint>(endpoint).senders.push_back(thread);
}

/// Senders that a receiver may take now: of its own CPU's part, else of one where nobody receives (the kernel's choice: the
/// first that has any); the highest priority of these.
std::vector<Id> System::senders_for(Id endpoint, Id receiver) const {
    const auto& e = as<Endpoint>(endpoint);
    std::set<u32> with_receivers;
    for (Id id : e.registered) with_receivers.insert(as<Thread>(id).cpu);
    std::map<u32, std::vector<Id>> best, unspecified;
    for (Id sender : e.senders) {
        u32 part = as<Thread>(sender).part;
        if (part != as<Thread>(receiver).cpu && with_receivers.contains(part)) continue;
        if (in_circle(sender)) {
            unspecified[part].push_back(sender);
            continue;
        }
        auto& list = best[part];
        if (!list.empty() && effective_priority(sender) < effective_priority(list.front())) continue;
        if (!list.empty() && effective_priority(sender) > effective_priority(list.front())) list.clear();
        list.push_back(sender);
    }
    for (auto& [part, list] : unspecified) best[part].insert(best[part].end(), list.begin(), list.end());
    if (best.empty()) return {};
    auto own = best.find(as<Thread>(receiver).cpu);
    return own != best.end() ? own->second : best.begin()->second;
}

/// Who meets whom next at an Endpoint. Which of several receivers, also of several CPUs, is the kernel's choice.
/// (kNone, kNone): nobody.
std::pair<Id, Id> System::next_pair(Id endpoint) const {
    std::vector<Id> receivers;
    for (Id receiver : as<Endpoint>(endpoint).receivers)
        if (!senders_for(endpoint, receiver).empty()) receivers.push_back(receiver);
    if (receivers.empty()) return {kNone, kNone};
    auto choose = [&](const std::vector<Id>& from) {
        return from.size() > 1 && observed_.choose_thread ? observed_.choose_thread(from) : from.front();
    };
    Id receiver = choose(receivers);
    return {choose(senders_for(endpoint, receiver)), receiver};
}

/// Receivers and senders at the same Endpoint meet, until there is no pair.
void System::receive_next(Id endpoint) {
    for (;;) {
        auto [from, to] = next_pair(endpoint);
        if (from == kNone) return;
        (void)deliver(from, to);
    }
}

Outcome System::start_call(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::endpoint, kSend, errors);
    errors.merge(message_errors(thread, message_of(call)));
    if (!errors.empty()) return {.errors = errors};
    Id endpoint = target->object;
    auto& t = as<Thread>(thread);
    t.outgoing = message_of(call);
    t.outgoing.badge = target->badge;
    bool expired = call.deadline != abi::kNoDeadline && call.deadline <= now;
    block(thread, call.number == abi::Syscall::call ? State::calling : State::sending, call.deadline);
    enqueue(thread, endpoint);
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
    if (t.registered != endpoint) {
        if (t.registered != kNone) {
            Id before = t.registered;
            std::erase(as<Endpoint>(before).registered, thread);
            t.registered = kNone;
            receive_next(before);  // receivers of other CPUs may take what is left in this one's part
        }
        t.registered = endpoint;
        as<Endpoint>(endpoint).registered.push_back(thread);
    }
    if (t.current != kNone) abandon(t.current);
    t.lender = kNone;
    t.on_reserve = false;
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
    if (expired && as<Thread>(thread).state == State::receiving)
        finish(thread, {.errors = {Error::timed_out}});
    return {.blocks = true};
}

/// The server's answer arrives at the caller, and resumes it. An error is the server's, and nothing has happened. A caller
/// without room for the capabilities gets no_slot and nothing else; the server loses those that it moved.
Error System::answer(Id caller, Id server, const Message& message) {
    auto& t = as<Thread>(caller);
    auto how = static_cast<abi::Resume>(abi::Tag(message.tag).operation());
    if (t.state == State::event && t.native_fault) {
        unqueue(caller);
        t.native_fault = false;
        t.state = State::ready;
        if (how != abi::Resume::retry) kill(caller);  // its handler gives it up
        return Error::ok;
    }
    if (t.state == State::event) {
        if (how > abi::Resume::state) return Error::invalid;
        unqueue(caller);
        t.state = State::ready;
        return Error::ok;
    }
    if (Errors errors = message_errors(server, message); !errors.empty()) return *errors.begin();
    Message arrived = message;
    arrived.badge = 0;
    Error error = transfer(server, caller, arrived);
    if (error != Error::ok) {
        finish(caller, {.errors = {error}});
        for (const auto& sent : message.handles) {
            // A Reply in its own answer is used up by that.
            if (find(server, sent.handle) != nullptr && (sent.flags & abi::kHandleMove))
                remove(id_of(server, sent.handle));
        }
    } else finish(caller, {.errors = {}, .message = arrived});
    return Error::ok;
}

Outcome System::reply(Id thread, const Call& call) {
    Errors errors;
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
    if (Error error = answer(caller, thread, message_of(call)); error != Error::ok) {
        errors = message_errors(thread, message_of(call));
        errors.insert(error);
        return {.errors = errors};
    }
    if (capability != kNone && capabilities.contains(capability)) remove(capability);
    return {};
}

/// Answers the current caller, if there is one, and receives. Refused before the answer, it has not answered.
Outcome System::reply_recv(Id thread, const Call& call) {
    Errors errors;
    lookup(thread, call.handle, ObjectType::endpoint, kReceive, errors);
    if (!errors.empty()) return {.errors = errors};
    if (Id caller = as<Thread>(thread).current; caller != kNone) {
        if (Error error = answer(caller, thread, message_of(call)); error != Error::ok) {
            errors = message_errors(thread, message_of(call));
            errors.insert(error);
            return {.errors = errors};
        }
    }
    return start_recv(thread, call);
}

Outcome System::take_reply(Id thread, const Call&) {
    auto& t = as<Thread>(thread);
    if (t.current == kNone) return {.errors = {Error::bad_state}};
    Id caller = t.current;
    // The event of a foreign thread has no Reply: its Thread capability resumes it.
    if (as<Thread>(caller).state == State::event && !as<Thread>(caller).native_fault)
        return {.errors = {Error::bad_state}};
    if (observed_.error == Error::no_slot || observed_.error == Error::no_memory)
        return {.errors = {observed_.error}};
    Id reply = add(ObjectType::reply, kNone, Reply{.caller = caller});
    HandleIndex slot = 0;
    Capability capability{.object = reply, .rights = static_cast<RightsBits>(abi::ReplyRight::reply)};
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
    withdraw_loan(caller);
    as<Thread>(caller).server = thread;
    as<Thread>(thread).current = caller;
    as<Thread>(thread).lender = caller;
    as<Thread>(thread).on_reserve = false;
    return {};
}

/// A foreign thread's system call or a fault: a call to the handler by the kernel, answered by a resumption.
void System::raise(Id thread, abi::Event event, const std::array<u64, 8>& words) {
    auto& t = as<Thread>(thread);
    if (t.handler == kNone) {  // faults kill; a foreign thread whose handler has gone too
        kill(thread);
        return;
    }
    t.outgoing = {.tag = u64{static_cast<u16>(event)} | abi::kTagKernel, .badge = t.badge, .words = words};
    block(thread, State::event, abi::kNoDeadline);
    t.native_fault = t.kind == abi::ThreadKind::native;
    enqueue(thread, t.handler);
    receive_next(t.handler);
}

/// A foreign thread that was interrupted and is ready (not stopped) arrives at its handler, instead of running: at the latest
/// when its turn to run has come.
void System::arrive(Id thread) {
    as<Thread>(thread).interrupt_pending = false;
    raise(thread, abi::Event::interrupted, {});
}

}  // namespace pith::spec
