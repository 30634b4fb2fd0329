// SPDX-License-Identifier: MIT
// A thread that made more than kChatty events since the last look talks, one that made less than kQuiet computes (or
// waits for its CPU); in between it stays where it is.
#include "servers/linux/balancer.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "lib/os/handle.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kPeriod = 10 * kMillisecond;
constexpr u32 kChatty = 40, kQuiet = 10;

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
        if (thread->cpu != home_ && thread->events > kChatty && allows(thread->affinity, home_))
            move(*thread, home_, load);
    }
}

void Balancer::spread(Load& load) {
    for (const auto& [tid, thread] : zone_.threads) {
        if (thread->at_event || thread->events >= kQuiet) continue;
        const u16 to = least(load, thread->affinity);
        if (load.running[to] + 1 < load.running[thread->cpu]) move(*thread, to, load);
    }
}

void Balancer::look() {
    Load now = load();
    const u32 before = now.running[home_];
    bring_back(now);
    spread(now);
    bool any = before > 1;
    for (u32 cpu = 0; cpu < cpus_; ++cpu) any |= cpu != home_ && now.running[cpu] != 0;
    for (const auto& [tid, thread] : zone_.threads) thread->events = 0;
    watching_ = any;
    if (any) timer_.arm(zone_.now() + kPeriod);
}

}  // namespace pith::lx
