// SPDX-License-Identifier: MIT
// Events of foreign and faulting threads, and waits that end early: deadlines, deaths of partners and
// Endpoints.
#include "arch/cpu.hpp"
#include "kernel/core/capability.hpp"
#include "kernel/core/captable.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/pool.hpp"
#include "kernel/core/reply.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

bool queued(State state) {
    return state == State::queued_call || state == State::queued_send || state == State::queued_event;
}

/// The CPUs whose locks it takes to end the thread's wait.
u32 locks_for(const Thread& thread) {
    u32 mask = cpu_bit(thread.cpu);
    if (queued(thread.state)) mask |= cpu_bit(thread.queue_cpu);
    if (const Thread* server = thread.server; server != nullptr) mask |= cpu_bit(server->cpu);
    if (const Thread* borrower = thread.borrower; borrower != nullptr) mask |= cpu_bit(borrower->cpu);
    return mask;
}

/// Takes the thread out of its wait. Whose priority that concerns, or null. Its state is the caller's to set.
Thread* leave_wait_locked(Thread& thread) REQUIRES(thread_locks) {
    Thread* concerned = nullptr;
    stop_timer_locked(thread);
    switch (thread.state) {
        case State::queued_call:
        case State::queued_send:
        case State::queued_event:
            concerned = thread.endpoint->parts[thread.queue_cpu].registered.front();
            dequeue_caller_locked(thread);
            break;
        case State::awaiting_reply:
        case State::at_event:
            if (thread.server != nullptr) thread.server->caller = nullptr;
            thread.server = nullptr;
            thread.hindrance &= static_cast<u8>(~kNativeFault);
            cut_reply(thread);
            break;
        case State::receiving: Endpoint::Receivers::remove(thread); break;
        case State::waiting_signal: thread.waiting_on = nullptr; break;
        case State::waiting_cpus: cpus[thread.cpu].acknowledgement_waiters.remove(thread); break;
        case State::ready: unqueue_locked(thread); break;
        default: break;
    }
    if (thread.borrower != nullptr) {
        concerned = thread.borrower;
        unlend_locked(*thread.borrower);
    }
    return concerned;
}

}  // namespace

Wait wait_of(const Thread& thread) {
    Wait wait{thread.state, nullptr, thread.call_number,
              timed(thread) ? thread.timer.when : abi::kNoDeadline};
    switch (thread.state) {
        case State::awaiting_reply:
        case State::at_event: wait.partner = thread.server; break;
        case State::waiting_signal: wait.partner = thread.waiting_on; break;
        case State::receiving: wait.partner = thread.registered; break;
        default: wait.partner = thread.endpoint; break;
    }
    return wait;
}

bool withdraw(Thread& thread, const Wait& wait, Error error, State after) {
    Thread* concerned = nullptr;
    for (;;) {
        const u32 mask = locks_for(thread);
        CpuLocks locks(mask);
        if ((locks_for(thread) & ~mask) != 0) continue;
        if (wait_of(thread) != wait) return false;
        concerned = leave_wait_locked(thread);
        if (after == State::ready) {
            thread.frame.set_error(error);
            make_ready_locked(thread);
        } else {
            thread.state = after;
        }
        break;
    }
    if (concerned != nullptr) propagate(*concerned);
    return true;
}

void time_out(Thread& thread, abi::Time now) {
    Wait wait;
    {
        ThreadLock locked(thread);
        if (!timed(thread) || thread.timer.when > now) return;
        wait = wait_of(thread);
        if (wait.state == State::ready) {  // parked: its Budget has a new period
            stop_timer_locked(thread);
            this_cpu().trace.add(TraceKind::refill, thread.id);
            make_ready_locked(thread);
            return;
        }
    }
    withdraw(thread, wait, Error::timed_out, State::ready);
}

void abandon_call(Thread& caller, u32 call_number) {
    Wait wait;
    State after;
    {
        ThreadLock locked(caller);
        if (caller.call_number != call_number || caller.state != State::awaiting_reply ||
            caller.server != nullptr)
            return;
        if (caller.reply_slot != nullptr) return;
        wait = wait_of(caller);
        after = native_fault(caller) ? State::dead : State::ready;
    }
    if (withdraw(caller, wait, Error::peer_died, after) && after == State::dead) thread_died(caller);
}

void raise_event(Thread& thread, abi::Event event) {
    Cpu& cpu = this_cpu();
    if (cpu.area.current == &thread) {
        // Once its handler has the event, another CPU may load its Frame anew: nothing is stored there after this.
        // Modelled in tests/models/frame.pml.
        arch::leave_frame(thread.frame);
        cpu.frame_left = true;
    }
    const bool foreign = thread.kind == abi::ThreadKind::foreign;
    thread.event = event;
    if (foreign) {
        auto& page = *reinterpret_cast<abi::ForeignState*>(thread.buffer);
        thread.frame.save_to(page);
        page.event = static_cast<u64>(event);
    } else {
        thread.hindrance |= kNativeFault;
    }
    cpu.reschedule = true;
    Endpoint* handler = thread.handler;
    const Error error = handler != nullptr ? send_message(thread, *handler, thread.badge, Delivery::event)
                                           : Error::bad_handle;
    if (error == kNoResult) return;
    const State after = foreign && handler != nullptr ? State::at_event : State::dead;
    {
        CpuLock locked(cpu);
        thread.state = after;
    }
    if (after == State::dead) thread_died(thread);
}

Error resume_foreign(Thread& thread, abi::Resume how, u64 value, const Thread* server) {
    Thread* concerned = nullptr;
    for (;;) {
        const u32 mask = locks_for(thread);
        CpuLocks locks(mask);
        if ((locks_for(thread) & ~mask) != 0) continue;
        if (server != nullptr && thread.server != server) return Error::not_found;
        const bool fresh = thread.state == State::inactive;
        if (!fresh && thread.state != State::at_event) return Error::bad_state;
        if (fresh && how != abi::Resume::state) return Error::bad_state;
        if (how == abi::Resume::state) {
            thread.frame.load_from(*reinterpret_cast<const abi::ForeignState*>(thread.buffer));
        } else if (how == abi::Resume::result) {
            thread.frame.set_foreign_result(value);
        } else if (how != abi::Resume::retry) {
            return Error::invalid;
        }
        concerned = leave_wait_locked(thread);
        trace(TraceKind::resume, thread.id, static_cast<u64>(how));
        make_ready_locked(thread, Place::front);
        break;
    }
    if (concerned != nullptr) propagate(*concerned);
    return Error::ok;
}

bool deliver_signal_locked(Thread& thread) {
    Signal* signal = thread.bound;
    if (signal == nullptr) return false;
    const u64 bits = signal->take(~u64{0});
    if (bits == 0) return false;
    if (thread.state == State::receiving) {
        Endpoint::Receivers::remove(thread);
        stop_timer_locked(thread);
    }
    arch::Frame& frame = thread.frame;
    frame.set_tag(abi::kTagKernel | static_cast<u64>(abi::Event::signal));
    frame.set_badge(0);
    frame.set_word(0, bits);
    for (u32 i = 1; i < abi::kRegisterWords; i++) frame.set_word(i, 0);
    frame.set_error(Error::ok);
    return true;
}

bool sever_endpoint_step(Endpoint& endpoint) {
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        Endpoint::Part& part = endpoint.parts[cpu];
        Thread* thread;
        Wait wait;
        {
            CpuLock locked(cpus[cpu]);
            thread = part.callers.front();
            if (thread == nullptr) thread = part.receivers.front();
            if (thread == nullptr) thread = part.registered.front();
            if (thread == nullptr) continue;
            wait = wait_of(*thread);
            if (thread->registered == &endpoint && thread->state != State::receiving &&
                thread->endpoint != &endpoint) {
                part.registered.remove(*thread);
                part.receiver_count.fetch_sub(1, std::memory_order_seq_cst);
                thread->registered = nullptr;
                return true;
            }
        }
        const bool receiving = wait.state == State::receiving;
        State after = State::ready;
        if (wait.state == State::queued_event)
            after = thread->kind == abi::ThreadKind::foreign ? State::at_event : State::dead;
        const bool done = withdraw(*thread, wait, receiving ? Error::cancelled : Error::peer_died, after);
        if (done && after == State::dead) thread_died(*thread);
        return true;
    }
    return false;
}

}  // namespace pith::core
