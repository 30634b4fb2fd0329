// SPDX-License-Identifier: MIT
// A thread that used less than kTalks of CPU time an event since the last look talks to the server; one that used more than
// kComputes at each of several looks computes; in between it stays where it is. (The time of a thread that runs on another
// CPU is known up to its last event.)
#include "servers/linux/balancer.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "lib/os/handle.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kPeriod = 10 * kMillisecond;
constexpr u64 kTalks = 100 * kMicrosecond, kComputes = kMillisecond;
constexpr u32 kFewEvents = 4;    // say nothing yet
constexpr u32 kEnoughLooks = 3;  // moving costs something: not for a short computation

/// CPU time since the last look.
u64 used(const Thread& thread) {
    const u64 time = thread.cpu_time();
    return time > thread.time_at_look ? time - thread.time_at_look : 0;
}

bool allows(u64 affinity, u32 cpu) { return (affinity >> cpu & 1) != 0; }

}  // namespace

u16 Balancer::place(u64 affinity) const {
    if (cpus_ < 2 || allows(affinity, home_)) return home_;
    return least(load(), affinity);
}

void Balancer::watch() {
    watching_ = true;
    timer_.arm(zone_.now() + kPeriod);
}

Balancer::Load Balancer::load() const {
    Load load;
    for (const auto& [tid, thread] : zone_.threads)
        if (!thread->at_event) ++load.running[thread->cpu];
    return load;
}

u16 Balancer::least(const Load& load, u64 affinity) const {
    u16 best = home_;
    bool found = false;
    for (u16 cpu = 0; cpu < cpus_; ++cpu) {
        if (!allows(affinity, cpu)) continue;
        if (!found || load.running[cpu] < load.running[best]) best = cpu;
        found = true;
    }
    return best;
}

void Balancer::move(Thread& thread, u16 cpu, Load& load) {
    if (invoke(abi::Syscall::thread_set_cpu, thread.handle, cpu).error != Error::ok) return;
    if (!thread.at_event) {
        --load.running[thread.cpu];
        ++load.running[cpu];
    }
    thread.cpu = cpu;
}

void Balancer::bring_back(Load& load) {
    for (const auto& [tid, thread] : zone_.threads) {
        if (thread->cpu == home_ || thread->events < kFewEvents || !allows(thread->affinity, home_)) continue;
        if (used(*thread) < thread->events * kTalks) move(*thread, home_, load);
    }
}

void Balancer::spread(Load& load) {
    for (const auto& [tid, thread] : zone_.threads) {
        if (thread->at_event || thread->computing < kEnoughLooks) continue;
        const u16 to = least(load, thread->affinity);
        if (load.running[to] + 1 < load.running[thread->cpu]) move(*thread, to, load);
    }
}

void Balancer::look() {
    Load now = load();
    const u32 before = now.running[home_];
    bring_back(now);
    for (const auto& [tid, thread] : zone_.threads) {
        const bool ran = !thread->at_event || thread->events != 0;
        const bool computes = ran && used(*thread) > (thread->events + 1) * kComputes;
        thread->computing = computes ? thread->computing + 1 : 0;
        thread->events = 0;
        if (ran) thread->time_at_look = thread->cpu_time();
    }
    spread(now);
    bool any = before > 1;
    for (u32 cpu = 0; cpu < cpus_; ++cpu) any |= cpu != home_ && now.running[cpu] != 0;
    watching_ = any;
    if (any) timer_.arm(zone_.now() + kPeriod);
}

}  // namespace pith::lx
