// SPDX-License-Identifier: MIT
// Heartbeats. A component answers pings from its event loop. One that does not is ended when it has used
// three periods of CPU time since the ping (it spins), or when ten periods have passed while it was not
// waiting for the CPU (it is stuck). One that just gets no CPU is not to blame.
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr u64 kSpinPeriods = 3;
constexpr u64 kStuckPeriods = 10;

}  // namespace

void System::watch(u32 number, abi::Time time) {
    const u64 period = component(number).heartbeat;
    Life& life = lives_[number];
    if (period == 0 || life.next_ping > time) return;
    const ComponentRecord& r = record(number);
    life.next_ping = time + period;
    auto info = Borrowed<Thread>(r.thread).thread_info();
    if (!info.ok()) return died(number, "its thread is gone");
    if (Borrowed<Signal>(r.pong).poll(~u64{0}) != 0) life.pings = 0;
    if (life.pings != 0) {
        const auto state = static_cast<abi::ThreadState>(info->state);
        if (state == abi::ThreadState::dead || state == abi::ThreadState::stopped)
            return died(number, "its thread ended");
        const bool wants_cpu = state == abi::ThreadState::ready || state == abi::ThreadState::running;
        if (info->cpu_time - life.cpu_at_ping >= kSpinPeriods * period)
            return died(number, "hangs: no heartbeat");
        if (!wants_cpu && time - life.pinged >= kStuckPeriods * period)
            return died(number, "is stuck: no heartbeat");
    } else {
        life.pinged = time;
        life.cpu_at_ping = info->cpu_time;
    }
    life.pings++;
    static_cast<void>(Borrowed<Signal>(r.signal).notify(kSignalPing));
}

/// The earliest time at which something has to be done; kNoDeadline: never.
abi::Time System::next_action() const {
    abi::Time next = abi::kNoDeadline;
    for (u32 i = 0; i < count(); i++) {
        abi::Time time = abi::kNoDeadline;
        if (record(i).state == ComponentState::waiting) time = record(i).restart_at;
        else if (record(i).state == ComponentState::running && component(i).heartbeat != 0)
            time = lives_[i].next_ping;
        if (time != abi::kNoDeadline && (next == abi::kNoDeadline || time < next)) next = time;
    }
    return next;
}

}  // namespace pith::supervisor
