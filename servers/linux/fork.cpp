// SPDX-License-Identifier: MIT
// fork, vfork, clone, clone3.
#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSighand = 0x800,
              kClonePidfd = 0x1000, kCloneVfork = 0x4000, kCloneParent = 0x8000, kCloneThread = 0x10000,
              kCloneNewns = 0x20000, kCloneSettls = 0x80000, kCloneParentSettid = 0x100000,
              kCloneChildCleartid = 0x200000, kCloneChildSettid = 0x1000000,
              kCloneClearSighand = 0x1'0000'0000;
constexpr u64 kCloneNamespaces = 0x7e02'0080 | kCloneNewns;
constexpr u64 kCloneSignal = 0xff;

struct CloneRequest {
    u64 flags = 0;  ///< without the signal
    i32 exit_signal = 0;
    u64 stack = 0;
    u64 parent_tid = 0;
    u64 child_tid = 0;
    u64 tls = 0;
};

Task<SysResult<u64>> wait_for_vfork(Thread& thread, Pid child) {
    // Until the child has given our memory back; only death ends this early.
    while (true) {
        Process* process = thread.zone().find_process(child);
        if (process == nullptr || process->vfork_waiter != &thread) break;
        Sleep sleep(thread, 0, Interruptible::kill);
        if (!(co_await sleep).ok()) {
            process = thread.zone().find_process(child);
            if (process != nullptr && process->vfork_waiter == &thread) process->vfork_waiter = nullptr;
            break;
        }
    }
    co_return static_cast<u64>(child);
}

SysResult<> copy_process(Thread& parent, Process& child, const CloneRequest& request) {
    Process& from = parent.process;
    child.group = from.group;
    child.session = from.session;
    child.job = from.pid == from.zone.main ? child.pid : from.job;
    child.tty = from.tty;
    child.credentials = from.credentials;
    std::ranges::copy(from.limits, child.limits);
    child.name = from.name;
    child.executable = from.executable;
    child.executable_path = from.executable_path;
    child.arguments_start = from.arguments_start;
    child.arguments_end = from.arguments_end;
    child.environment_start = from.environment_start;
    child.environment_end = from.environment_end;
    child.auxv = from.auxv;
    child.start_time = child.zone.now();
    child.nice = from.nice;
    child.crowded = from.crowded && child.job == from.job;
    child.personality = from.personality;
    child.dumpable = from.dumpable;
    child.death_signal = request.exit_signal;
    if ((request.flags & kCloneSighand) != 0) {
        child.actions = from.actions;
    } else {
        child.actions = Ref<SignalActions>::make();
        std::ranges::copy(from.actions->actions, child.actions->actions);
        if ((request.flags & kCloneClearSighand) != 0)
            for (SigAction& action : child.actions->actions)
                if (action.handler != kSigIgnore) action = {};
    }
    child.files = (request.flags & kCloneFiles) != 0 ? from.files : from.files->copy();
    child.fs = (request.flags & kCloneFs) != 0 ? from.fs : from.fs->copy();
    child.memory = (request.flags & kCloneVm) != 0 ? from.memory : PITH_TRY(from.memory->fork());
    return {};
}

void copy_thread(Thread& parent, Thread& child, const CloneRequest& request) {
    *child.state = *parent.state;
    child.state->rax = 0;
    if (request.stack != 0) child.state->rsp = request.stack;
    if ((request.flags & kCloneSettls) != 0) child.state->fs_base = request.tls;
    copy_fpu_state(parent, child);
    child.mask = parent.restore_mask ? parent.saved_mask : parent.mask;
    child.affinity = parent.affinity;
    std::ranges::copy(parent.name, child.name);
    child.timer_slack = parent.timer_slack;
    const bool same_memory = (request.flags & kCloneVm) != 0 && (request.flags & kCloneVfork) == 0;
    if (!same_memory) child.alt_stack = parent.alt_stack;
    if ((request.flags & kCloneChildCleartid) != 0) child.clear_tid = request.child_tid;
}

SysResult<> check_request(Thread& thread, const CloneRequest& request) {
    const u64 flags = request.flags;
    if ((flags & kCloneThread) != 0 && (flags & kCloneSighand) == 0) return Errno::EINVAL;
    if ((flags & kCloneSighand) != 0 && (flags & kCloneVm) == 0) return Errno::EINVAL;
    if ((flags & kCloneClearSighand) != 0 && (flags & kCloneSighand) != 0) return Errno::EINVAL;
    if ((flags & (kCloneNamespaces | kClonePidfd)) != 0) return Errno::EINVAL;
    if (request.exit_signal < 0 || request.exit_signal > kSignals) return Errno::EINVAL;
    if ((flags & kCloneParent) != 0 && thread.process.pid == 1) return Errno::EINVAL;
    Zone& zone = thread.zone();
    if (zone.shutting_down || zone.threads.size() >= zone.max_threads || heap_low()) return Errno::EAGAIN;
    const Process& self = thread.process;
    u64 of_user = 0, of_job = 0;
    for (const auto& [pid, process] : zone.processes) {
        const usize count = std::max<usize>(1, process->threads.size());
        if (process->credentials.uid == self.credentials.uid) of_user += count;
        if (process->job == self.job) of_job += count;
    }
    if (of_user >= thread.process.limit(Resource::nproc).soft) return Errno::EAGAIN;
    // No job takes it all, so that the shell can still do something about it.
    constexpr u64 kCrowd = 48;
    if (of_job > kCrowd && !self.crowded) {
        thread.process.crowded = true;
        thread.process.update_priority();
    }
    if (of_job >= zone.max_threads / 2) return Errno::EAGAIN;
    return {};
}

/// Undoes a process that was not finished.
void discard(Process& process) {
    const Pid pid = process.pid;
    std::erase(process.parent->children, &process);
    process.zone.processes.erase(pid);
}

Outcome do_clone(Thread& parent, const CloneRequest& request) {
    if (const auto checked = check_request(parent, request); !checked.ok()) return checked.error();
    Zone& zone = parent.zone();
    const Pid tid = zone.allocate_pid();
    if (tid == 0) return Errno::EAGAIN;
    const bool is_thread = (request.flags & kCloneThread) != 0;
    Process* process = &parent.process;
    if (!is_thread) {
        process = (zone.processes[tid] = std::make_unique<Process>(zone, tid)).get();
        process->parent = (request.flags & kCloneParent) != 0 ? parent.process.parent : &parent.process;
        process->parent->children.push_back(process);
        if (const auto copied = copy_process(parent, *process, request); !copied.ok()) {
            discard(*process);
            return copied.error();
        }
    }
    auto thread = std::make_unique<Thread>(*process, tid);
    thread->affinity = parent.affinity;
    if (const auto made = thread->create_kernel_thread(); !made.ok()) {
        if (!is_thread) discard(*process);
        return made.error() == Errno::ENOMEM ? Errno::EAGAIN : made.error();
    }
    copy_thread(parent, *thread, request);
    thread->publish_name();
    if ((request.flags & kCloneParentSettid) != 0) static_cast<void>(put(parent, request.parent_tid, tid));
    if ((request.flags & kCloneChildSettid) != 0)
        static_cast<void>(copy_out(*process->memory, request.child_tid, &tid, sizeof tid));
    Thread* child = thread.release();
    zone.threads[tid] = child;
    process->threads.push_back(child);
    ++zone.statistics.forks;
    const bool vfork = (request.flags & kCloneVfork) != 0 && !is_thread;
    if (vfork) process->vfork_waiter = &parent;
    child->at_event = false;
    child->go_on(Return::state, 0);
    if (vfork) return run(parent, wait_for_vfork(parent, tid));
    return tid;
}

}  // namespace

Outcome sys_fork(Thread& thread, const SyscallArgs&) {
    CloneRequest request;
    request.exit_signal = kSigChld;
    return do_clone(thread, request);
}

Outcome sys_vfork(Thread& thread, const SyscallArgs&) {
    CloneRequest request;
    request.flags = kCloneVfork | kCloneVm;
    request.exit_signal = kSigChld;
    return do_clone(thread, request);
}

Outcome sys_clone(Thread& thread, const SyscallArgs& args) {
    CloneRequest request;
    request.flags = args.a0 & ~kCloneSignal;
    request.exit_signal = static_cast<i32>(args.a0 & kCloneSignal);
    request.stack = args.a1;
    request.parent_tid = args.a2;
    request.child_tid = args.a3;
    request.tls = args.a4;
    return do_clone(thread, request);
}

Outcome sys_clone3(Thread& thread, const SyscallArgs& args) {
    struct CloneArguments {
        u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
            cgroup;
    } in{};
    if (args.a1 < 64) return Errno::EINVAL;
    if (args.a1 > sizeof in) return Errno::E2BIG;
    if (const auto copied = copy_in(thread, &in, args.a0, args.a1); !copied.ok()) return copied.error();
    if (in.set_tid_size != 0 || in.cgroup != 0) return Errno::EINVAL;
    if ((in.flags & kCloneSignal) != 0 || in.exit_signal > kSignals) return Errno::EINVAL;
    if ((in.stack == 0) != (in.stack_size == 0)) return Errno::EINVAL;
    CloneRequest request;
    request.flags = in.flags;
    request.exit_signal = static_cast<i32>(in.exit_signal);
    request.stack = in.stack + in.stack_size;
    request.parent_tid = in.parent_tid;
    request.child_tid = in.child_tid;
    request.tls = in.tls;
    return do_clone(thread, request);
}

}  // namespace pith::lx
