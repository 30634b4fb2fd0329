// SPDX-License-Identifier: MIT
// Scheduling: priorities, affinity, yielding. Programs run at one level a nice value; there is no real-time class.
#include <algorithm>
#include <bit>

#include "lib/os/handle.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/time_types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

SysResult<Thread*> target_of(Thread& thread, u64 tid) {
    if (static_cast<Pid>(tid) < 0) return Errno::EINVAL;
    Thread* target = static_cast<Pid>(tid) == 0 ? &thread : thread.zone().find_thread(static_cast<Pid>(tid));
    if (target == nullptr) return Errno::ESRCH;
    return target;
}

void apply_nice(Process& process, i32 nice) {
    process.nice = std::clamp(nice, -20, 19);
    process.update_priority();
}

/// The processes that getpriority and setpriority are about.
std::vector<Process*> select(Thread& thread, u64 which, u32 who) {
    std::vector<Process*> found;
    for (const auto& [pid, process] : thread.zone().processes) {
        bool match = false;
        switch (which) {
            case 0: match = pid == (who == 0 ? thread.process.pid : static_cast<Pid>(who)); break;
            case 1:
                match = process->group == (who == 0 ? thread.process.group : static_cast<Pid>(who));
                break;
            case 2:
                match = process->credentials.uid == (who == 0 ? thread.process.credentials.uid : who);
                break;
            default: break;
        }
        if (match) found.push_back(process.get());
    }
    return found;
}

}  // namespace

Outcome sys_sched_yield(Thread&, const SyscallArgs&) { return 0; }

Outcome sys_sched_getaffinity(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    if (args.a1 % 8 != 0 || args.a1 == 0) return Errno::EINVAL;
    const u64 all = (u64{1} << thread.zone().cpus) - 1;
    const u64 mask = target.value()->affinity & all;
    if (const auto done = put(thread, args.a2, mask); !done.ok()) return done.error();
    return 8;
}

Outcome sys_sched_setaffinity(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    u64 mask = 0;
    if (const auto done = copy_in(thread, &mask, args.a2, std::min<u64>(args.a1, 8)); !done.ok())
        return done.error();
    mask &= (u64{1} << thread.zone().cpus) - 1;
    if (mask == 0) return Errno::EINVAL;
    Thread& other = *target.value();
    other.affinity = mask;
    if ((mask >> other.cpu & 1) == 0) {
        other.cpu = static_cast<u16>(std::countr_zero(mask));
        invoke(abi::Syscall::thread_set_cpu, other.handle, other.cpu);
    }
    return 0;
}

Outcome sys_sched_getscheduler(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    return target.ok() ? Outcome(0) : Outcome(target.error());
}
Outcome sys_sched_setscheduler(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    const u64 policy = args.a1 & ~u64{0x4000'0000};
    if (policy == 1 || policy == 2) return Errno::EPERM;
    if (policy != 0 && policy != 3 && policy != 5) return Errno::EINVAL;
    const auto priority = get<i32>(thread, args.a2);
    if (!priority.ok()) return priority.error();
    return priority.value() == 0 ? Outcome(0) : Outcome(Errno::EINVAL);
}
Outcome sys_sched_getparam(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    return put(thread, args.a1, i32{0});
}
Outcome sys_sched_setparam(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    const auto priority = get<i32>(thread, args.a1);
    if (!priority.ok()) return priority.error();
    return priority.value() == 0 ? Outcome(0) : Outcome(Errno::EINVAL);
}
Outcome sys_sched_get_priority_max(Thread&, const SyscallArgs& args) {
    return args.a0 == 1 || args.a0 == 2 ? Outcome(99) : args.a0 > 6 ? Outcome(Errno::EINVAL) : Outcome(0);
}
Outcome sys_sched_get_priority_min(Thread&, const SyscallArgs& args) {
    return args.a0 == 1 || args.a0 == 2 ? Outcome(1) : args.a0 > 6 ? Outcome(Errno::EINVAL) : Outcome(0);
}
Outcome sys_sched_rr_get_interval(Thread& thread, const SyscallArgs& args) {
    const auto target = target_of(thread, args.a0);
    if (!target.ok()) return target.error();
    return put(thread, args.a1, TimeSpec{0, 5'000'000});
}

Outcome sys_getpriority(Thread& thread, const SyscallArgs& args) {
    if (args.a0 > 2) return Errno::EINVAL;
    i32 best = 0;
    for (const Process* process : select(thread, args.a0, static_cast<u32>(args.a1)))
        best = std::max(best, 20 - process->nice);
    return best == 0 ? Outcome(Errno::ESRCH) : Outcome(best);
}

Outcome sys_setpriority(Thread& thread, const SyscallArgs& args) {
    if (args.a0 > 2) return Errno::EINVAL;
    const i32 nice = std::clamp(static_cast<i32>(args.a2), -20, 19);
    Outcome result = Errno::ESRCH;
    for (Process* process : select(thread, args.a0, static_cast<u32>(args.a1))) {
        if (nice < process->nice && thread.process.credentials.euid != 0) {
            result = Errno::EACCES;
            continue;
        }
        apply_nice(*process, nice);
        result = 0;
    }
    return result;
}

Outcome sys_getcpu(Thread& thread, const SyscallArgs& args) {
    if (args.a0 != 0)
        if (const auto done = put(thread, args.a0, u32{thread.cpu}); !done.ok()) return done.error();
    if (args.a1 != 0) return put(thread, args.a1, u32{0});
    return 0;
}

Outcome sys_membarrier(Thread&, const SyscallArgs& args) {
    // MEMBARRIER_CMD_QUERY: none is supported; rseq is not there either (ENOSYS).
    return args.a0 == 0 ? Outcome(0) : Outcome(Errno::EINVAL);
}

}  // namespace pith::lx
