// SPDX-License-Identifier: MIT
// What a thread sees to before it runs (attention bits), moving between CPUs, and its destruction.
#include "kernel/core/thread.hpp"

#include "kernel/core/capability.hpp"
#include "kernel/core/destroy.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/pool.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

/// With both CPUs locked: what hangs on the thread's CPU goes along.
void move_locked(Thread& thread, u32 target) REQUIRES(thread_locks) {
    const abi::Time deadline = timed(thread) ? thread.timer.when : abi::kNoDeadline;
    stop_timer_locked(thread);
    const bool receiving = thread.state == State::receiving;
    Endpoint* endpoint = thread.registered;
    if (receiving) endpoint->parts[thread.cpu].receivers.remove(thread);
    thread.cpu = static_cast<u8>(target);
    if (receiving) endpoint->parts[target].receivers.push_back(thread);
    start_timer_locked(thread, deadline);
    thread.attention &= static_cast<u8>(~kAttendMigrate);
}

}  // namespace

bool migrate(Thread& thread, u32 target) {
    Endpoint* endpoint = thread.registered;
    Endpoint::Part* old_part = nullptr;
    Thread* heir = nullptr;
    for (;;) {
        const u32 home = thread.cpu;
        CpuLocks locks(cpu_bit(home) | cpu_bit(target));
        if (thread.cpu != home) continue;
        if (held_locked(thread)) {  // it goes when it leaves the processor
            thread.next_cpu = target;
            thread.attention |= kAttendMigrate;
            kick(home);
            return true;
        }
        if (thread.fpu_cpu != Thread::kNoCpu) return false;
        endpoint = thread.registered;
        old_part = endpoint != nullptr ? &endpoint->parts[home] : nullptr;
        if (endpoint != nullptr) unregister_receiver_locked(thread);
        const bool queued = thread.state == State::ready && thread.queue_link.linked();
        const bool parked = thread.parked;
        if (thread.state == State::ready) unqueue_locked(thread);
        if (thread.state == State::receiving) thread.registered = endpoint;
        move_locked(thread, target);
        if (endpoint != nullptr) register_receiver_locked(*endpoint, thread);
        if (queued || parked) make_ready_locked(thread);
        if (old_part != nullptr) heir = old_part->registered.front();
        break;
    }
    if (endpoint != nullptr) {
        propagate(thread);  // who queues waits for another one now, here and there
        if (heir != nullptr) propagate(*heir);
        rebalance(*endpoint);
    }
    kick(target);
    return true;
}

// Modelled in tests/models/attend.pml.
void attend(Thread& thread) {
    Cpu& cpu = this_cpu();
    u8 attention;
    bool killed = false;
    {
        CpuLock locked(cpu);  // it belongs to this CPU as long as it is attended
        attention = thread.attention;
        if ((attention & kAttendKill) != 0 || thread.dying.load(std::memory_order_relaxed)) {
            thread.attention = 0;
            thread.state = State::dead;
            killed = true;
        }
        const bool stopped = !killed && (attention & kAttendStop) != 0;
        const bool interrupted = !killed && !stopped &&
                                 (attention & (kAttendMigrate | kAttendInterrupt)) == kAttendInterrupt;
        if (interrupted) {
            thread.attention &= static_cast<u8>(~kAttendInterrupt);
        } else {
            cpu.attended = nullptr;
        }
        if (stopped) return;
    }
    if (killed) {
        thread_died(thread);
        return;
    }
    if ((attention & kAttendMigrate) != 0) {
        if (thread.fpu_cpu == cpu.id) fpu_save_owner(cpu);
        migrate(thread, thread.next_cpu);
    } else if ((attention & kAttendInterrupt) != 0) {
        raise_event(thread, abi::Event::interrupted);
        CpuLock locked(cpu);
        cpu.attended = nullptr;
    }
    // It has been moved, or what it had to attend to has been withdrawn meanwhile: perhaps by someone who has queued it.
    ThreadLock locked(thread);
    const bool stopped = (thread.attention & (kAttendStop | kAttendKill)) == kAttendStop;
    if (thread.state == State::ready && !thread.queue_link.linked() && !thread.parked && !stopped &&
        !held_locked(thread))
        make_ready_locked(thread);
}

namespace {

/// thread_died, if there is anything that the thread owes.
void settle_debts(Thread& thread) {
    if (thread.caller != nullptr || thread.lender != nullptr || thread.registered != nullptr ||
        thread.bound != nullptr || thread.job != nullptr)
        thread_died(thread);
}

/// A thread that was never started waits for nothing.
bool kill_inactive(Thread& thread) {
    {
        ThreadLock locked(thread);
        if (thread.state != State::inactive) return false;
        thread.state = State::dead;
    }
    settle_debts(thread);
    return true;
}

}  // namespace

void kill_thread(Thread& thread) {
    if (thread.state == State::inactive && kill_inactive(thread)) return;
    for (;;) {
        Wait wait;
        {
            ThreadLock locked(thread);
            if (thread.state == State::dead) return;
            if (held_locked(thread)) {
                thread.attention |= kAttendKill;
                kick(thread.cpu);
                return;
            }
            wait = wait_of(thread);
        }
        if (withdraw(thread, wait, Error::cancelled, State::dead)) break;
    }
    settle_debts(thread);
}

void Thread::unrefer_all() {
    for (Reference& each : references) unrefer(each);
}

void sever_thread(Thread& thread) {
    this_cpu().trace.add(TraceKind::end, thread.id);
    // Without a lock: since it was marked, all CPUs have left the kernel.
    if (thread.state != State::dead) kill_thread(thread);
    settle_debts(thread);
    if (Signal* signal = thread.waiting_signal; signal != nullptr) signal->forget_waiter(thread);
    thread.unrefer_all();
    leave_job(thread);
    if (Object* partial = drop_partial(thread); partial != nullptr) abandon(*partial);
    if (thread.fpu_cpu == this_cpu().id) fpu_save_owner(this_cpu());
}

void lose_target(Reference& reference, Thread& thread) {
    using Kind = Reference::Kind;
    switch (reference.kind) {
        case Kind::space: kill_thread(thread); break;
        case Kind::captable: kill_thread(thread); break;
        case Kind::handler: {
            ThreadLock locked(thread);
            thread.handler = nullptr;
            break;
        }
        case Kind::buffer: {
            // It goes on without a buffer of its own until it is seen to be stopped.
            {
                ThreadLock locked(thread);
                thread.buffer = &spare_buffer();
            }
            kill_thread(thread);
            break;
        }
        case Kind::budget: {
            {
                ThreadLock locked(thread);
                thread.budget = static_cast<Budget*>(reference.target);  // it may have been given another one
                if (cpus[thread.cpu].area.current == &thread) kick(thread.cpu);
            }
            propagate(thread);
            break;
        }
        default: break;
    }
}

}  // namespace pith::core
