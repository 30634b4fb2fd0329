// SPDX-License-Identifier: MIT
// The short paths of messages: a partner that waits on this CPU is switched to directly, under this CPU's own lock alone.
// Calls and answers with all that a message can have, deadlines included. Null: nothing has been done, and the general
// path (ipc.cpp) is to do it, or to tell why not. An architecture may have shorter ones yet, for messages without
// capabilities, and for events (arch/x86_64/ipc.S).
//
// An Endpoint that begins to die now is severed only after this CPU has left the kernel, and the current thread sees to its
// attention bits when it runs next: neither is looked at under the lock.
// No Budget is charged here: Budget and priority stay the same, only the thread that uses them changes.
#include "kernel/core/ipc_fast.hpp"

#include "kernel/core/call.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

using abi::Syscall;

/// Buffer words, capabilities: what has to be transferred.
constexpr u64 kLoaded = 0x07ff'0000;
/// What a sender may set, and nothing else means anything.
constexpr u64 kKnown = 0x0000'ffff'077f'ffff;

/// The object behind a handle with the right, and the capability's badge; null: the general path tells why not.
template <typename T, typename Right>
[[gnu::always_inline]] inline T* object_of(const Thread& thread, HandleIndex handle, Right right,
                                           u64& badge) {
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) return nullptr;
    const Capability found = read_slot(*slot);
    badge = found.badge;
    if (!found.allows(static_cast<RightsBits>(right))) return nullptr;  // nor does an empty slot
    Object* object = found.object();
    if (!live_as(*object, T::kType) || !live_as(*object->pool, ObjectType::pool)) return nullptr;
    return static_cast<T*>(object);
}

/// A receiver that can be switched to at once.
[[gnu::always_inline]] inline Thread* waiting_receiver(Endpoint::Part& part) REQUIRES(thread_locks) {
    Thread* receiver = part.receivers.front();
    return receiver != nullptr && receiver->attention == 0 ? receiver : nullptr;
}

/// Takes the receiver off its queue, and has it work for the sender.
[[gnu::always_inline]] inline void connect(Thread& sender, Thread& receiver) REQUIRES(thread_locks) {
    Endpoint::Receivers::remove(receiver);
    stop_timer_locked(receiver);
    receiver.state = State::ready;
    receiver.caller = receiver.lender = &sender;
    receiver.payer = sender.payer;
    receiver.priority = sender.priority;
    receiver.depth = static_cast<u8>(sender.depth + 1);
    sender.server = sender.borrower = &receiver;
}

/// The opposite: the server waits again, the caller is free.
[[gnu::always_inline]] inline void disconnect(Endpoint::Part& part, Thread& server, Thread& caller)
    REQUIRES(thread_locks) {
    server.caller = server.lender = nullptr;
    server.payer = &server;
    server.priority = server.base_priority;
    server.depth = 0;
    server.state = State::receiving;
    part.receivers.push_back(server);
    caller.server = caller.borrower = nullptr;
    stop_timer_locked(caller);
    caller.state = State::ready;
}

/// Whether the answer ends all that the caller has lent, and so the switch to it changes neither priority nor Budget.
bool lent_by(const Thread& server, const Thread& caller) REQUIRES(thread_locks) {
    return &caller == server.lender && caller.payer == server.payer && caller.priority == server.priority &&
           !server.on_reserve;
}

/// What comes with a message, and the rest that is not in registers; those are still to be passed on. False: there is an error.
bool pass_message(Thread& from, Thread& to, u64 badge) REQUIRES(thread_locks) {
    if ((from.frame.tag() & kLoaded) != 0) {
        Error receiver_error;
        if (transfer_load_locked(from, to, receiver_error) != Error::ok || receiver_error != Error::ok)
            return false;
    }
    to.frame.set_badge(badge);
    to.frame.set_error(Error::ok);
    return true;
}

/// From one thread of this CPU to another.
void switch_directly(Cpu& cpu, Thread& from, Thread& to, TraceKind kind, u64 b) REQUIRES(thread_locks) {
    cpu.counts.fast_calls++;
    cpu.trace.add_at(switch_time(from, to), kind, from.id, to.id, b);
    exchange(cpu, from, to);
}

/// The wait that begins has a deadline.
[[gnu::noinline]] void start_timed(Cpu& cpu, Thread& thread, abi::Time deadline) REQUIRES(thread_locks) {
    start_timer_locked(thread, deadline);
    arm_timer_for(cpu, deadline);
}

/// How a foreign thread at its event, or one that has its fault mended, goes on, as its server says. False: not so simple.
bool resume_caller(Thread& caller, const Thread& server) REQUIRES(thread_locks) {
    const u64 tag = server.frame.tag();
    if (native_fault(caller)) {
        if (tag != static_cast<u64>(abi::Resume::retry)) return false;
        caller.hindrance &= static_cast<u8>(~kNativeFault);
        return true;
    }
    if (caller.state != State::at_event) return false;
    if (tag == static_cast<u64>(abi::Resume::state)) {
        caller.frame.load_from(*reinterpret_cast<const abi::ForeignState*>(caller.buffer));
    } else if (tag == static_cast<u64>(abi::Resume::result)) {
        caller.frame.set_foreign_result(server.frame.word(0));
    } else {
        return tag == static_cast<u64>(abi::Resume::retry);
    }
    return true;
}

}  // namespace

Thread* call_directly(Cpu& cpu, Thread& thread) {
    const arch::Frame& frame = thread.frame;
    const u64 tag = frame.tag();
    u64 badge;
    auto* endpoint = object_of<Endpoint>(thread, frame.handle(), abi::EndpointRight::send, badge);
    if (endpoint == nullptr || (tag & ~kKnown) != 0 || thread.depth >= Thread::kMaxDepth) return nullptr;
    const abi::Time deadline = frame.deadline();
    CpuLock locked(cpu);
    Thread* receiver = waiting_receiver(endpoint->part_at(cpu.part));
    if (receiver == nullptr || !pass_message(thread, *receiver, badge)) return nullptr;
    connect(thread, *receiver);
    thread.state = State::awaiting_reply;
    thread.call_number++;
    if (deadline != abi::kNoDeadline) start_timed(cpu, thread, deadline);
    switch_directly(cpu, thread, *receiver, TraceKind::call, tag);
    if (deadline != abi::kNoDeadline) {
        // It may have passed before the receiver has its words, and then the caller be moved and write to its Frame.
        thread.frame.copy_words_to(receiver->frame);
        receiver->frame.set_tag(tag);
        return receiver;
    }
    // Nobody touches this Frame before the receiver has run, which is on this CPU: so its words need no copying.
    return &thread;
}

Thread* reply_directly(Cpu& cpu, Thread& thread) {
    const arch::Frame& frame = thread.frame;
    const u64 tag = frame.tag();
    u64 badge;
    auto* endpoint = object_of<Endpoint>(thread, frame.handle(), abi::EndpointRight::receive, badge);
    if (endpoint == nullptr || endpoint != thread.registered || (tag & ~kKnown) != 0) return nullptr;
    const abi::Time deadline = frame.deadline();
    if (deadline != abi::kNoDeadline && deadline <= arch::now()) return nullptr;
    CpuLock locked(cpu);
    Thread* caller = thread.caller;
    if (caller == nullptr || caller->cpu != cpu.id || caller->attention != 0 || !lent_by(thread, *caller))
        return nullptr;
    Endpoint::Part& part = endpoint->part_at(cpu.part);
    if (!part.callers.empty() || endpoint->orphans.load(std::memory_order_seq_cst) != 0) return nullptr;
    if (thread.bound != nullptr && thread.bound->pending()) return nullptr;
    const bool message = caller->state == State::awaiting_reply && !native_fault(*caller);
    if (!(message ? pass_message(thread, *caller, 0) : resume_caller(*caller, thread))) return nullptr;
    disconnect(part, thread, *caller);
    if (deadline != abi::kNoDeadline) start_timed(cpu, thread, deadline);
    switch_directly(cpu, thread, *caller, TraceKind::reply, tag);
    if (message) {
        // This thread waits now, and another CPU may write to its Frame.
        thread.frame.copy_words_to(caller->frame);
        caller->frame.set_tag(tag);
    }
    return caller;
}

Thread* native_syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    Thread* words = nullptr;
    switch (thread.frame.number()) {
        case static_cast<u32>(Syscall::call): words = call_directly(cpu, thread); break;
        case static_cast<u32>(Syscall::reply_recv): words = reply_directly(cpu, thread); break;
        default: break;
    }
    return words != nullptr ? words : slow_syscall_entry();
}

// Whoever waits and is more urgent runs at once.
Thread* notify_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    u64 badge;
    auto* signal = object_of<Signal>(thread, thread.frame.handle(), abi::SignalRight::notify, badge);
    if (signal == nullptr) return slow_syscall_entry();
    const u64 bits = thread.frame.arg(0);
    thread.frame.set_result(Error::ok, 0, 0, 0);  // while it is certain to be this CPU's
    signal->notify(bits, true);
    if (cpu.reschedule) {  // also where it has switched to one, and a second one is more urgent
        cpu.entered_at = arch::ticks();
        leave_kernel();
    }
    return cpu.area.current;
}

}  // namespace pith::core
