// SPDX-License-Identifier: MIT
// The fast paths: call, reply_recv, and the system calls of foreign threads, with registers only and a
// partner that waits on this CPU. They switch directly, under this CPU's own lock alone. Each returns the Frame
// with the message words of the thread that it switched to (entry.hpp), or null: it has done nothing, and the
// general path is to do it.
//
// An Endpoint that begins to die now is severed only after this CPU has left the kernel, and a thread sees to
// its attention bits when it runs next: neither is looked at under the lock.
// No Budget is charged here: the Budget stays the same, only the thread that uses it changes; nor does the
// priority.
#include "kernel/core/call.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

using abi::Syscall;

constexpr u64 kPlainTag = 0x0000'ffff'0000'ffff;  // operation and status: no buffer words, no capabilities

/// The Endpoint behind a handle with the right; null: the general path tells why not.
[[gnu::always_inline]] inline Endpoint* endpoint_of(Thread& thread, HandleIndex handle,
                                                    abi::EndpointRight right, u64& badge) {
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) [[unlikely]]
        return nullptr;
    const Capability found = read_slot(*slot);
    badge = found.badge;
    if (!found.allows(static_cast<RightsBits>(right))) [[unlikely]]
        return nullptr;  // nor does an empty slot
    Object* object = found.object();
    if (object->type != ObjectType::endpoint || !alive(*object)) [[unlikely]]
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

[[gnu::always_inline]] inline arch::Frame* fast_call(Cpu& cpu, Thread& thread) {
    arch::Frame& frame = thread.frame;
    if (((frame.tag() & ~kPlainTag) | frame.deadline()) != 0) return nullptr;
    u64 badge;
    Endpoint* endpoint = endpoint_of(thread, frame.handle(), abi::EndpointRight::send, badge);
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = waiting_receiver(part);
    if (receiver == nullptr) return nullptr;
    connect(part, thread, *receiver);
    thread.state = State::awaiting_reply;
    thread.call_number++;
    receiver->frame.set_badge(badge);
    receiver->frame.set_error(Error::ok);
    cpu.counts.fast_calls++;
    leave_current(cpu, thread);
    cpu.trace.add_at(cpu.switched_at, TraceKind::call, thread.id, receiver->id, frame.tag());
    switch_to(cpu, *receiver);
    // Nobody touches this Frame before the receiver has run, which is on this CPU: so its words need no copying.
    return &frame;
}

[[gnu::always_inline]] inline arch::Frame* fast_reply_recv(Cpu& cpu, Thread& thread) {
    arch::Frame& frame = thread.frame;
    if (((frame.tag() & ~kPlainTag) | frame.deadline()) != 0) return nullptr;
    u64 badge;
    Endpoint* endpoint = endpoint_of(thread, frame.handle(), abi::EndpointRight::receive, badge);
    if (endpoint == nullptr || endpoint != thread.registered) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    if (!part.callers.empty() || endpoint->orphans.load(std::memory_order_seq_cst) != 0) return nullptr;
    if (thread.bound != nullptr && thread.bound->pending()) return nullptr;
    Thread* caller = simple_caller(cpu, thread);
    if (caller == nullptr) return nullptr;
    if (caller->state == State::awaiting_reply && !caller->native_fault) {
        // Copied: as soon as the lock is free, another CPU may put the next message into this thread's Frame.
        frame.copy_words_to(caller->frame);
        caller->frame.set_tag(frame.tag());
        caller->frame.set_badge(0);
        caller->frame.set_error(Error::ok);
    } else if (caller->state == State::at_event && frame.tag() == static_cast<u64>(abi::Resume::result)) {
        caller->frame.set_foreign_result(frame.word(0));
    } else {
        return nullptr;
    }
    disconnect(*endpoint, part, thread, *caller);
    cpu.counts.fast_calls++;
    leave_current(cpu, thread);
    cpu.trace.add_at(cpu.switched_at, TraceKind::reply, thread.id, caller->id, frame.tag());
    switch_to(cpu, *caller);
    return &caller->frame;
}

[[gnu::noinline]] arch::Frame* fast_foreign_call(Cpu& cpu, Thread& thread) {
    Endpoint* endpoint = thread.handler;
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth) return nullptr;
    if (!alive(*endpoint)) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = waiting_receiver(part);
    if (receiver == nullptr) return nullptr;
    connect(part, thread, *receiver);
    thread.state = State::at_event;
    thread.event = abi::Event::syscall;
    leave_current(cpu, thread);
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
    cpu.trace.add_at(cpu.switched_at, TraceKind::foreign, thread.id, receiver->id, words[0]);
    switch_to(cpu, *receiver);
    return &to;
}

}  // namespace

arch::Frame* syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.current;
    if (thread.kind == abi::ThreadKind::foreign) {
        arch::Frame* words = fast_foreign_call(cpu, thread);
        return words != nullptr ? words : slow_foreign_call(cpu, thread);
    }
    const u32 number = thread.frame.number();
    arch::Frame* words = nullptr;
    if (number == static_cast<u32>(Syscall::reply_recv)) {
        words = fast_reply_recv(cpu, thread);
    } else if (number == static_cast<u32>(Syscall::call)) {
        words = fast_call(cpu, thread);
    } else if (number == static_cast<u32>(Syscall::null)) {
        thread.frame.set_error(Error::ok);
        return &thread.frame;
    }
    return words != nullptr ? words : slow_syscall(cpu, thread);
}

}  // namespace pith::core
