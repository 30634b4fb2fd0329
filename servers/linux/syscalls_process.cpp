// SPDX-License-Identifier: MIT
// exit, wait, process groups and sessions.
#include <string.h>
#include <algorithm>

#include "servers/linux/rusage.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kNoHang = 1, kUntraced = 2, kExited = 4, kContinued = 8, kNoWait = 0x0100'0000;
constexpr u32 kNoThread = 0x2000'0000, kAll = 0x4000'0000, kClone = 0x8000'0000;

/// Which children a wait is for.
struct WaitFor {
    enum class Kind : u8 { any, pid, group } kind = Kind::any;
    Pid number = 0;
    u32 options = 0;
    bool matches(const Process& child) const {
        const bool clone_child = child.death_signal != kSigChld;
        if ((options & kAll) == 0 && clone_child != ((options & kClone) != 0)) return false;
        return kind == Kind::any || (kind == Kind::pid ? child.pid == number : child.group == number);
    }
};

/// What a wait found.
struct Waited {
    Pid pid = 0;  ///< 0: nothing yet
    u32 uid = 0;
    i32 code = 0;
    i32 status = 0;  ///< as wait4 gives it
    Usage usage;
};

/// A child with news; ECHILD: there is no child to wait for.
SysResult<Waited> look(Process& parent, const WaitFor& what) {
    bool any = false;
    for (Process* child : parent.children) {
        if (!what.matches(*child)) continue;
        any = true;
        Waited found{child->pid, child->credentials.uid, 0, 0, {}};
        const bool keep = (what.options & kNoWait) != 0;
        if (child->zombie && (what.options & kExited) != 0) {
            found.status = child->exit_status;
            found.code = (found.status & 0x7f) == 0   ? kCldExited
                         : (found.status & 0x80) != 0 ? kCldDumped
                                                      : kCldKilled;
            found.usage = child->total_usage();
            found.usage.add(child->children_usage);
            if (!keep) reap(*child);
            return found;
        }
        if (child->zombie) continue;
        if (child->stopped && !child->stop_reported && (what.options & kUntraced) != 0) {
            found.status = child->stop_signal << 8 | 0x7f;
            found.code = kCldStopped;
            found.usage = child->total_usage();
            child->stop_reported = !keep;
            return found;
        }
        if (!child->stopped && !child->continue_reported && (what.options & kContinued) != 0) {
            found.status = 0xffff;
            found.code = kCldContinued;
            found.usage = child->total_usage();
            child->continue_reported = !keep;
            return found;
        }
    }
    if (!any) return Errno::ECHILD;
    return Waited{};
}

struct Wait4 {
    u64 status = 0;
    u64 usage = 0;
};

SysResult<u64> report4(Thread& thread, const Waited& found, const Wait4& to) {
    if (found.pid == 0) return u64{0};
    if (to.status != 0) PITH_CHECK(put(thread, to.status, found.status));
    if (to.usage != 0) PITH_CHECK(put(thread, to.usage, make_rusage(found.usage)));
    return static_cast<u64>(found.pid);
}

Task<SysResult<u64>> wait_long(Thread& thread, WaitFor what, Wait4 to) {
    while (true) {
        QueueSleep sleep(thread, thread.process.child_events, 0, false);
        const Waited found = PITH_CO_TRY(look(thread.process, what));
        if (found.pid != 0) co_return report4(thread, found, to);
        PITH_CO_CHECK(co_await sleep);
    }
}

SysResult<u64> report_id(Thread& thread, const Waited& found, u64 info_address, u64 usage_address) {
    if (usage_address != 0 && found.pid != 0)
        PITH_CHECK(put(thread, usage_address, make_rusage(found.usage)));
    if (info_address == 0) return u64{0};
    SigInfo info;
    if (found.pid != 0) {
        info.signo = kSigChld;
        info.code = found.code;
        i32 status = found.status & 0x7f;
        if (found.code == kCldExited || found.code == kCldStopped) status = found.status >> 8 & 0xff;
        if (found.code == kCldContinued) status = kSigCont;
        info.child = {found.pid, found.uid, status, 0, 0, 0};
    }
    PITH_CHECK(put(thread, info_address, info));
    return u64{0};
}

Task<SysResult<u64>> waitid_long(Thread& thread, WaitFor what, u64 info, u64 usage) {
    while (true) {
        QueueSleep sleep(thread, thread.process.child_events, 0, false);
        const Waited found = PITH_CO_TRY(look(thread.process, what));
        if (found.pid != 0) co_return report_id(thread, found, info, usage);
        PITH_CO_CHECK(co_await sleep);
    }
}

}  // namespace

Outcome sys_exit(Thread& thread, const SyscallArgs& args) {
    Process& process = thread.process;
    if (process.threads.size() == 1 && !process.exiting)
        process.exit_status = static_cast<i32>(args.a0 & 0xff) << 8;
    exit_thread(thread);
    return Outcome::pending();
}

Outcome sys_exit_group(Thread& thread, const SyscallArgs& args) {
    thread.process.terminate(static_cast<i32>(args.a0 & 0xff) << 8, &thread);
    exit_thread(thread);
    return Outcome::pending();
}

Outcome sys_wait4(Thread& thread, const SyscallArgs& args) {
    const auto options = static_cast<u32>(args.a2);
    if ((options & ~(kNoHang | kUntraced | kContinued | kNoThread | kAll | kClone)) != 0)
        return Errno::EINVAL;
    const auto pid = static_cast<Pid>(args.a0);
    WaitFor what;
    what.options = options | kExited;
    if (pid == INT32_MIN) return Errno::ESRCH;
    if (pid > 0) what.kind = WaitFor::Kind::pid, what.number = pid;
    if (pid < -1) what.kind = WaitFor::Kind::group, what.number = -pid;
    if (pid == 0) what.kind = WaitFor::Kind::group, what.number = thread.process.group;
    const Wait4 to{args.a1, args.a3};
    const auto found = look(thread.process, what);
    if (!found.ok()) return found.error();
    if (found->pid != 0 || (options & kNoHang) != 0) return report4(thread, found.value(), to);
    return run(thread, wait_long(thread, what, to));
}

Outcome sys_waitid(Thread& thread, const SyscallArgs& args) {
    const auto options = static_cast<u32>(args.a3);
    if ((options & ~(kNoHang | kUntraced | kExited | kContinued | kNoWait | kNoThread | kAll | kClone)) != 0)
        return Errno::EINVAL;
    if ((options & (kUntraced | kExited | kContinued)) == 0) return Errno::EINVAL;
    WaitFor what;
    what.options = options;
    what.number = static_cast<Pid>(args.a1);
    switch (args.a0) {
        case 0: break;
        case 1: what.kind = WaitFor::Kind::pid; break;
        case 2:
            what.kind = WaitFor::Kind::group;
            if (what.number == 0) what.number = thread.process.group;
            break;
        default: return Errno::EINVAL;
    }
    if (args.a0 != 0 && what.number <= 0) return Errno::EINVAL;
    const auto found = look(thread.process, what);
    if (!found.ok()) return found.error();
    if (found->pid != 0 || (options & kNoHang) != 0)
        return report_id(thread, found.value(), args.a2, args.a4);
    return run(thread, waitid_long(thread, what, args.a2, args.a4));
}

Outcome sys_getpid(Thread& thread, const SyscallArgs&) { return thread.process.pid; }
Outcome sys_gettid(Thread& thread, const SyscallArgs&) { return thread.tid; }
Outcome sys_getppid(Thread& thread, const SyscallArgs&) {
    return thread.process.parent != nullptr ? thread.process.parent->pid : 0;
}
Outcome sys_set_tid_address(Thread& thread, const SyscallArgs& args) {
    thread.clear_tid = args.a0;
    return thread.tid;
}

Outcome sys_setpgid(Thread& thread, const SyscallArgs& args) {
    Process& self = thread.process;
    const auto pid = static_cast<Pid>(args.a0), wanted = static_cast<Pid>(args.a1);
    if (wanted < 0) return Errno::EINVAL;
    Process* target = pid == 0 ? &self : thread.zone().find_process(pid);
    if (target == nullptr || target->zombie || (target != &self && target->parent != &self))
        return Errno::ESRCH;
    if (target != &self) {
        if (target->session != self.session) return Errno::EPERM;
        if (target->executed) return Errno::EACCES;
    }
    if (target->session == target->pid) return Errno::EPERM;
    const Pid group = wanted == 0 ? target->pid : wanted;
    if (group != target->pid && !thread.zone().group_in_session(group, self.session)) return Errno::EPERM;
    target->group = group;
    return 0;
}

Outcome sys_getpgid(Thread& thread, const SyscallArgs& args) {
    const Process* target = args.a0 == 0 ? &thread.process
                                         : thread.zone().find_process(static_cast<Pid>(args.a0));
    return target == nullptr ? Outcome(Errno::ESRCH) : Outcome(target->group);
}
Outcome sys_getpgrp(Thread& thread, const SyscallArgs&) { return thread.process.group; }
Outcome sys_getsid(Thread& thread, const SyscallArgs& args) {
    const Process* target = args.a0 == 0 ? &thread.process
                                         : thread.zone().find_process(static_cast<Pid>(args.a0));
    return target == nullptr ? Outcome(Errno::ESRCH) : Outcome(target->session);
}

Outcome sys_setsid(Thread& thread, const SyscallArgs&) {
    Process& self = thread.process;
    for (const auto& [pid, process] : thread.zone().processes)
        if (process->group == self.pid) return Errno::EPERM;
    self.session = self.group = self.pid;
    self.tty = nullptr;
    return self.pid;
}

}  // namespace pith::lx
