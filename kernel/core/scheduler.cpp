// SPDX-License-Identifier: MIT
// The scheduler of one CPU. Invariant: whenever user code runs, no thread in the run queue has a higher
// priority than the current one, or `reschedule` is set or an interrupt on its way.
#include "kernel/core/scheduler.hpp"

#include <algorithm>
#include <bit>

#include "arch/interrupt.hpp"
#include "kernel/core/interrupt.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

constexpr u64 kSlice = 5'000'000;
constexpr u32 kTimersAtOnce = 32;

enum class Funds : u8 { usable, spent, none };

/// What the thread's Budget allows now on its CPU.
Funds funds(Budget* budget, u32 cpu, abi::Time now, u64& left, abi::Time& refill) {
    if (budget == nullptr || budget->dying.load(std::memory_order_relaxed) || !budget->allows_cpu(cpu))
        return Funds::none;
    left = budget->unlimited() ? kNever : budget->available(now, refill);
    return left != 0 ? Funds::usable : Funds::spent;
}

/// The highest thread that may run (or that has something to attend to), off the queue.
Thread* pick_locked(Cpu& cpu, abi::Time now) REQUIRES(thread_locks) {
    while (Thread* thread = cpu.run_queue.pop()) {
        if (thread->attention != 0) return thread;
        u64 left = 0;
        abi::Time refill = 0;
        const Funds has = funds(budget_of(*thread), cpu.id, now, left, refill);
        if (has == Funds::usable) {
            Budget& budget = *budget_of(*thread);
            cpu.budget_end = left == kNever ? kNever : now + budget.share(left);
            cpu.use_counted = budget.begin_use(now);
            return thread;
        }
        if (thread->payer != thread && !thread->on_reserve) {
            // What was lent is spent: if it was who waits for it that lent it, there is what its caller lent; else it
            // finishes on its own.
            const Thread* spent = thread->payer;
            recompute_locked(*thread);
            u64 own_left = 0;
            abi::Time own_refill = 0;
            if (thread->payer == spent &&
                funds(thread->budget, cpu.id, now, own_left, own_refill) == Funds::usable) {
                thread->on_reserve = true;
                cpu.trace.add(TraceKind::reserve, thread->id);
                recompute_locked(*thread);
            }
            if (thread->payer != spent) {
                if (!List<Thread, &Thread::queue_link>::linked(*thread)) cpu.run_queue.push_back(*thread);
                continue;
            }
        }
        thread->parked = true;
        thread->slice_left = 0;  // as after any wait
        if (has == Funds::spent) start_timer_locked(*thread, refill);
    }
    return nullptr;
}

void put_back_locked(Cpu& cpu, abi::Time now) REQUIRES(thread_locks) {
    Thread* thread = cpu.area.current;
    if (thread == nullptr) return;
    thread->ran += arch::ticks();
    if (!cpu.frame_left) arch::leave_frame(thread->frame);
    cpu.frame_left = false;
    cpu.area.current = nullptr;
    thread->slice_left = 0;
    if (thread->state != State::ready) return;
    if (cpu.rotate || now >= cpu.slice_end) {
        cpu.run_queue.push_back(*thread);
    } else {
        // Preempted: it comes first again, for what is left of its slice, so that others have their turn then.
        thread->slice_left = cpu.slice_end - now;
        cpu.run_queue.push_front(*thread);
    }
}

[[clang::minsize, gnu::noinline]] void wake_acknowledged(Cpu& cpu) {
    CpuLock locked(cpu);
    auto& waiters = cpu.acknowledgement_waiters;
    for (Thread* thread = waiters.front(); thread != nullptr;) {
        Thread* next = waiters.next(*thread);
        bool done = true;
        for (u32 other = 0; other < cpu_count; other++) {
            if ((thread->ticket_mask & cpu_bit(other)) == 0) continue;
            const u32 reached = cpus[other].acknowledged.load(std::memory_order_acquire);
            if (static_cast<i32>(reached - thread->tickets[other]) < 0) done = false;
        }
        if (done) {
            waiters.remove(*thread);
            make_ready_locked(*thread);
        }
        thread = next;
    }
}

[[clang::minsize, gnu::noinline]] void expire_timers(Cpu& cpu, abi::Time now) {
    for (u32 i = 0; i < kTimersAtOnce; i++) {
        Thread* due = nullptr;
        {
            CpuLock locked(cpu);
            Timer* timer = cpu.timers.first();
            if (timer == nullptr || timer->when > now) return;
            const auto offset = reinterpret_cast<usize>(&reinterpret_cast<Thread*>(usize{4096})->timer) -
                                4096;
            due = reinterpret_cast<Thread*>(reinterpret_cast<char*>(timer) - offset);
        }
        time_out(*due, now);
    }
}

/// Whether somebody waits for a time that has come, or for other CPUs.
bool waiters_due_locked(Cpu& cpu, abi::Time now) REQUIRES(thread_locks) {
    const Timer* timer = cpu.timers.first();
    return (timer != nullptr && timer->when <= now) || !cpu.acknowledgement_waiters.empty();
}

/// When this CPU has to look again.
abi::Time next_event_locked(Cpu& cpu) REQUIRES(thread_locks) {
    abi::Time next = kNever;
    if (const Timer* timer = cpu.timers.first(); timer != nullptr) next = timer->when;
    if (cpu.area.current != nullptr) next = std::min({next, cpu.slice_end, cpu.budget_end});
    return next;
}

[[clang::minsize, gnu::noinline]] void notify_overrun(Budget& budget) {
    // The Signal stays in place until this CPU leaves the kernel, also if the reference is severed now.
    if (Object* signal = budget.delivery.target; signal != nullptr) {
        static_cast<Signal*>(signal)->notify(budget.delivery_bits.load(std::memory_order_relaxed));
    }
}

void lock_cpus(u32 mask) NO_THREAD_SAFETY_ANALYSIS {
    if constexpr (kAsserts) rank_acquired(Rank::cpu);
    for (; mask != 0; mask &= mask - 1) cpus[std::countr_zero(mask)].lock.lock_unranked();
}

void unlock_cpus(u32 mask) NO_THREAD_SAFETY_ANALYSIS {
    if constexpr (kAsserts) rank_released(Rank::cpu);
    for (; mask != 0; mask &= mask - 1) cpus[std::countr_zero(mask)].lock.unlock_unranked();
}

/// For the other CPUs that ask, what has been asked of this one up to `requested`.
[[clang::minsize, gnu::noinline]] void acknowledge(Cpu& cpu, u32 asking, u32 requested) {
    forget_dying(cpu);
    cpu.acknowledged.store(requested, std::memory_order_release);
    for (u32 other = 0; other < cpu_count; other++) {
        if ((asking & cpu_bit(other)) != 0) kick(other);
    }
}

/// The thread runs from now on: its turn, who pays, and what others have to exceed.
void begin_turn_locked(Cpu& cpu, Thread& next, abi::Time now, Budget* payer) REQUIRES(thread_locks) {
    cpu.slice_end = now + (next.slice_left != 0 ? next.slice_left : kSlice);
    next.slice_left = 0;
    cpu.rotate = false;
    cpu.charged = payer;
    cpu.current_priority.store(next.priority, std::memory_order_seq_cst);
}

/// Switches from the current thread, which stays ready, to one that has become ready and is more urgent, where this takes
/// no decisions: nothing else is due, and nobody's Budget is limited. False, and nothing is done: schedule() is to see.
[[gnu::always_inline]] inline bool give_way_locked(Cpu& cpu, Thread& next) REQUIRES(thread_locks) {
    Thread& thread = *cpu.area.current;
    if (next.priority <= thread.priority || next.attention != 0 || next.on_reserve) return false;
    if (cpu.overdrawn != nullptr || cpu.reschedule) return false;  // nor is it to rotate, then
    Budget* payer = budget_of(next);
    if (payer != cpu.charged) {
        if (payer == nullptr || cpu.charged == nullptr || !payer->plain(cpu.id) ||
            !cpu.charged->plain(cpu.id))
            return false;
    }
    const u64 ticks = switch_time(thread, next);
    const abi::Time now = arch::time_at(ticks);
    if (payer != cpu.charged) charge_time(cpu, now);
    thread.slice_left = cpu.slice_end > now ? cpu.slice_end - now : 1;
    cpu.run_queue.push_front(thread);
    next.state = State::ready;
    begin_turn_locked(cpu, next, now, payer);
    arm_timer_for(cpu, cpu.slice_end);
    cpu.counts.switches++;
    cpu.trace.add_at(ticks, TraceKind::switch_thread, next.id, thread.id, next.priority);
    exchange(cpu, thread, next);
    return true;
}

/// Chooses and switches to the next thread. The thread to attend to instead, or null.
Thread* switch_locked(Cpu& cpu, abi::Time now, Thread* before) REQUIRES(thread_locks) {
    Thread* next = pick_locked(cpu, now);
    if (next != nullptr && next->attention != 0) {
        cpu.attended = next;
        return next;
    }
    if (next == nullptr) {
        cpu.charged = cpu.overdrawn = nullptr;
        cpu.rotate = false;
        if (before != nullptr) cpu.trace.add(TraceKind::switch_thread, 0, before->id);
        cpu.current_priority.store(-1, std::memory_order_seq_cst);
        return nullptr;
    }
    begin_turn_locked(cpu, *next, now, budget_of(*next));
    cpu.overdrawn = next->on_reserve && next->lender != nullptr ? budget_of(*next->lender) : nullptr;
    next->ran -= arch::ticks();
    if (next != before) {
        cpu.counts.switches++;
        cpu.trace.add(TraceKind::switch_thread, next->id, before != nullptr ? before->id : 0, next->priority);
    }
    switch_to(cpu, *next);
    return nullptr;
}

}  // namespace

[[clang::minsize]] void forget_dying(Cpu& cpu) {
    arch::flush_all();
    // A CPU that is idle lets go of all, so as not to be asked again before it wakes.
    const bool idle = cpu.area.current == nullptr;
    Space* space = cpu.loaded_space.load(std::memory_order_relaxed);
    if (space != nullptr &&
        (idle || (space->dying.load(std::memory_order_relaxed) && cpu.area.current->space != space))) {
        cpu.loaded_space.store(nullptr, std::memory_order_relaxed);
        arch::load_kernel();
    }
    Thread* owner = cpu.fpu_owner;
    if (owner != nullptr && (idle || owner->fpu_recall || owner->dying.load(std::memory_order_relaxed)))
        fpu_save_owner(cpu);
    renew_ports(cpu);
}

[[clang::minsize]] void switch_ports(Cpu& cpu, Space& space) {
    const u32 count = space.port_count.load(std::memory_order_acquire);
    cpu.unusual = (cpu.unusual & ~kPortsOpen) | (count != 0 ? kPortsOpen : 0);
    arch::load_ports(space.ports, count);
}

// Modelled in tests/models/wake.pml.
void make_ready_locked(Thread& thread, Place place) {
    trace(TraceKind::wake, thread.id);
    thread.state = State::ready;
    thread.parked = false;
    if ((thread.attention & (kAttendStop | kAttendKill)) == kAttendStop) return;
    Cpu& cpu = cpus[thread.cpu];
    if (cpu.area.current == &thread) {  // it had not left the processor yet, and goes on
        kick(cpu.id);
        return;
    }
    if (place == Place::front) {
        cpu.run_queue.push_front(thread);
    } else {
        cpu.run_queue.push_back(thread);
    }
    if (thread.priority > cpu.current_priority.load(std::memory_order_seq_cst)) kick(cpu.id);
}

bool wake_locked(Thread& thread, bool may_switch) {
    Cpu& cpu = this_cpu();
    if (may_switch && thread.cpu == cpu.id && give_way_locked(cpu, thread)) return true;
    make_ready_locked(thread);
    return false;
}

void unqueue_locked(Thread& thread) {
    if (thread.state != State::ready) return;
    if (thread.parked) {
        stop_timer_locked(thread);
        thread.parked = false;
    }
    if (thread.queue_link.linked()) cpus[thread.cpu].run_queue.remove(thread);
}

[[clang::minsize]] void set_priority_locked(Thread& thread, u8 priority) {
    if (thread.priority == priority) return;
    Cpu& cpu = cpus[thread.cpu];
    const bool in_run_queue = thread.state == State::ready && thread.queue_link.linked();
    if (in_run_queue) cpu.run_queue.remove(thread);
    thread.priority = priority;
    if (in_run_queue) make_ready_locked(thread);
    if (cpu.area.current == &thread) kick(cpu.id);
}

void start_timer_locked(Thread& thread, abi::Time deadline) {
    if (deadline == abi::kNoDeadline) return;
    thread.hindrance |= kTimed;
    cpus[thread.cpu].timers.insert(thread.timer, deadline);
}

void take_off_timer_locked(Thread& thread) {
    thread.hindrance &= static_cast<u8>(~kTimed);
    cpus[thread.cpu].timers.remove(thread.timer);
}

Budget* charge_time(Cpu& cpu, abi::Time now) {
    const u64 elapsed = now - cpu.charged_at;
    cpu.charged_at = now;
    Budget* budget = cpu.charged;
    const bool counted = cpu.use_counted;
    cpu.use_counted = false;
    if (cpu.area.current == nullptr) {
        cpu.counts.idle_time += elapsed;
    } else {
        cpu.counts.busy_time += elapsed;
    }
    if (budget == nullptr) return nullptr;
    if (cpu.overdrawn != nullptr) cpu.overdrawn->add_debt(elapsed, now);
    return budget->end_use(elapsed, now, counted) ? budget : nullptr;
}

void schedule() {
    Cpu& cpu = this_cpu();
    Thread* before = cpu.area.current;
    abi::Time next = kNever;
    bool waiters_seen = false;
    do {
        cpu.reschedule = false;
        const abi::Time now = arch::now();
        Budget* overrun = nullptr;
        Thread* busy = nullptr;
        bool due;
        {
            CpuLock locked(cpu);
            due = !waiters_seen && waiters_due_locked(cpu, now);
            if (!due) {
                overrun = charge_time(cpu, now);
                put_back_locked(cpu, now);
                busy = switch_locked(cpu, now, before);
                next = next_event_locked(cpu);
            }
        }
        if (due) {
            expire_timers(cpu, now);
            wake_acknowledged(cpu);
            cpu.reschedule = true;
        }
        waiters_seen = due;
        if (overrun != nullptr) {
            cpu.trace.add(TraceKind::overrun, before != nullptr ? before->id : 0);
            notify_overrun(*overrun);
        }
        if (busy != nullptr) {
            attend(*busy);
            cpu.reschedule = true;
        }
    } while (cpu.reschedule);
    arm_timer_for(cpu, next);
}

u64 leave_kernel() {
    Cpu& cpu = this_cpu();
    // Who asks is taken before what is asked: so each is told when its own ticket is reached. Both are taken before
    // scheduling: so a thread that was killed before somebody asked runs no more when that one is told.
    // Modelled in tests/models/tlb.pml and, for what dies, in destroy.cpp's model.
    u32 asking = 0;
    u32 requested = 0;
    if (cpu.asking_cpus.load(std::memory_order_acquire) != 0) {
        asking = cpu.asking_cpus.exchange(0, std::memory_order_acq_rel);
        requested = cpu.requested.load(std::memory_order_acquire);
        cpu.reschedule = true;
    }
    if (cpu.reschedule) schedule();
    if (asking != 0) acknowledge(cpu, asking, requested);
    const u64 now = arch::ticks();
    cpu.counts.longest_window = std::max(cpu.counts.longest_window, now - cpu.entered_at);
    cpu.trace.publish();
    if (cpu.area.current == nullptr && cpu.loaded_space.load(std::memory_order_relaxed) == nullptr &&
        cpu.fpu_owner == nullptr) {
        cpu.quiescent.store(true, std::memory_order_release);
    }
    return now;
}

// Modelled in tests/models/idle.pml.
void end_quiescence(Cpu& cpu) {
    cpu.quiescent.store(false, std::memory_order_relaxed);
    // Either who looks for quiescent CPUs sees that this one is not, or this one sees what that one has unlinked.
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void kick(u32 cpu) {
    if (cpu == this_cpu().id) {
        this_cpu().reschedule = true;
    } else {
        arch::send_ipi(cpu);
    }
}

bool preempted() {
    Cpu& cpu = this_cpu();
    const u64 now = arch::ticks();
    cpu.counts.longest_window = std::max(cpu.counts.longest_window, now - cpu.entered_at);
    cpu.entered_at = now;  // what comes in now counts as part of the next window
    arch::interrupt_window();
    return cpu.reschedule;
}

[[clang::minsize]] bool wait_for_cpus(Thread& thread, u32 mask) {
    if (mask == 0) return false;
    Cpu& cpu = this_cpu();
    {
        CpuLock locked(cpu);
        thread.ticket_mask = mask;
        for (u32 other = 0; other < cpu_count; other++) {
            if ((mask & cpu_bit(other)) == 0) continue;
            thread.tickets[other] = cpus[other].requested.fetch_add(1, std::memory_order_acq_rel) + 1;
            cpus[other].asking_cpus.fetch_or(cpu_bit(cpu.id), std::memory_order_acq_rel);
        }
        thread.state = State::waiting_cpus;
        cpu.acknowledgement_waiters.push_back(thread);
    }
    for (u32 other = 0; other < cpu_count; other++) {
        if ((mask & cpu_bit(other)) != 0) arch::send_ipi(other);
    }
    cpu.reschedule = true;
    return true;
}

u32 other_cpus_with(const Space& space) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    u32 mask = 0;
    for (u32 other = 0; other < cpu_count; other++) {
        if (cpus[other].loaded_space.load(std::memory_order_relaxed) == &space) mask |= cpu_bit(other);
    }
    return mask & ~cpu_bit(this_cpu().id);
}

u32 other_cpus() {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // see awake
    u32 mask = 0;
    for (u32 other = 0; other < cpu_count; other++) {
        const Cpu& cpu = cpus[other];
        if (cpu.online && !cpu.quiescent.load(std::memory_order_acquire)) mask |= cpu_bit(other);
    }
    return mask & ~cpu_bit(this_cpu().id);
}

[[clang::minsize]] void fpu_save_owner(Cpu& cpu) {
    Thread* owner = cpu.fpu_owner;
    if (owner == nullptr) return;
    if (!cpu.fpu_on) arch::fpu_enable();
    arch::fpu_save(owner->fpu_area);
    arch::fpu_disable();
    cpu.fpu_on = false;
    cpu.fpu_owner = nullptr;
    cpu.unusual &= ~kFpuOwned;
    owner->fpu_recall = false;
    owner->fpu_cpu = Thread::kNoCpu;
}

void RunQueue::push_back(Thread& thread) {
    queues_[thread.priority].push_back(thread);
    bitmap_[thread.priority / 64] |= u64{1} << thread.priority % 64;
}

void RunQueue::push_front(Thread& thread) {
    queues_[thread.priority].push_front(thread);
    bitmap_[thread.priority / 64] |= u64{1} << thread.priority % 64;
}

void RunQueue::remove(Thread& thread) {
    auto& queue = queues_[thread.priority];
    queue.remove(thread);
    if (queue.empty()) bitmap_[thread.priority / 64] &= ~(u64{1} << thread.priority % 64);
}

int RunQueue::top() const {
    for (int word = 3; word >= 0; word--) {
        if (bitmap_[word] != 0) return word * 64 + 63 - std::countl_zero(bitmap_[word]);
    }
    return -1;
}

Thread* RunQueue::pop() {
    const int priority = top();
    if (priority < 0) return nullptr;
    Thread* thread = queues_[priority].front();
    remove(*thread);
    return thread;
}

CpuLocks::CpuLocks(u32 mask) : mask_(mask) { lock_cpus(mask); }

CpuLocks::~CpuLocks() { unlock_cpus(mask_); }

[[clang::minsize]] ThreadPairLock::ThreadPairLock(const Thread& a, const Thread& b) {
    for (;;) {
        mask_ = cpu_bit(home_of(a)) | cpu_bit(home_of(b));
        lock_cpus(mask_);
        if (mask_ == (cpu_bit(home_of(a)) | cpu_bit(home_of(b)))) return;
        unlock_cpus(mask_);
    }
}

ThreadPairLock::~ThreadPairLock() { unlock_cpus(mask_); }

}  // namespace pith::core
