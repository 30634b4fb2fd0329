// SPDX-License-Identifier: MIT
// Signals: actions, masks, sending, waiting.
#include <algorithm>
#include <vector>

#include "servers/linux/signal_frame.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/time_types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

bool valid_signal(i64 signo) { return signo >= 1 && signo <= kSignals; }
constexpr u64 kMinAltStack = 2048;

Task<SysResult<u64>> pause(Thread& thread) {
    while (true) {
        Sleep sleep(thread);
        const auto slept = co_await sleep;
        if (!slept.ok()) co_return Errno::ERESTARTNOHAND;
    }
}

Task<SysResult<u64>> wait_for_signal(Thread& thread, SigSet set, u64 info_address, Time deadline) {
    while (true) {
        SigInfo info;
        if (thread.pending.take(set, info) || thread.process.pending.take(set, info)) {
            thread.waited = 0;
            if (info_address != 0) PITH_CO_CHECK(put(thread, info_address, info));
            co_return static_cast<u64>(info.signo);
        }
        if (thread.zone().now() >= deadline && deadline != 0) {
            thread.waited = 0;
            co_return Errno::EAGAIN;
        }
        thread.waited = set;
        Sleep sleep(thread, deadline);
        const auto slept = co_await sleep;
        const bool there = ((thread.pending.set() | thread.process.pending.set()) & set) != 0;
        if (there || slept.ok()) continue;
        thread.waited = 0;
        if (slept.error() == Errno::ETIMEDOUT) co_return Errno::EAGAIN;
        co_return Errno::EINTR;
    }
}

SysResult<> kill_one(Thread& thread, Process& target, const SigInfo& info) {
    if (!thread.process.may_signal(target, info.signo)) return Errno::EPERM;
    if (info.signo != 0) target.send(info);
    return {};
}

SigInfo sent_by(Thread& thread, i32 signo, i32 code) {
    SigInfo info;
    info.signo = signo;
    info.code = code;
    info.sent = {thread.process.pid, thread.process.credentials.uid, 0};
    return info;
}

Outcome kill_many(Thread& thread, const SigInfo& info, Pid group) {
    std::vector<Process*> targets;
    for (const auto& [pid, process] : thread.zone().processes) {
        if (group == -1 ? (pid == 1 || process.get() == &thread.process) : process->group != group) continue;
        targets.push_back(process.get());
    }
    bool any = false;
    Errno error = Errno::ESRCH;
    for (Process* target : targets) {
        const auto sent = kill_one(thread, *target, info);
        if (sent.ok()) any = true;
        else error = sent.error();
    }
    return any ? Outcome(0) : Outcome(error);
}

Outcome send_to_thread(Thread& thread, Pid group, Pid tid, const SigInfo& info) {
    if (tid <= 0) return Errno::EINVAL;
    Thread* target = thread.zone().find_thread(tid);
    if (target == nullptr || (group != 0 && target->process.pid != group)) return Errno::ESRCH;
    if (!thread.process.may_signal(target->process, info.signo)) return Errno::EPERM;
    if (info.signo != 0) target->send(info);
    return 0;
}

}  // namespace

Outcome sys_rt_sigaction(Thread& thread, const SyscallArgs& args) {
    const auto signo = static_cast<i64>(args.a0);
    if (args.a3 != 8 || !valid_signal(signo)) return Errno::EINVAL;
    SigAction& action = (*thread.process.actions)[static_cast<i32>(signo)];
    const SigAction before = action;
    if (args.a1 != 0) {
        if (signo == kSigKill || signo == kSigStop) return Errno::EINVAL;
        auto wanted = get<SigAction>(thread, args.a1);
        if (!wanted.ok()) return wanted.error();
        wanted->mask &= ~kUnblockable;
        action = wanted.value();
        // What is ignored now is no longer pending.
        if (thread.process.ignores(static_cast<i32>(signo)) ||
            (signo == kSigCont && action.handler == kSigDefault)) {
            thread.process.pending.discard(sig_bit(static_cast<i32>(signo)));
            for (Thread* other : thread.process.threads)
                other->pending.discard(sig_bit(static_cast<i32>(signo)));
        }
    }
    if (args.a2 != 0) return put(thread, args.a2, before);
    return 0;
}

Outcome sys_rt_sigprocmask(Thread& thread, const SyscallArgs& args) {
    if (args.a3 != 8) return Errno::EINVAL;
    const SigSet before = thread.mask;
    if (args.a1 != 0) {
        const auto set = get<SigSet>(thread, args.a1);
        if (!set.ok()) return set.error();
        switch (args.a0) {
            case 0: thread.set_mask(before | set.value()); break;
            case 1: thread.set_mask(before & ~set.value()); break;
            case 2: thread.set_mask(set.value()); break;
            default: return Errno::EINVAL;
        }
    }
    if (args.a2 != 0) return put(thread, args.a2, before);
    return 0;
}

Outcome sys_rt_sigpending(Thread& thread, const SyscallArgs& args) {
    if (args.a1 > 8) return Errno::EINVAL;
    const SigSet set = (thread.pending.set() | thread.process.pending.set()) & thread.mask;
    return copy_out(thread, args.a0, &set, args.a1);
}

Outcome sys_rt_sigsuspend(Thread& thread, const SyscallArgs& args) {
    if (args.a1 != 8) return Errno::EINVAL;
    const auto set = get<SigSet>(thread, args.a0);
    if (!set.ok()) return set.error();
    thread.set_temporary_mask(set.value());
    return run(thread, pause(thread));
}

Outcome sys_pause(Thread& thread, const SyscallArgs&) { return run(thread, pause(thread)); }

Outcome sys_rt_sigtimedwait(Thread& thread, const SyscallArgs& args) {
    if (args.a3 != 8) return Errno::EINVAL;
    auto set = get<SigSet>(thread, args.a0);
    if (!set.ok()) return set.error();
    Time deadline = 0;
    if (args.a2 != 0) {
        const auto time = get<TimeSpec>(thread, args.a2);
        if (!time.ok()) return time.error();
        if (!time->valid()) return Errno::EINVAL;
        deadline = add_time(thread.zone().now(), time->nanoseconds_total());
    }
    return run(thread, wait_for_signal(thread, set.value() & ~kUnblockable, args.a1, deadline));
}

Outcome sys_rt_sigreturn(Thread& thread, const SyscallArgs&) {
    if (!pop_signal_frame(thread).ok()) {
        thread.force(SigInfo::kernel(kSigSegv));
        return 0;
    }
    return Outcome::state();
}

Outcome sys_sigaltstack(Thread& thread, const SyscallArgs& args) {
    AltStack& alt = thread.alt_stack;
    const u64 sp = thread.state->rsp;
    const bool on = (alt.flags & 2) == 0 && sp > alt.base && sp - alt.base <= alt.size;
    AltStack before = alt;
    if ((alt.flags & 2) == 0 && on) before.flags |= 1;
    if (args.a0 != 0) {
        const auto wanted = get<AltStack>(thread, args.a0);
        if (!wanted.ok()) return wanted.error();
        if (on) return Errno::EPERM;
        const i32 mode = wanted->flags & ~kAltAutoDisarm;
        if (mode != 0 && mode != 1 && mode != 2) return Errno::EINVAL;
        if (mode == 2) {
            alt = {};
        } else {
            if (wanted->size < kMinAltStack) return Errno::ENOMEM;
            alt = wanted.value();
            alt.flags &= kAltAutoDisarm;
        }
    }
    if (args.a1 != 0) return put(thread, args.a1, before);
    return 0;
}

Outcome sys_kill(Thread& thread, const SyscallArgs& args) {
    const auto pid = static_cast<Pid>(args.a0);
    const auto signo = static_cast<i32>(args.a1);
    if (signo < 0 || signo > kSignals) return Errno::EINVAL;
    const SigInfo info = sent_by(thread, signo, kSiUser);
    if (pid > 0) {
        Process* target = thread.zone().find_process(pid);
        if (target == nullptr) {
            const Thread* member = thread.zone().find_thread(pid);
            if (member == nullptr) return Errno::ESRCH;
            target = &member->process;
        }
        return kill_one(thread, *target, info);
    }
    if (pid == INT32_MIN) return Errno::ESRCH;
    return kill_many(thread, info, pid == 0 ? thread.process.group : pid == -1 ? -1 : -pid);
}

Outcome sys_tkill(Thread& thread, const SyscallArgs& args) {
    const auto signo = static_cast<i32>(args.a1);
    if (signo < 0 || signo > kSignals) return Errno::EINVAL;
    return send_to_thread(thread, 0, static_cast<Pid>(args.a0), sent_by(thread, signo, kSiTkill));
}

Outcome sys_tgkill(Thread& thread, const SyscallArgs& args) {
    const auto signo = static_cast<i32>(args.a2);
    if (signo < 0 || signo > kSignals || static_cast<Pid>(args.a0) <= 0) return Errno::EINVAL;
    return send_to_thread(thread, static_cast<Pid>(args.a0), static_cast<Pid>(args.a1),
                          sent_by(thread, signo, kSiTkill));
}

Outcome sys_rt_sigqueueinfo(Thread& thread, const SyscallArgs& args) {
    const auto signo = static_cast<i32>(args.a1);
    if (signo < 0 || signo > kSignals) return Errno::EINVAL;
    auto info = get<SigInfo>(thread, args.a2);
    if (!info.ok()) return info.error();
    info->signo = signo;
    Process* target = thread.zone().find_process(static_cast<Pid>(args.a0));
    if (target == nullptr) return Errno::ESRCH;
    if ((info->code >= 0 || info->code == kSiTkill) && target != &thread.process) return Errno::EPERM;
    return kill_one(thread, *target, info.value());
}

Outcome sys_rt_tgsigqueueinfo(Thread& thread, const SyscallArgs& args) {
    const auto signo = static_cast<i32>(args.a2);
    if (signo < 0 || signo > kSignals) return Errno::EINVAL;
    auto info = get<SigInfo>(thread, args.a3);
    if (!info.ok()) return info.error();
    info->signo = signo;
    if ((info->code >= 0 || info->code == kSiTkill) && static_cast<Pid>(args.a0) != thread.process.pid)
        return Errno::EPERM;
    return send_to_thread(thread, static_cast<Pid>(args.a0), static_cast<Pid>(args.a1), info.value());
}

}  // namespace pith::lx
