// SPDX-License-Identifier: MIT
// The fast paths: call, reply_recv, and the system calls of foreign threads, with registers only and a
// partner that waits on this CPU. They switch directly, under this CPU's own lock alone. Whatever is unusual
// returns false before anything has changed, and the general path does it.
//
// No Budget is charged here: the Budget stays the same, only the thread that uses it changes; nor does the
// priority.
#include "kernel/core/ipc_fast.hpp"

#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

constexpr u64 kPlainTag = 0x0000'ffff'0000'ffff;  // operation and status: no buffer words, no capabilities

/// The Endpoint behind a handle with the right; null: the general path tells why not.
inline Endpoint* endpoint_of(Thread& thread, HandleIndex handle, abi::EndpointRight right, u64& badge) {
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) return nullptr;
    const Capability found = read_slot(*slot);
    if (found.word == 0 || !found.allows(static_cast<RightsBits>(right))) return nullptr;
    Object* object = found.object();
    if (object->type != ObjectType::endpoint || !alive(*object)) return nullptr;
    badge = found.badge;
    return static_cast<Endpoint*>(object);
}

/// A receiver that can be switched to at once.
inline Thread* waiting_receiver(Endpoint::Part& part) {
    Thread* receiver = part.receivers.front();
    return receiver != nullptr && !receiver->timer.queued && receiver->attention == 0 ? receiver : nullptr;
}

/// Takes the receiver off its queue, and has it work for the sender.
inline void connect(Endpoint::Part& part, Thread& sender, Thread& receiver) {
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
inline void disconnect(Endpoint& endpoint, Endpoint::Part& part, Thread& server, Thread& caller) {
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
inline Thread* simple_caller(Cpu& cpu, Thread& server) {
    Thread* caller = server.caller;
    if (caller == nullptr || caller != server.lender || caller->cpu != cpu.id || caller->timer.queued)
        return nullptr;
    const bool same = caller->payer == server.payer && caller->priority == server.priority &&
                      !server.on_reserve;
    return same && caller->attention == 0 ? caller : nullptr;
}

}  // namespace

bool fast_call(Cpu& cpu, Thread& thread) {
    arch::Frame& frame = thread.frame;
    if ((frame.tag() & ~kPlainTag) != 0 || frame.deadline() != abi::kNoDeadline) return false;
    u64 badge;
    Endpoint* endpoint = endpoint_of(thread, frame.handle(), abi::EndpointRight::send, badge);
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth || thread.attention != 0) return false;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = waiting_receiver(part);
    if (receiver == nullptr || endpoint->dying.load(std::memory_order_relaxed)) return false;
    connect(part, thread, *receiver);
    thread.state = State::awaiting_reply;
    thread.call_number++;
    frame.copy_words_to(receiver->frame);
    receiver->frame.set_tag(frame.tag());
    receiver->frame.set_badge(badge);
    receiver->frame.set_error(Error::ok);
    cpu.counts.fast_calls++;
    leave_current(cpu);
    switch_to(cpu, *receiver);
    return true;
}

bool fast_reply_recv(Cpu& cpu, Thread& thread) {
    arch::Frame& frame = thread.frame;
    if ((frame.tag() & ~kPlainTag) != 0 || frame.deadline() != abi::kNoDeadline || cpu.reschedule)
        return false;
    u64 badge;
    Endpoint* endpoint = endpoint_of(thread, frame.handle(), abi::EndpointRight::receive, badge);
    if (endpoint == nullptr || endpoint != thread.registered || thread.attention != 0) return false;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    if (!part.callers.empty() || endpoint->orphans.load(std::memory_order_seq_cst) != 0) return false;
    if (endpoint->dying.load(std::memory_order_relaxed)) return false;
    if (thread.bound != nullptr && thread.bound->pending()) return false;
    Thread* caller = simple_caller(cpu, thread);
    if (caller == nullptr) return false;
    if (caller->state == State::awaiting_reply && !caller->native_fault) {
        frame.copy_words_to(caller->frame);
        caller->frame.set_tag(frame.tag());
        caller->frame.set_badge(0);
        caller->frame.set_error(Error::ok);
    } else if (caller->state == State::at_event && frame.tag() == static_cast<u64>(abi::Resume::result)) {
        caller->frame.set_foreign_result(frame.word(0));
    } else {
        return false;
    }
    disconnect(*endpoint, part, thread, *caller);
    cpu.counts.fast_calls++;
    leave_current(cpu);
    switch_to(cpu, *caller);
    return true;
}

bool fast_foreign_call(Cpu& cpu, Thread& thread) {
    Endpoint* endpoint = thread.handler;
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth || thread.attention != 0) return false;
    CpuLock locked(cpu);
    if (!alive(*endpoint)) return false;
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = waiting_receiver(part);
    if (receiver == nullptr) return false;
    connect(part, thread, *receiver);
    thread.state = State::at_event;
    thread.event = abi::Event::syscall;
    leave_current(cpu);
    auto& page = *reinterpret_cast<abi::ForeignState*>(thread.buffer);
    thread.frame.save_to(page);
    page.event = static_cast<u64>(abi::Event::syscall);
    u64 words[abi::kRegisterWords];
    thread.frame.foreign_words(words);
    arch::Frame& to = receiver->frame;
    for (u32 i = 0; i < abi::kRegisterWords; i++) to.set_word(i, words[i]);
    to.set_tag(abi::kTagKernel | static_cast<u64>(abi::Event::syscall));
    to.set_badge(thread.badge);
    to.set_error(Error::ok);
    cpu.counts.fast_calls++;
    switch_to(cpu, *receiver);
    return true;
}

}  // namespace pith::core
