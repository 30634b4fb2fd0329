// SPDX-License-Identifier: MIT
// Messages: the general paths of call, send, recv and reply, for partners on any CPUs. Each finds out which
// CPUs are concerned, takes their locks in order, checks that it still is so, and then commits.
#include "kernel/core/ipc.hpp"

#include <algorithm>

#include "kernel/core/capability.hpp"
#include "kernel/core/captable.hpp"
#include "kernel/core/destroy.hpp"
#include "kernel/core/reply.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

constexpr u32 kQueueWalk = 64;  // callers that a more urgent one passes at most when it queues

/// The CPU whose part of the endpoint a caller of this CPU goes to.
u32 choose_part(Endpoint& endpoint, u32 own) {
    if (endpoint.parts[own].receiver_count.load(std::memory_order_seq_cst) != 0) return own;
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        if (endpoint.parts[cpu].receiver_count.load(std::memory_order_seq_cst) != 0) return cpu;
    }
    return own;
}

bool expired(abi::Time deadline) { return deadline != abi::kNoDeadline && deadline <= arch::now(); }

/// Hands `from`'s message or event to `to`, which is not queued any more, and links the two. An error is the
/// sender's, and then nothing has happened to `to`.
Error deliver_locked(Thread& from, Thread& to, Delivery kind) REQUIRES(thread_locks) {
    if (kind == Delivery::event) {
        this_cpu().trace.add(TraceKind::deliver_event, from.id, to.id, static_cast<u64>(from.event));
        fill_event(from, to);
        from.state = from.kind == abi::ThreadKind::foreign ? State::at_event : State::awaiting_reply;
    } else {
        Error receiver_error;
        if (Error error = transfer_locked(from, to, from.sent_badge, receiver_error); error != Error::ok)
            return error;
        if (receiver_error != Error::ok) return receiver_error;
        this_cpu().trace.add(kind == Delivery::send ? TraceKind::deliver_send : TraceKind::deliver_call,
                             from.id, to.id, from.frame.tag());
        if (kind == Delivery::send) return Error::ok;
        from.state = State::awaiting_reply;
    }
    to.caller = &from;
    from.server = &to;
    lend_locked(from, to);
    return Error::ok;
}

Delivery delivery_of(const Thread& queued) {
    switch (queued.state) {
        case State::queued_call: return Delivery::call;
        case State::queued_send: return Delivery::send;
        default: return Delivery::event;
    }
}

State queued_state(Delivery kind) {
    switch (kind) {
        case Delivery::call: return State::queued_call;
        case Delivery::send: return State::queued_send;
        default: return State::queued_event;
    }
}

/// The part that this receiver should take a caller from, kMaxCpus: none.
u32 part_with_callers(Endpoint& endpoint, u32 own) {
    if (!endpoint.parts[own].callers.empty()) return own;
    if (endpoint.orphans.load(std::memory_order_seq_cst) == 0) return abi::kMaxCpus;
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        Endpoint::Part& part = endpoint.parts[cpu];
        if (part.receiver_count.load(std::memory_order_seq_cst) == 0 && !part.callers.empty()) return cpu;
    }
    return abi::kMaxCpus;
}

/// Delivers a queued caller to `to`, which is not queued. False: the caller got an error instead.
bool take_caller_locked(Thread& caller, Thread& to) REQUIRES(thread_locks) {
    const Delivery kind = delivery_of(caller);
    const State before = caller.state;
    dequeue_caller_locked(caller);
    caller.state = before;
    const Error error = deliver_locked(caller, to, kind);
    if (error != Error::ok || kind == Delivery::send) {
        stop_timer_locked(caller);
        caller.frame.set_error(error);
        make_ready_locked(caller);
    }
    return error == Error::ok;
}

/// One attempt to take a queued caller. ok: got one; not_found: there is none; restart: look again.
Error try_take_caller(Thread& thread, Endpoint& endpoint) {
    const u32 from = part_with_callers(endpoint, thread.cpu);
    if (from == abi::kMaxCpus) return Error::not_found;
    Thread* caller;
    u32 caller_cpu;
    {
        CpuLock locked(cpus[from]);
        caller = endpoint.parts[from].callers.front();
        if (caller == nullptr) return Error::restart;
        caller_cpu = caller->cpu;
    }
    bool taken;
    Thread* first;
    {
        CpuLocks locks(cpu_bit(from) | cpu_bit(thread.cpu) | cpu_bit(caller_cpu));
        if (endpoint.parts[from].callers.front() != caller || caller->cpu != caller_cpu)
            return Error::restart;
        taken = take_caller_locked(*caller, thread);
        if (thread.caller != caller)
            recompute_locked(thread);  // the one that helped it is gone, and has lent nothing
        first = endpoint.parts[from].registered.front();
    }
    if (first != nullptr && first != &thread) propagate(*first);  // it may have been helped by that one
    return taken ? Error::ok : Error::restart;
}

/// Whether it is this call that is answered: the caller may have been cut off meanwhile, and wait for another's answer.
bool may_answer_locked(const Thread& thread, Thread& caller, const Slot* held) REQUIRES(thread_locks) {
    if (held == nullptr) return caller.server == &thread;
    Guard guard(caller.reply.caps_lock);
    return caller.server == nullptr && caller.reply_slot == held;
}

}  // namespace

void fill_event(const Thread& from, Thread& to) {
    arch::Frame& frame = to.frame;
    frame.set_tag(abi::kTagKernel | static_cast<u16>(from.event));
    frame.set_badge(from.badge);
    u64 words[abi::kRegisterWords] = {};
    if (from.event == abi::Event::syscall) {
        from.frame.foreign_words(words);
    } else if (from.event == abi::Event::interrupted) {
        words[7] = from.frame.ip();
    } else {
        std::copy(std::begin(from.event_words), std::end(from.event_words), words);
    }
    for (u32 i = 0; i < abi::kRegisterWords; i++) frame.set_word(i, words[i]);
    frame.set_error(Error::ok);
}

void enqueue_caller_locked(Endpoint& endpoint, u32 part_index, Thread& caller) {
    Endpoint::Part& part = endpoint.parts[part_index];
    Thread* after = part.callers.back();
    for (u32 i = 0; i < kQueueWalk && after != nullptr && after->priority < caller.priority; i++) {
        after = part.callers.previous(*after);
    }
    if (after == nullptr) {
        part.callers.push_front(caller);
    } else {
        part.callers.insert_after(caller, *after);
    }
    caller.endpoint = &endpoint;
    caller.queue_cpu = part_index;
    if (part.receiver_count.load(std::memory_order_relaxed) == 0)
        endpoint.orphans.fetch_add(1, std::memory_order_seq_cst);
}

void dequeue_caller_locked(Thread& caller) {
    Endpoint& endpoint = *caller.endpoint;
    Endpoint::Part& part = endpoint.parts[caller.queue_cpu];
    part.callers.remove(caller);
    if (part.receiver_count.load(std::memory_order_relaxed) == 0)
        endpoint.orphans.fetch_sub(1, std::memory_order_seq_cst);
    caller.endpoint = nullptr;
}

void register_receiver_locked(Endpoint& endpoint, Thread& thread) {
    Endpoint::Part& part = endpoint.parts[thread.cpu];
    part.registered.push_back(thread);
    thread.registered = &endpoint;
    if (part.receiver_count.fetch_add(1, std::memory_order_seq_cst) != 0) return;
    u32 queued = 0;
    for (Thread* caller = part.callers.front(); caller != nullptr; caller = part.callers.next(*caller))
        queued++;
    if (queued != 0) endpoint.orphans.fetch_sub(queued, std::memory_order_seq_cst);
}

void unregister_receiver_locked(Thread& thread) {
    Endpoint& endpoint = *thread.registered;
    Endpoint::Part& part = endpoint.parts[thread.cpu];
    part.registered.remove(thread);
    thread.registered = nullptr;
    if (part.receiver_count.fetch_sub(1, std::memory_order_seq_cst) != 1) return;
    u32 queued = 0;
    for (Thread* caller = part.callers.front(); caller != nullptr; caller = part.callers.next(*caller))
        queued++;
    if (queued != 0) endpoint.orphans.fetch_add(queued, std::memory_order_seq_cst);
}

void unregister_receiver(Thread& thread) {
    Endpoint* endpoint = thread.registered;
    if (endpoint == nullptr) return;
    Thread* heir = nullptr;
    {
        ThreadLock locked(thread);
        if (thread.registered != endpoint) return;  // it has just been severed
        const u32 cpu = thread.cpu;
        unregister_receiver_locked(thread);
        heir = endpoint->parts[cpu].registered.front();
    }
    if (heir != nullptr) propagate(*heir);  // those who queue wait for that one now
    rebalance(*endpoint);
}

namespace {

/// The first caller in the part `from` goes to the first receiver that waits on `cpu`. False: there is no such pair.
bool pair_up(Endpoint& endpoint, u32 from, u32 cpu) {
    Thread* caller;
    u32 caller_cpu;
    {
        CpuLock locked(cpus[from]);
        caller = endpoint.parts[from].callers.front();
        if (caller == nullptr) return false;
        caller_cpu = caller->cpu;
    }
    Thread* helped;
    {
        CpuLocks locks(cpu_bit(cpu) | cpu_bit(from) | cpu_bit(caller_cpu));
        if (endpoint.parts[from].callers.front() != caller || caller->cpu != caller_cpu) return true;
        Thread* receiver = endpoint.parts[cpu].receivers.front();
        if (receiver == nullptr) return false;
        if (!take_caller_locked(*caller, *receiver)) return true;
        endpoint.parts[cpu].receivers.remove(*receiver);
        stop_timer_locked(*receiver);
        make_ready_locked(*receiver);
        helped = endpoint.parts[from].registered.front();
    }
    if (helped != nullptr) propagate(*helped);  // by who waits no more
    return true;
}

}  // namespace

// Modelled in tests/models/orphans.pml.
void rebalance(Endpoint& endpoint) {
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        for (;;) {
            // A receiver that waits takes one orphan, or one of its own part if it has moved to that; those that are
            // busy look when they receive next.
            const u32 from = part_with_callers(endpoint, cpu);
            if (from == abi::kMaxCpus || !pair_up(endpoint, from, cpu)) break;
        }
    }
}

Error send_message(Thread& thread, Endpoint& endpoint, u64 badge, Delivery kind) {
    const abi::Time deadline = kind == Delivery::event ? abi::kNoDeadline : thread.frame.deadline();
    thread.sent_badge = badge;
    Thread* helped = nullptr;
    for (;;) {
        const u32 target = choose_part(endpoint, thread.cpu);
        CpuLocks locks(cpu_bit(thread.cpu) | cpu_bit(target));
        if (endpoint.dying.load(std::memory_order_relaxed)) return Error::bad_handle;
        if (choose_part(endpoint, thread.cpu) != target) continue;
        Endpoint::Part& part = endpoint.parts[target];
        if (Thread* receiver = part.receivers.front(); receiver != nullptr) {
            if (Error error = deliver_locked(thread, *receiver, kind); error != Error::ok) return error;
            part.receivers.remove(*receiver);
            stop_timer_locked(*receiver);
            if (kind == Delivery::send) recompute_locked(*receiver);
            make_ready_locked(*receiver, kind == Delivery::send ? Place::back : Place::front);
            if (kind == Delivery::send) return Error::ok;
            thread.call_number++;
            start_timer_locked(thread, deadline);
            this_cpu().reschedule = true;
            return kNoResult;
        }
        if (kind != Delivery::event) {
            if (Error error = check_message(thread); error != Error::ok) return error;
        }
        if (expired(deadline)) return Error::timed_out;
        thread.state = queued_state(kind);
        trace(TraceKind::queue, 0,
              kind == Delivery::event ? static_cast<u64>(thread.event) : thread.frame.tag());
        thread.call_number++;
        enqueue_caller_locked(endpoint, target, thread);
        start_timer_locked(thread, deadline);
        this_cpu().reschedule = true;
        helped = part.registered.front();
        break;
    }
    if (helped != nullptr) {
        propagate(*helped);
    } else {
        rebalance(endpoint);
    }
    return kNoResult;
}

Thread* drop_caller(Thread& thread) {
    Thread* caller = thread.caller;
    Thread* died = nullptr;
    if (caller != nullptr) {
        Wait wait;
        bool fault = false;
        {
            ThreadPairLock locks(thread, *caller);
            if (thread.caller == caller) {
                if (caller->state == State::at_event) {
                    // A foreign thread stays stopped at its event, on its own.
                    thread.caller = nullptr;
                    caller->server = nullptr;
                } else {
                    wait = wait_of(*caller);
                    fault = native_fault(*caller);
                }
            }
        }
        const State after = fault ? State::dead : State::ready;
        if (wait.state == State::awaiting_reply && withdraw(*caller, wait, Error::peer_died, after) && fault)
            died = caller;
    }
    if (Thread* lender = thread.lender; lender != nullptr) {
        ThreadPairLock locks(thread, *lender);
        if (thread.lender == lender) unlend_locked(thread);
    }
    return died;
}

void thread_died(Thread& thread) {
    for (Thread* dead = &thread; dead != nullptr;) {
        Thread* next = drop_caller(*dead);
        unregister_receiver(*dead);
        if (Signal* signal = dead->bound; signal != nullptr) signal->unbind(*dead);
        leave_job(*dead);
        dead = next;
    }
}

Error receive(Thread& thread, Endpoint& endpoint, abi::Time deadline) {
    if (thread.registered != &endpoint) {
        unregister_receiver(thread);
        CpuLock locked(cpus[thread.cpu]);
        register_receiver_locked(endpoint, thread);
    }
    if (Thread* died = drop_caller(thread); died != nullptr) thread_died(*died);
    for (;;) {
        {
            CpuLock locked(cpus[thread.cpu]);
            recompute_locked(thread);  // others may queue for it, or none any more
            if (endpoint.dying.load(std::memory_order_relaxed)) return Error::bad_handle;
            if (thread.bound != nullptr && thread.bound->pending()) {
                if (deliver_signal_locked(thread)) return kNoResult;
            }
        }
        const Error taken = try_take_caller(thread, endpoint);
        if (taken == Error::ok) return kNoResult;
        if (taken == Error::restart) continue;
        if (expired(deadline)) return Error::timed_out;
        {
            CpuLock locked(cpus[thread.cpu]);
            if (part_with_callers(endpoint, thread.cpu) != abi::kMaxCpus) continue;
            if (thread.bound != nullptr && thread.bound->pending()) continue;
            thread.state = State::receiving;
            trace(TraceKind::receive);
            endpoint.parts[thread.cpu].receivers.push_back(thread);
            start_timer_locked(thread, deadline);
            this_cpu().reschedule = true;
        }
        if (endpoint.orphans.load(std::memory_order_seq_cst) != 0) rebalance(endpoint);
        return kNoResult;
    }
}

// Modelled in tests/models/reply.pml.
Error reply_to(Thread& thread, Thread& caller, const Slot* held) {
    Thread* worker = nullptr;
    bool given_up = false;
    Error receiver_error = Error::ok;
    for (;;) {
        const u32 caller_cpu = caller.cpu;
        worker = caller.borrower;  // this thread, or one that has adopted the call
        const u32 mask = cpu_bit(thread.cpu) | cpu_bit(caller_cpu) |
                         (worker != nullptr ? cpu_bit(worker->cpu) : 0);
        CpuLocks locks(mask);
        if (caller.cpu != caller_cpu || caller.borrower != worker ||
            (worker != nullptr && (mask & cpu_bit(worker->cpu)) == 0))
            continue;
        if (caller.state != State::awaiting_reply || !may_answer_locked(thread, caller, held))
            return Error::not_found;
        State after = State::ready;
        if (native_fault(caller)) {
            const bool retry = abi::Tag(thread.frame.tag()).operation() ==
                               static_cast<u16>(abi::Resume::retry);
            after = retry ? State::ready : State::dead;
        } else {
            if (Error error = transfer_locked(thread, caller, 0, receiver_error); error != Error::ok)
                return error;
            if (receiver_error != Error::ok) caller.frame.set_error(receiver_error);
        }
        trace(TraceKind::deliver_reply, caller.id, thread.frame.tag());
        if (caller.server != nullptr) caller.server->caller = nullptr;
        caller.server = nullptr;
        caller.hindrance &= static_cast<u8>(~kNativeFault);
        if (Slot* slot = detach_reply(caller); slot != nullptr) CapTable::release(*slot);
        if (worker != nullptr) unlend_locked(*worker);
        stop_timer_locked(caller);
        if (after == State::ready) {
            make_ready_locked(caller, Place::front);
        } else {
            caller.state = after;
            given_up = true;
        }
        break;
    }
    if (receiver_error != Error::ok) drop_moved(thread);
    if (worker != nullptr && worker != &thread) propagate(*worker);
    if (given_up) thread_died(caller);
    return Error::ok;
}

}  // namespace pith::core
