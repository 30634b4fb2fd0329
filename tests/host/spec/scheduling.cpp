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
    u8 priority = t.lender != kNone ? priority_of(t.lender, path) : t.priority;
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
    for (u32 depth = 0; depth < kLongestChain && as<Thread>(id).lender != kNone; depth++)
        id = as<Thread>(id).lender;
    return as<Thread>(id).budget;
}

std::set<Id> System::may_run(u32 cpu, const std::function<bool(Id budget)>& spent) const {
    std::set<Id> best, unspecified;
    i32 priority = -1;
    for (const auto& [id, object] : objects) {
        if (object.type != ObjectType::thread) continue;
        const auto& t = std::get<Thread>(object.body);
        if (t.cpu != cpu || t.state != State::ready || t.stopped) continue;
        // On the lent Budget, or else to finish on its own reserve.
        auto usable = [&](Id budget) {
            return budget != kNone && (as<Budget>(budget).parameters.cpus >> cpu & 1) != 0 && !spent(budget);
        };
        if (!usable(paying_budget(id)) && !usable(t.budget)) continue;
        if (in_circle(id)) {
            unspecified.insert(id);
            continue;
        }
        i32 own = effective_priority(id);
        if (own < priority) continue;
        if (own > priority) best.clear();
        priority = own;
        best.insert(id);
    }
    best.merge(unspecified);
    return best;
}

}  // namespace pith::spec
