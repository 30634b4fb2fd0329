// SPDX-License-Identifier: MIT
// Scheduling: at which priority and on whose Budget a thread runs, and who may be the running thread of a CPU.
//
// A server works at its client's priority and on its client's time; a client that has to queue lends its priority to
// the receiver that keeps it waiting, along the chain of calls that this one is in. Among equals it is round robin;
// which of them runs at an instant is not specified here.
#include <algorithm>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {
constexpr u32 kLongestChain = 32;
}  // namespace

/// The first in the queue of the Endpoint that this busy thread, first of its CPU's receivers there, keeps waiting.
Id System::helper_of(Id thread, Path path) const {
    const auto& t = as<Thread>(thread);
    if (t.registered == kNone || t.state == State::receiving) return kNone;
    const auto& e = as<Endpoint>(t.registered);
    auto first = std::ranges::find_if(e.registered, [&](Id id) { return as<Thread>(id).cpu == t.cpu; });
    if (first == e.registered.end() || *first != thread) return kNone;
    Id helper = kNone;
    for (Id id : e.senders)
        if (as<Thread>(id).part == t.cpu &&
            (helper == kNone || priority_of(id, path) > priority_of(helper, path)))
            helper = id;
    return helper;
}

/// A client's priority while it works for one, else its own; and at least that of whoever it keeps waiting.
u8 System::priority_of(Id thread, Path path) const {
    const auto& t = as<Thread>(thread);
    if (path.size() >= kLongestChain || !path.insert(thread).second) {
        circle_ = true;
        return t.priority;
    }
    u8 priority = t.lender != kNone && !t.on_reserve ? priority_of(t.lender, path) : t.priority;
    if (Id helper = helper_of(thread, path); helper != kNone)
        priority = std::max(priority, priority_of(helper, path));
    return priority;
}

u8 System::effective_priority(Id thread) const { return priority_of(thread, {}); }

bool System::in_circle(Id thread) const {
    circle_ = false;
    priority_of(thread, {});
    return circle_;
}

/// Its client's, or the client's client's; its own where none has lent one.
Id System::paying_budget(Id thread) const {
    Id id = thread;
    for (u32 depth = 0; depth < kLongestChain; depth++) {
        const auto& t = as<Thread>(id);
        if (t.lender == kNone || t.on_reserve) break;
        id = t.lender;
    }
    return as<Thread>(id).budget;
}

/// Whether a thread may run on this Budget on that CPU now.
bool System::usable(Id budget, u32 cpu, const std::function<bool(Id budget)>& spent) const {
    return budget != kNone && (as<Budget>(budget).parameters.cpus >> cpu & 1) != 0 && !spent(budget);
}

bool System::enter_reserve(Id thread, const std::function<bool(Id budget)>& spent) {
    auto& t = as<Thread>(thread);
    if (t.lender == kNone || usable(paying_budget(thread), t.cpu, spent)) return false;
    t.on_reserve = true;
    return true;
}

Runnable System::may_run(u32 cpu, const std::function<bool(Id budget)>& spent) const {
    Runnable result;
    std::set<Id> unspecified;
    i32 priority = -1;
    for (const auto& [id, object] : objects) {
        if (object.type != ObjectType::thread) continue;
        const auto& t = std::get<Thread>(object.body);
        if (t.cpu != cpu || t.state != State::ready || t.stopped) continue;
        // On the lent Budget, or else to finish on its own reserve.
        bool pays = usable(paying_budget(id), cpu, spent) || usable(t.budget, cpu, spent);
        // Who waits for it in the same CPU's queue helps it out, or with a lower priority does not.
        Id helper = helper_of(id, {});
        bool helped = helper != kNone && as<Thread>(helper).cpu == cpu &&
                      usable(paying_budget(helper), cpu, spent);
        if (!pays && !helped) continue;
        if (in_circle(id) || !pays) {
            unspecified.insert(id);
            continue;
        }
        result.somebody = true;
        i32 own = effective_priority(id);
        if (own < priority) continue;
        if (own > priority) result.threads.clear();
        priority = own;
        result.threads.insert(id);
    }
    result.threads.merge(unspecified);
    return result;
}

void System::overrun(Id budget) {
    const auto& b = as<Budget>(budget);
    if (b.signal != kNone) signal(b.signal, b.parameters.signal_bits);
}

}  // namespace pith::spec
