// SPDX-License-Identifier: MIT
// Heartbeats. Every period it is looked what each component does. One whose first thread waits for messages serves. Any other one is pinged, and
// answers from its event loop. One that has not answered after kSpinChecks further looks, and has used that many periods of CPU time, spins; one
// that was not waiting for the CPU at any of kStuckChecks looks is stuck (longer if it waits for another server's answer, which may be the one to
// blame). One that just gets no CPU is not to blame; and as looks are counted, and not time, neither is one that the whole machine's
// standing still has kept from it. Nobody is woken up for nothing: one that waits is not pinged but now and then, and who has done nothing is
// looked at more seldom.
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr u64 kSpinChecks = 3;
constexpr u64 kStuckChecks = 8;
constexpr u64 kCallingChecks = 20;
constexpr u64 kQuietPeriods = 5;    // between looks at one that has done nothing
constexpr u32 kUnpingedChecks = 8;  // looks at one that waits, until it is pinged all the same
constexpr abi::Time kTrialCheck = 2 * kMillisecond;
constexpr abi::Time kHoldRetry = kSecond;

}  // namespace

void System::watch(u32 number, abi::Time time) {
    const ComponentRecord& r = record(number);
    if (r.update == UpdateState::trial) {
        watch_trial(number, time);
        if (r.state != ComponentState::running) return;
    }
    const u64 period = component(number).heartbeat;
    Life& life = lives_[number];
    if (period == 0 || life.next_check > time) return;
    note_recovery(number);
    // At multiples of the period, so that one wake-up of ours is for all.
    life.next_check = (time / period + 1) * period;
    auto info = Borrowed<Thread>(r.thread).thread_info();
    if (!info.ok()) return died(number, "its thread is gone");
    const auto state = static_cast<abi::ThreadState>(info->state);
    if (state == abi::ThreadState::dead) return died(number, "its thread ended");
    if (Borrowed<Signal>(r.pong).poll(~u64{0}) != 0) life.pings = 0;
    if (life.pings == 0) {
        const bool waits = state == abi::ThreadState::receiving;
        if (waits && info->cpu_time == life.cpu_at_ping) life.next_check += (kQuietPeriods - 1) * period;
        life.cpu_at_ping = info->cpu_time;
        if (waits && life.quiet++ < kUnpingedChecks) return;
        life.quiet = 0;
    } else {
        const bool wants_cpu = state == abi::ThreadState::ready || state == abi::ThreadState::running;
        if (wants_cpu && life.pings >= kSpinChecks &&
            info->cpu_time - life.cpu_at_ping >= kSpinChecks * period)
            return died(number, "hangs: no heartbeat");
        if (!wants_cpu) life.stuck++;
        if (life.stuck >= (state == abi::ThreadState::calling ? kCallingChecks : kStuckChecks))
            return died(number, "is stuck: no heartbeat");
    }
    if (life.pings++ == 0) life.stuck = 0;
    static_cast<void>(Borrowed<Signal>(r.signal).notify(kSignalPing));
}

void System::note_recovery(u32 number) {
    ComponentRecord& r = records_->components[number];
    if (r.died_at == 0 || r.state != ComponentState::running) return;
    const Mapping page = life_page(number);
    if (!page.valid()) return;
    const abi::Time serving = page.as<const LifeRecord>(kLifeRecordOffset)->serving;
    if (serving < r.started || serving > now()) return;
    r.recovery = serving - r.died_at;
    r.died_at = 0;
}

/// The earliest time at which something has to be done; kNoDeadline: never.
abi::Time System::next_action() const {
    abi::Time next = abi::kNoDeadline;
    const auto consider = [&next](abi::Time time) {
        if (next == abi::kNoDeadline || time < next) next = time;
    };
    for (u32 i = 0; i < count(); i++) {
        const ComponentRecord& r = record(i);
        if (r.state == ComponentState::waiting) consider(r.restart_at);
        if (unanswered(i)) consider(now() + kHoldRetry);
        if (r.state != ComponentState::running) continue;
        if (component(i).heartbeat != 0) consider(lives_[i].next_check);
        if (r.update == UpdateState::trial) consider(r.healthy == 0 ? now() + kTrialCheck : r.trial_end);
    }
    return next;
}

}  // namespace pith::supervisor
