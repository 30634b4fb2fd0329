// SPDX-License-Identifier: MIT
// Clocks, sleeping, and the timers of processes.
#include <algorithm>

#include "servers/linux/clocks.hpp"
#include "servers/linux/posix_timers.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/time_types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kAbsolute = 1;

u64 process_time(const Process& process) {
    const Usage total = process.total_usage();
    return total.user_time + total.system_time;
}

SysResult<u64> read_clock(Thread& thread, i32 clock) {
    Zone& zone = thread.zone();
    if (is_realtime(clock)) return static_cast<u64>(std::max<i64>(0, zone.realtime()));
    if (is_monotonic(clock)) return zone.now();
    if (clock == kProcessCpu) return process_time(thread.process);
    if (clock == kThreadCpu) return thread.usage.user_time + thread.cpu_time();
    if (clock < 0) {  // a process's or thread's: ~pid << 3 | kind
        const Pid pid = ~(clock >> 3);
        if ((clock & 4) != 0) {
            const Thread* target = pid == 0 ? &thread : zone.find_thread(pid);
            if (target == nullptr || &target->process != &thread.process) return Errno::EINVAL;
            return target->usage.user_time + target->cpu_time();
        }
        const Process* target = pid == 0 ? &thread.process : zone.find_process(pid);
        if (target == nullptr) return Errno::EINVAL;
        return process_time(*target);
    }
    return Errno::EINVAL;
}

/// What is left goes to `remaining`; the restarted call sleeps to the same end.
Task<SysResult<u64>> sleep_until(Thread& thread, Time deadline, bool absolute, u64 remaining) {
    while (true) {
        Sleep sleep(thread, deadline);
        const auto slept = co_await sleep;
        if (slept.ok()) continue;
        if (slept.error() == Errno::ETIMEDOUT) co_return u64{0};
        if (absolute) co_return Errno::ERESTARTNOHAND;
        if (remaining != 0) {
            const Time now = thread.zone().now();
            PITH_CO_CHECK(put(thread, remaining, TimeSpec::from(deadline > now ? deadline - now : 0)));
        }
        thread.restart_deadline = deadline;
        thread.restart_remaining = remaining;
        co_return Errno::ERESTART_RESTARTBLOCK;
    }
}

Outcome start_sleep(Thread& thread, i32 clock, bool absolute, const TimeSpec& time, u64 remaining) {
    if (!time.valid()) return Errno::EINVAL;
    Zone& zone = thread.zone();
    u64 deadline = time.nanoseconds_total();
    if (!absolute) {
        deadline = add_time(zone.now(), deadline);
    } else if (is_realtime(clock)) {
        const i64 monotonic = static_cast<i64>(std::min(deadline, kForeverNs)) - zone.realtime_offset;
        deadline = monotonic > 0 ? static_cast<u64>(monotonic) : 0;
    }
    if (deadline <= zone.now()) return 0;
    return run(thread, sleep_until(thread, deadline, absolute, absolute ? 0 : remaining));
}

struct TimerSpec {
    TimeSpec interval, value;
};
struct IntervalVal {
    TimeVal interval, value;
};

u64 left(const Timer& timer, Time now) {
    if (!timer.armed()) return 0;
    return timer.deadline() > now ? timer.deadline() - now : 1;
}

PosixTimer* find_timer(Thread& thread, u64 id) {
    if (thread.process.timers == nullptr) return nullptr;
    const auto at = thread.process.timers->timers.find(static_cast<i32>(id));
    return at != thread.process.timers->timers.end() ? at->second.get() : nullptr;
}

/// Arms the timer of setitimer(ITIMER_REAL) and alarm; what was left of the old one.
u64 arm_real(Process& process, u64 value, u64 interval) {
    const Time now = process.zone.now();
    const u64 before = left(process.real_timer, now);
    process.real_timer.cancel();
    process.real_interval = interval;
    if (value != 0) process.real_timer.arm(add_time(now, value));
    return before;
}

}  // namespace

void Process::RealTimer::expired(Timer& timer) {
    Process& process = static_cast<RealTimer&>(timer).process;
    if (process.real_interval != 0) timer.arm(add_time(process.zone.now(), process.real_interval));
    process.send(SigInfo::kernel(kSigAlrm));
}

PosixTimer::PosixTimer(Process& owner, i32 number) : Timer(&expired), process(owner), id(number) {}

void PosixTimer::expired(Timer& base) {
    auto& timer = static_cast<PosixTimer&>(base);
    Process& process = timer.process;
    if (timer.interval != 0) {
        const Time now = process.zone.now();
        Time next = add_time(timer.deadline(), timer.interval);
        timer.overrun = 0;
        if (next <= now) {
            const u64 missed = (now - next) / timer.interval + 1;
            timer.overrun = static_cast<i32>(std::min<u64>(missed, INT32_MAX));
            next = add_time(next, missed * timer.interval);
        }
        timer.arm(next);
    }
    if (timer.notify == 1) return;
    SigInfo info;
    info.signo = timer.signo;
    info.code = kSiTimer;
    info.timer = {timer.id, timer.overrun, timer.value};
    Thread* target = timer.notify == 4 ? process.zone.find_thread(timer.thread) : nullptr;
    if (target != nullptr && &target->process == &process) target->send(info);
    else if (timer.notify != 4) process.send(info);
}

Outcome sys_clock_gettime(Thread& thread, const SyscallArgs& args) {
    const auto time = read_clock(thread, static_cast<i32>(args.a0));
    if (!time.ok()) return time.error();
    return put(thread, args.a1, TimeSpec::from(time.value()));
}

Outcome sys_clock_getres(Thread& thread, const SyscallArgs& args) {
    const auto clock = static_cast<i32>(args.a0);
    if (!read_clock(thread, clock).ok()) return Errno::EINVAL;
    if (args.a1 == 0) return 0;
    return put(thread, args.a1, TimeSpec{0, resolution(clock)});
}

Outcome sys_clock_settime(Thread& thread, const SyscallArgs& args) {
    const auto time = get<TimeSpec>(thread, args.a1);
    if (!time.ok()) return time.error();
    if (static_cast<i32>(args.a0) != kRealtime || !time->valid()) return Errno::EINVAL;
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    thread.zone().set_realtime(static_cast<i64>(time->nanoseconds_total()));
    return 0;
}

Outcome sys_gettimeofday(Thread& thread, const SyscallArgs& args) {
    if (args.a0 != 0) {
        const auto now = static_cast<u64>(thread.zone().realtime());
        if (const auto done = put(thread, args.a0, TimeVal::from(now)); !done.ok()) return done.error();
    }
    if (args.a1 != 0) return put(thread, args.a1, u64{0});
    return 0;
}

Outcome sys_settimeofday(Thread& thread, const SyscallArgs& args) {
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    if (args.a0 == 0) return 0;
    const auto time = get<TimeVal>(thread, args.a0);
    if (!time.ok()) return time.error();
    if (!time->valid()) return Errno::EINVAL;
    thread.zone().set_realtime(static_cast<i64>(time->nanoseconds_total()));
    return 0;
}

Outcome sys_time(Thread& thread, const SyscallArgs& args) {
    const i64 seconds = thread.zone().realtime() / static_cast<i64>(kSecondNs);
    if (args.a0 != 0)
        if (const auto done = put(thread, args.a0, seconds); !done.ok()) return done.error();
    return seconds;
}

Outcome sys_nanosleep(Thread& thread, const SyscallArgs& args) {
    const auto time = get<TimeSpec>(thread, args.a0);
    if (!time.ok()) return time.error();
    return start_sleep(thread, kMonotonic, false, time.value(), args.a1);
}

Outcome sys_clock_nanosleep(Thread& thread, const SyscallArgs& args) {
    const auto clock = static_cast<i32>(args.a0);
    if (!is_realtime(clock) && !is_monotonic(clock)) {
        if (clock == kProcessCpu) return Errno::EOPNOTSUPP;
        return Errno::EINVAL;
    }
    const auto time = get<TimeSpec>(thread, args.a2);
    if (!time.ok()) return time.error();
    return start_sleep(thread, clock, (args.a1 & kAbsolute) != 0, time.value(), args.a3);
}

Outcome sys_restart_syscall(Thread& thread, const SyscallArgs&) {
    const Time deadline = thread.restart_deadline;
    if (deadline == 0) return Errno::EINTR;
    thread.restart_deadline = 0;
    if (deadline <= thread.zone().now()) return 0;
    return run(thread, sleep_until(thread, deadline, false, thread.restart_remaining));
}

Outcome sys_alarm(Thread& thread, const SyscallArgs& args) {
    const u64 before = arm_real(thread.process, (args.a0 & 0xffff'ffff) * kSecondNs, 0);
    return (before + kSecondNs - 1) / kSecondNs;
}

Outcome sys_getitimer(Thread& thread, const SyscallArgs& args) {
    if (args.a0 > 2) return Errno::EINVAL;
    IntervalVal value{};
    if (args.a0 == 0) {
        value.interval = TimeVal::from(thread.process.real_interval);
        value.value = TimeVal::from(left(thread.process.real_timer, thread.zone().now()));
    }
    return put(thread, args.a1, value);
}

Outcome sys_setitimer(Thread& thread, const SyscallArgs& args) {
    if (args.a0 > 2) return Errno::EINVAL;
    IntervalVal wanted{};
    if (args.a1 != 0) {
        const auto value = get<IntervalVal>(thread, args.a1);
        if (!value.ok()) return value.error();
        wanted = value.value();
        if (!wanted.value.valid() || !wanted.interval.valid()) return Errno::EINVAL;
    }
    // Timers of CPU time would need the kernel to tell when they are due.
    if (args.a0 != 0) return Errno::EINVAL;
    const u64 interval = thread.process.real_interval;
    const u64 before = arm_real(thread.process, wanted.value.nanoseconds_total(),
                                wanted.interval.nanoseconds_total());
    if (args.a2 != 0)
        return put(thread, args.a2, IntervalVal{TimeVal::from(interval), TimeVal::from(before)});
    return 0;
}

Outcome sys_timer_create(Thread& thread, const SyscallArgs& args) {
    struct Event {
        u64 value;
        i32 signo, notify;
        i32 thread, pad[11];
    } event{};
    static_assert(sizeof(Event) == 64);
    const auto clock = static_cast<i32>(args.a0);
    if (!is_realtime(clock) && !is_monotonic(clock)) return Errno::EINVAL;
    Process& process = thread.process;
    if (process.timers == nullptr) process.timers = new PosixTimers;
    const i32 id = process.timers->next++;
    event.signo = kSigAlrm;
    event.value = static_cast<u64>(id);
    if (args.a1 != 0)
        if (const auto done = copy_in(thread, &event, args.a1, sizeof event); !done.ok()) return done.error();
    if (event.notify != 0 && event.notify != 1 && event.notify != 2 && event.notify != 4)
        return Errno::EINVAL;
    if (event.notify != 1 && (event.signo < 1 || event.signo > kSignals)) return Errno::EINVAL;
    auto timer = std::make_unique<PosixTimer>(process, id);
    timer->clock = clock;
    timer->notify = event.notify == 2 ? 0 : event.notify;
    timer->signo = event.signo;
    timer->thread = event.thread;
    timer->value = event.value;
    if (const auto done = put(thread, args.a2, id); !done.ok()) return done.error();
    process.timers->timers[id] = std::move(timer);
    return 0;
}

Outcome sys_timer_settime(Thread& thread, const SyscallArgs& args) {
    PosixTimer* timer = find_timer(thread, args.a0);
    if (timer == nullptr) return Errno::EINVAL;
    const auto wanted = get<TimerSpec>(thread, args.a2);
    if (!wanted.ok()) return wanted.error();
    if (!wanted->value.valid() || !wanted->interval.valid()) return Errno::EINVAL;
    const Time now = thread.zone().now();
    const TimerSpec before{TimeSpec::from(timer->interval), TimeSpec::from(left(*timer, now))};
    timer->cancel();
    timer->interval = wanted->interval.nanoseconds_total();
    u64 value = wanted->value.nanoseconds_total();
    if (value != 0) {
        if ((args.a1 & kAbsolute) == 0) {
            value = add_time(now, value);
        } else if (is_realtime(timer->clock)) {
            const i64 monotonic = static_cast<i64>(value) - thread.zone().realtime_offset;
            value = monotonic > 0 ? static_cast<u64>(monotonic) : 1;
        }
        timer->arm(std::max<u64>(value, 2));
    }
    if (args.a3 != 0) return put(thread, args.a3, before);
    return 0;
}

Outcome sys_timer_gettime(Thread& thread, const SyscallArgs& args) {
    const PosixTimer* timer = find_timer(thread, args.a0);
    if (timer == nullptr) return Errno::EINVAL;
    return put(thread, args.a1,
               TimerSpec{TimeSpec::from(timer->interval), TimeSpec::from(left(*timer, thread.zone().now()))});
}

Outcome sys_timer_getoverrun(Thread& thread, const SyscallArgs& args) {
    const PosixTimer* timer = find_timer(thread, args.a0);
    return timer == nullptr ? Outcome(Errno::EINVAL) : Outcome(timer->overrun);
}

Outcome sys_timer_delete(Thread& thread, const SyscallArgs& args) {
    if (find_timer(thread, args.a0) == nullptr) return Errno::EINVAL;
    thread.process.timers->timers.erase(static_cast<i32>(args.a0));
    return 0;
}

Outcome sys_times(Thread& thread, const SyscallArgs& args) {
    constexpr u64 kTick = 10'000'000;
    if (args.a0 != 0) {
        const Usage own = thread.process.total_usage();
        const Usage& children = thread.process.children_usage;
        const u64 times[4] = {own.user_time / kTick, own.system_time / kTick, children.user_time / kTick,
                              children.system_time / kTick};
        if (const auto done = copy_out(thread, args.a0, times, sizeof times); !done.ok()) return done.error();
    }
    return thread.zone().now() / kTick;
}

}  // namespace pith::lx
