// SPDX-License-Identifier: MIT
// The life of processes and threads: stop, continue, exit, the parent's notice, reaping. Making them is in fork.cpp.
#include "servers/linux/process.hpp"

#include <algorithm>

#include "lib/os/handle.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/futex.hpp"
#include "servers/linux/posix_timers.hpp"
#include "servers/linux/shutdown.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

bool Credentials::in_group(u32 group) const {
    return fsgid == group || std::ranges::find(groups, group) != groups.end();
}

void Usage::add(const Usage& other) {
    user_time += other.user_time;
    system_time += other.system_time;
    minor_faults += other.minor_faults;
    major_faults += other.major_faults;
    voluntary += other.voluntary;
    involuntary += other.involuntary;
    peak_pages = std::max(peak_pages, other.peak_pages);
}

Process::Process(Zone& owner, Pid number) : zone(owner), pid(number), real_timer(*this) {
    limit(Resource::stack) = {8 << 20, kUnlimited};
    limit(Resource::core) = {0, kUnlimited};
    limit(Resource::nofile) = {1024, 1 << 20};
    limit(Resource::nproc) = {zone.max_threads, zone.max_threads};
    limit(Resource::memlock) = {8 << 20, 8 << 20};
    limit(Resource::sigpending) = {1024, 1024};
    limit(Resource::msgqueue) = {819200, 819200};
    limit(Resource::nice) = {0, 0};
    limit(Resource::rtprio) = {0, 0};
}

Process::~Process() = default;

Usage Process::total_usage() const {
    Usage total = usage;
    for (const Thread* thread : threads) {
        total.add(thread->usage);
        total.user_time += thread->cpu_time();
    }
    if (memory) total.peak_pages = std::max(total.peak_pages, memory->peak_pages);
    return total;
}

u8 Process::priority() const {
    constexpr i32 kCrowdedPenalty = 20;
    return static_cast<u8>(std::max(1, zone.priority - nice - (crowded ? kCrowdedPenalty : 0)));
}

void Process::update_priority() {
    for (const Thread* thread : threads)
        invoke(abi::Syscall::thread_set_priority, thread->handle, priority());
}

char Process::state_letter() const {
    if (zombie) return 'Z';
    if (stopped) return 'T';
    bool device = false;
    for (const Thread* thread : threads) {
        device = device || thread->waits_for_device;
        if (!thread->at_event || (thread->sleep == nullptr && !thread->waits_for_device)) return 'R';
    }
    return device ? 'D' : 'S';
}

bool Process::may_signal(const Process& target, i32 signo) const {
    const Credentials& mine = credentials;
    const Credentials& theirs = target.credentials;
    if (mine.euid == 0 || mine.euid == theirs.suid || mine.euid == theirs.uid || mine.uid == theirs.suid ||
        mine.uid == theirs.uid)
        return true;
    return signo == kSigCont && session == target.session;
}

void Process::terminate(i32 status, Thread* current) {
    if (exiting || zombie) {
        if (current != nullptr) current->dying = true;
        return;
    }
    exiting = true;
    exit_status = status;
    stopped = false;
    const std::vector<Thread*> all = threads;
    for (Thread* thread : all) {
        if (thread->dead) continue;
        thread->dying = true;
        if (thread == current) continue;
        if (!thread->at_event || thread->parked) exit_thread(*thread);
        else if (thread->sleep != nullptr) thread->sleep->interrupt(true);
        // Else it is the one whose event is being handled: it ends on its way back.
    }
}

void Process::stop(i32 signo) {
    if (stopped || exiting) return;
    stopped = true;
    stop_signal = signo;
    stop_reported = false;
    continue_reported = true;
    for (Thread* thread : threads) thread->notice();
    notify_parent(kCldStopped, signo);
}

void Process::resume() {
    if (!stopped) return;
    stopped = false;
    stop_reported = true;
    continue_reported = false;
    const std::vector<Thread*> all = threads;
    for (Thread* thread : all) {
        if (!thread->parked || thread->dead) continue;
        thread->parked = false;
        Return how = thread->parked_return;
        i64 result = thread->parked_result;
        if (thread->prepare_return(how, result)) thread->go_on(how, result);
    }
    if (!zombie) notify_parent(kCldContinued, kSigCont);
}

void Process::notify_parent(i32 code, i32 status) {
    if (parent == nullptr) return;
    const bool ended = code == kCldExited || code == kCldKilled || code == kCldDumped;
    const i32 signo = ended ? death_signal : kSigChld;
    SigAction& action = (*parent->actions)[kSigChld];
    const bool wanted = signo != 0 && (ended || (action.flags & kSaNoCldStop) == 0);
    if (wanted) {
        SigInfo info;
        info.signo = signo;
        info.code = code;
        const Usage total = total_usage();
        info.child = {pid,
                      credentials.uid,
                      status,
                      0,
                      static_cast<i64>(total.user_time / 10'000'000),
                      static_cast<i64>(total.system_time / 10'000'000)};
        parent->send(info);
    }
    parent->child_events.wake_all();
}

namespace {

void reparent_children(Process& process) {
    Process* heir = process.zone.init;
    for (Process* at = process.parent; at != nullptr; at = at->parent) {
        if (at->subreaper && !at->zombie && !at->exiting) {
            heir = at;
            break;
        }
    }
    if (heir == &process) heir = nullptr;
    std::vector<Process*> children;
    children.swap(process.children);
    for (Process* child : children) {
        child->parent = heir;
        if (child->parent_death_signal != 0 && !child->zombie) {
            SigInfo info;
            info.signo = child->parent_death_signal;
            child->send(info);
        }
        if (heir == nullptr) {
            if (child->zombie) reap(*child);
            continue;
        }
        heir->children.push_back(child);
        child->death_signal = kSigChld;
        if (child->zombie) {
            const i32 status = child->exit_status;
            child->notify_parent((status & 0x7f) == 0 ? kCldExited : kCldKilled,
                                 (status & 0x7f) == 0 ? status >> 8 : status & 0x7f);
        }
    }
}

/// Groups that lose their last parent in the session: stopped ones are told, or they would wait for ever.
void tell_orphans(Process& process) {
    Zone& zone = process.zone;
    const auto tell = [&zone](Pid group) {
        if (!zone.orphaned_group(group)) return;
        const bool any_stopped = std::ranges::any_of(zone.processes, [group](const auto& entry) {
            return entry.second->group == group && entry.second->stopped;
        });
        if (!any_stopped) return;
        zone.send_group(group, SigInfo::kernel(kSigHup));
        zone.send_group(group, SigInfo::kernel(kSigCont));
    };
    std::vector<Pid> groups;
    for (const Process* child : process.children)
        if (child->group != process.group && child->session == process.session &&
            std::ranges::find(groups, child->group) == groups.end())
            groups.push_back(child->group);
    if (process.parent != nullptr && process.parent->session == process.session &&
        process.parent->group != process.group)
        groups.push_back(process.group);
    reparent_children(process);
    for (const Pid group : groups) tell(group);
}

void exit_process(Process& process) {
    Zone& zone = process.zone;
    process.exiting = true;
    process.real_timer.cancel();
    delete std::exchange(process.timers, nullptr);
    if (process.memory)
        process.usage.peak_pages = std::max(process.usage.peak_pages, process.memory->peak_pages);
    process.files.reset();
    process.fs.reset();
    process.executable.reset();
    process.memory.reset();
    if (process.session == process.pid && process.tty != nullptr) tty_session_ended(process);
    process.zombie = true;
    process.exit_event.wake_all();
    tell_orphans(process);
    if (process.pid == zone.main) {
        const auto code = static_cast<u32>(process.exit_status);
        end_zone(zone, EndKind::exited, (code & 0x7f) != 0 ? 128 + (code & 0x7f) : code >> 8 & 0xff);
    }
    Process* parent = process.parent;
    const i32 status = process.exit_status;
    bool nobody_waits = parent == nullptr;
    if (parent != nullptr && process.death_signal == kSigChld) {
        const SigAction& action = (*parent->actions)[kSigChld];
        nobody_waits = action.handler == kSigIgnore || (action.flags & kSaNoCldWait) != 0;
    }
    const bool killed = (status & 0x7f) != 0;
    process.notify_parent(!killed                ? kCldExited
                          : (status & 0x80) != 0 ? kCldDumped
                                                 : kCldKilled,
                          killed ? status & 0x7f : status >> 8);
    if (nobody_waits) reap(process);
}

}  // namespace

void exit_thread(Thread& thread) {
    if (thread.dead) return;
    thread.dead = true;
    thread.dying = true;
    Process& process = thread.process;
    Zone& zone = process.zone;
    thread.usage.user_time += thread.cpu_time();
    thread.destroy_kernel_thread();
    if (process.memory) release_futexes(thread);
    process.usage.add(thread.usage);
    std::erase(process.threads, &thread);
    zone.threads.erase(thread.tid);
    // A parent in vfork goes on when nobody uses its memory any more.
    if (process.threads.empty()) {
        if (Thread* waiter = std::exchange(process.vfork_waiter, nullptr)) {
            process.memory.reset();
            if (waiter->sleep != nullptr) waiter->sleep->wake();
        }
        exit_process(process);
    } else {
        process.exit_event.wake_all();
    }
    zone.graveyard.emplace_back(&thread);
}

void reap(Process& process) {
    Zone& zone = process.zone;
    if (Process* parent = process.parent) {
        parent->children_usage.add(process.total_usage());
        parent->children_usage.add(process.children_usage);
        std::erase(parent->children, &process);
    }
    // Threads in the graveyard still refer to it.
    auto node = zone.processes.extract(process.pid);
    if (!node.empty()) zone.buried.push_back(std::move(node.mapped()));
}

}  // namespace pith::lx
