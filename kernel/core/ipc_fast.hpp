// SPDX-License-Identifier: MIT
// The fast paths of call and reply_recv: registers only, and a partner that waits on this CPU. They switch directly, under
// this CPU's own lock alone, and touch no message word: those stay in the registers where the architecture passes them on
// itself, or in the Frame (ipc_fast.cpp). Null: nothing has been done, and the general path is to do it.
//
// An Endpoint that begins to die now is severed only after this CPU has left the kernel, and a thread sees to
// its attention bits when it runs next: neither is looked at under the lock.
// No Budget is charged here: the Budget stays the same, only the thread that uses it changes; nor does the
// priority.
#pragma once

#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {

namespace fast {

inline constexpr u64
    kPlainTag = 0x0000'ffff'0000'ffff;  // operation and status: no buffer words, no capabilities

/// The Endpoint behind a handle with the right; null: the general path tells why not.
[[gnu::always_inline]] inline Endpoint* endpoint_of(Thread& thread, HandleIndex handle,
                                                    abi::EndpointRight right, u64* badge) {
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) [[unlikely]]
        return nullptr;
    Capability found{slot->word.load(std::memory_order_acquire), 0, slot};
    if (badge != nullptr) {
        found = read_slot(*slot);
        *badge = found.badge;
    }
    if (!found.allows(static_cast<RightsBits>(right))) [[unlikely]]
        return nullptr;  // nor does an empty slot
    Object* object = found.object();
    if (!live_as(*object, ObjectType::endpoint) || !live_as(*object->pool, ObjectType::pool)) [[unlikely]]
        return nullptr;
    return static_cast<Endpoint*>(object);
}

/// A receiver that can be switched to at once.
[[gnu::always_inline]] inline Thread* waiting_receiver(Endpoint::Part& part) {
    Thread* receiver = part.receivers.front();
    return receiver != nullptr && !receiver->timer.queued && receiver->attention == 0 ? receiver : nullptr;
}

/// Takes the receiver off its queue, and has it work for the sender.
[[gnu::always_inline]] inline void connect(Endpoint::Part& part, Thread& sender, Thread& receiver) {
    part.receivers.remove(receiver);
    receiver.endpoint = nullptr;
    receiver.state = State::ready;
    receiver.caller = receiver.lender = &sender;
    receiver.payer = sender.payer;
    receiver.priority = sender.priority;
    receiver.depth = static_cast<u8>(sender.depth + 1);
    sender.server = sender.borrower = &receiver;
}

/// The opposite: the server waits again, the caller is free.
[[gnu::always_inline]] inline void disconnect(Endpoint& endpoint, Endpoint::Part& part, Thread& server,
                                              Thread& caller) {
    server.caller = server.lender = nullptr;
    server.payer = &server;
    server.priority = server.base_priority;
    server.depth = 0;
    server.state = State::receiving;
    server.endpoint = &endpoint;
    part.receivers.push_back(server);
    caller.server = caller.borrower = nullptr;
    caller.state = State::ready;
}

/// The current caller, if it can be answered and switched to at once.
[[gnu::always_inline]] inline Thread* simple_caller(Cpu& cpu, Thread& server) {
    Thread* caller = server.caller;
    if (caller == nullptr || caller != server.lender || caller->cpu != cpu.id || caller->timer.queued)
        return nullptr;
    const bool same = caller->payer == server.payer && caller->priority == server.priority &&
                      !server.on_reserve;
    return same && caller->attention == 0 ? caller : nullptr;
}

}  // namespace fast

/// call: the receiver, which is current now; `badge` is for it.
[[gnu::always_inline]] inline Thread* fast_call(Cpu& cpu, Thread& thread, HandleIndex handle, u64 tag,
                                                u64 deadline, u64& badge) {
    if (((tag & ~fast::kPlainTag) | deadline) != 0) return nullptr;
    Endpoint* endpoint = fast::endpoint_of(thread, handle, abi::EndpointRight::send, &badge);
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = fast::waiting_receiver(part);
    if (receiver == nullptr) return nullptr;
    fast::connect(part, thread, *receiver);
    thread.state = State::awaiting_reply;
    thread.call_number++;
    cpu.counts.fast_calls++;
    count_time(cpu, thread);
    cpu.trace.add_at(cpu.switched_at, TraceKind::call, thread.id, receiver->id, tag);
    exchange_native(cpu, thread, *receiver);
    return receiver;
}

/// What a reply is to who gets it.
enum class Answer : u8 {
    message,    ///< its call's: words and tag
    registers,  ///< no words: it resumes with the registers in its Frame, after an event or a fault
};

/// reply_recv: the caller that was answered, which is current now. A foreign one may resume with `result`. `deliver(caller)` is
/// called for a message before another CPU may write to this thread's Frame.
template <typename Deliver>
[[gnu::always_inline]] inline Thread* fast_reply_recv(Cpu& cpu, Thread& thread, HandleIndex handle, u64 tag,
                                                      u64 deadline, u64 result, Answer& answer,
                                                      Deliver deliver) {
    if (((tag & ~fast::kPlainTag) | deadline) != 0) return nullptr;
    Endpoint* endpoint = fast::endpoint_of(thread, handle, abi::EndpointRight::receive, nullptr);
    if (endpoint == nullptr || endpoint != thread.registered) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    if (!part.callers.empty() || endpoint->orphans.load(std::memory_order_seq_cst) != 0) return nullptr;
    if (thread.bound != nullptr && thread.bound->pending()) return nullptr;
    Thread* caller = fast::simple_caller(cpu, thread);
    if (caller == nullptr) return nullptr;
    if (caller->state == State::awaiting_reply && !caller->native_fault) [[likely]] {
        answer = Answer::message;
        deliver(*caller);
    } else {
        answer = Answer::registers;
        if (caller->state == State::at_event && tag == static_cast<u64>(abi::Resume::result)) {
            caller->frame.set_foreign_result(result);
        } else if (tag != static_cast<u64>(abi::Resume::retry) ||
                   (caller->state != State::at_event && caller->state != State::awaiting_reply)) {
            return nullptr;
        }
        caller->native_fault = false;
    }
    fast::disconnect(*endpoint, part, thread, *caller);
    cpu.counts.fast_calls++;
    count_time(cpu, thread);
    cpu.trace.add_at(cpu.switched_at, TraceKind::reply, thread.id, caller->id, tag);
    if (answer == Answer::message) [[likely]] {
        exchange_native(cpu, thread, *caller);
    } else {
        exchange(cpu, thread, *caller);
    }
    return caller;
}

}  // namespace pith::core
