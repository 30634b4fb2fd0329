// SPDX-License-Identifier: MIT
#include "servers/linux/zone.hpp"

#include <algorithm>
#include <bit>

#include "lib/os/clock.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/net/inet/network.hpp"

namespace pith::lx {

SysResult<u32> StatePages::allocate() {
    if (free_.empty()) {
        Handle<Pool> pool(pool_);
        auto block = MappedMemory::create(pool, u64{kBlockSlots} * sizeof(abi::ForeignState));
        pool.release();
        if (!block.ok()) return Errno::ENOMEM;
        const auto first = static_cast<u32>(blocks_.size()) * kBlockSlots;
        blocks_.push_back(std::move(block).value());
        for (u32 i = kBlockSlots; i-- > 0;) free_.push_back(first + i);
    }
    const u32 slot = free_.back();
    free_.pop_back();
    return slot;
}

Zone::Zone(HandleIndex pool, HandleIndex space)
    : frames(pool, space), network(std::make_unique<Network>(*this)), states(pool), balancer(*this) {}
Zone::~Zone() = default;

void Zone::bury() {
    if (!graveyard.empty()) graveyard.clear();
    if (!buried.empty()) buried.clear();
}

Process* Zone::find_process(Pid pid) const {
    const auto at = processes.find(pid);
    return at != processes.end() ? at->second.get() : nullptr;
}

Thread* Zone::find_thread(Pid tid) const {
    const auto at = threads.find(tid);
    return at != threads.end() ? at->second : nullptr;
}

Pid Zone::allocate_pid() {
    constexpr Pid kMaxPid = 32768;
    for (Pid tries = 0; tries < kMaxPid; ++tries) {
        last_pid = last_pid + 1 >= kMaxPid ? 300 : last_pid + 1;
        const Pid pid = last_pid;
        if (processes.contains(pid) || threads.contains(pid)) continue;
        const bool taken = std::ranges::any_of(processes, [pid](const auto& entry) {
            return entry.second->group == pid || entry.second->session == pid;
        });
        if (!taken) return pid;
    }
    return 0;
}

u32 Zone::send_group(Pid group, const SigInfo& info) {
    std::vector<Process*> members;
    for (const auto& [pid, process] : processes)
        if (process->group == group && !process->zombie) members.push_back(process.get());
    for (Process* process : members) process->send(info);
    return static_cast<u32>(members.size());
}

bool Zone::orphaned_group(Pid group) const {
    for (const auto& [pid, process] : processes) {
        if (process->group != group || process->zombie || process->parent == nullptr) continue;
        const Process& parent = *process->parent;
        if (parent.pid != 1 && parent.group != group && parent.session == process->session) return false;
    }
    return true;
}

bool Zone::group_in_session(Pid group, Pid session) const {
    return std::ranges::any_of(processes, [=](const auto& entry) {
        return entry.second->group == group && entry.second->session == session;
    });
}

void Zone::detach_tty(Pid session) {
    for (const auto& [pid, process] : processes)
        if (process->session == session) process->tty = nullptr;
}

Time Zone::now() const { return pith::now(); }

void Zone::set_realtime(i64 nanoseconds) {
    realtime_offset = nanoseconds - static_cast<i64>(now());
    vdso->set_realtime_offset(realtime_offset);
}

u32 Zone::running() const {
    u32 count = 0;
    for (const auto& [tid, thread] : threads) count += thread->at_event ? 0 : 1;
    return count;
}

bool Zone::kill_for_memory() {
    constexpr u64 kOverhead = 16;  // pages of tables and kernel objects that a process takes at least
    std::map<Pid, u64> jobs;
    for (const auto& [pid, process] : processes) {
        if (process->exiting && !process->zombie) return true;
        if (!process->zombie && process->memory)
            jobs[process->job] += process->memory->resident_pages() + kOverhead;
    }
    if (jobs.empty()) return false;
    const Pid heaviest = std::ranges::max_element(jobs, {}, [](const auto& entry) {
                             return entry.second;
                         })->first;
    Process* victim = nullptr;
    for (const auto& [pid, process] : processes) {
        if (process->zombie || !process->memory || process->job != heaviest) continue;
        if (victim == nullptr || process->memory->resident_pages() >= victim->memory->resident_pages())
            victim = process.get();
    }
    victim->terminate(kSigKill);
    return true;
}

}  // namespace pith::lx
