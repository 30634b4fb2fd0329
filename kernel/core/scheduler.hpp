// SPDX-License-Identifier: MIT
// Scheduling: who runs on a CPU, on whose Budget. Functions whose name ends in _locked need the lock of the
// CPU that the thread belongs to; the others take what they need.
#pragma once

#include "arch/fpu.hpp"
#include "kernel/core/budget.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/space.hpp"

namespace pith::core {

enum class Place : u8 { back, front };

/// The thread can run: to its run queue, and its CPU learns of it if that should switch.
[[gnu::noinline]] void make_ready_locked(Thread& thread, Place place = Place::back) REQUIRES(thread_locks);
/// The same; but with `may_switch`, if this CPU is to run it at once, it is the current thread already: then true. The one
/// before it stays ready, and its registers must all be in its Frame.
PITH_KEEPS_NONE bool wake_locked(Thread& thread, bool may_switch) REQUIRES(thread_locks);
/// Takes a ready thread off its run queue, if it is on it.
void unqueue_locked(Thread& thread) REQUIRES(thread_locks);
/// A new effective priority; moves it in its run queue.
void set_priority_locked(Thread& thread, u8 priority) REQUIRES(thread_locks);
/// Starts or ends the wait for a deadline (kNoDeadline: none).
void start_timer_locked(Thread& thread, abi::Time deadline) REQUIRES(thread_locks);
void take_off_timer_locked(Thread& thread) REQUIRES(thread_locks);
inline void stop_timer_locked(Thread& thread) REQUIRES(thread_locks) {
    if (timed(thread)) take_off_timer_locked(thread);
}

/// The thread's effective priority and payer, from its lender and whoever waits for it.
void recompute_locked(Thread& thread) REQUIRES(thread_locks);
/// The same, for the thread and all that it lends to, CPU by CPU (no lock held).
void propagate(Thread& thread);
/// Whose Budget the thread runs on; null: none, so it can't run.
inline Budget* budget_of(const Thread& thread) { return thread.payer->budget; }

/// Chooses what runs next, and switches. At the end of kernel entries that call for it.
void schedule();
/// At the end of every slow entry. The time that it is then, in ticks.
u64 leave_kernel();
/// The same, where mostly nothing is to be done.
inline u64 leave_after_call(Cpu& cpu) {
    if (cpu.reschedule || cpu.asking_cpus.load(std::memory_order_acquire) != 0) return leave_kernel();
    const u64 now = arch::ticks();
    if (now - cpu.entered_at > cpu.counts.longest_window) cpu.counts.longest_window = now - cpu.entered_at;
    cpu.trace.publish();
    return now;
}
/// I/O ports go with the Space that is loaded.
void switch_ports(Cpu& cpu, Space& space);
/// The rest of switch_to where the Space differs. Loading the tables orders the store before any use of them,
/// so whoever changes them either sees this CPU (other_cpus_with), or this CPU sees the change.
[[gnu::always_inline]] inline void load_space(Cpu& cpu, Space& space) {
    cpu.counts.space_switches++;
    cpu.loaded_space.store(&space, std::memory_order_release);
    space.load();
    if ((space.port_count.load(std::memory_order_acquire) | (cpu.unusual & kPortsOpen)) != 0) [[unlikely]]
        switch_ports(cpu, space);
}
/// The FPU is enabled only while its owner runs; without an owner it is disabled.
inline void switch_fpu(Cpu& cpu, const Thread& next) {
    const bool fpu = cpu.fpu_owner == &next;
    if (fpu == cpu.fpu_on) return;
    fpu ? arch::fpu_enable() : arch::fpu_disable();
    cpu.fpu_on = fpu;
}
/// The first part of switch_to.
[[gnu::always_inline]] inline void make_current(Cpu& cpu, Thread& next) {
    cpu.area.current = &next;
    if (cpu.loaded_space.load(std::memory_order_relaxed) != next.space) load_space(cpu, *next.space);
    if ((cpu.unusual & kFpuOwned) != 0) switch_fpu(cpu, next);
}
/// Makes `next` the current thread; locks and accounting are the caller's concern.
[[gnu::always_inline]] inline void switch_to(Cpu& cpu, Thread& next) {
    make_current(cpu, next);
    arch::enter_frame(next.frame);
}
/// The time that it is, in ticks; with it the account of the first one is closed, and that of the other opened.
[[gnu::always_inline]] inline u64 switch_time(Thread& from, Thread& to) {
    const u64 now = arch::ticks();
    from.ran += now;
    to.ran -= now;
    return now;
}
void end_quiescence(Cpu& cpu);
/// At the beginning of entries that may have found the CPU idle, before anything is looked up.
inline void awake(Cpu& cpu) {
    if (cpu.quiescent.load(std::memory_order_relaxed)) end_quiescence(cpu);
}
/// From one thread to another; their times are the caller's concern.
[[gnu::always_inline]] inline void exchange(Cpu& cpu, Thread& from, Thread& to) {
    arch::leave_frame(from.frame);
    switch_to(cpu, to);
}
/// Charges the time since the last charging. Returns a Budget to notify, or null.
Budget* charge_time(Cpu& cpu, abi::Time now);
/// The timer interrupt comes no later than at `deadline`.
inline void arm_timer_for(Cpu& cpu, abi::Time deadline) {
    // One that comes earlier than needed is for nothing, and the timer is armed anew then.
    if (deadline >= cpu.armed) return;
    cpu.armed = deadline;
    arch::arm_timer(deadline);
}
/// The other CPU looks at its queue.
void kick(u32 cpu);
/// True: the call must be restarted, something else is due. Lets interrupts in. No lock may be held.
bool preempted();
/// The thread sees to its attention bits; not current, not queued, no lock held.
void attend(Thread& thread);

/// Running, or about to: nobody but its CPU may take it out of `ready` or move it. Others set attention bits.
inline bool held_locked(const Thread& thread) REQUIRES(thread_locks) {
    const Cpu& cpu = cpus[thread.cpu];
    return cpu.area.current == &thread || (cpu.attended == &thread && thread.state == State::ready);
}
/// This CPU flushes, and has nothing loaded any more of a Space that dies, nor the FPU state of a thread that dies or
/// is asked for.
void forget_dying(Cpu& cpu);
/// This thread waits until each CPU of the mask has been interrupted (and so has left the kernel and
/// flushed). True: it has to wait; false: there was none. Its call goes on, or its result is already in its
/// Frame.
bool wait_for_cpus(Thread& thread, u32 mask);
/// CPUs other than this one that have the Space loaded.
u32 other_cpus_with(const Space& space);
/// CPUs other than this one that may have looked something up before, and not have left the kernel since.
u32 other_cpus();

/// The FPU state that is live on this CPU goes to its thread's area; the FPU has no owner then.
void fpu_save_owner(Cpu& cpu);

}  // namespace pith::core
