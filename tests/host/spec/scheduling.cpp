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

/// The thread's own priority, or a higher one of a caller that it serves, of one who queues for it, or of theirs.
u8 System::effective_priority(Id thread) const {
    u8 highest = 0;
    std::set<Id> seen;
    std::vector<Id> frontier{thread};
    for (u32 depth = 0; depth < kLongestChain && !frontier.empty(); depth++) {
        std::vector<Id> next;
        for (Id id : frontier) {
            if (!seen.insert(id).second) continue;
            const auto& t = as<Thread>(id);
            highest = std::max(highest, t.priority);
            if (t.current != kNone) next.push_back(t.current);
        }
        frontier = std::move(next);
    }
    return highest;
}

/// Its caller's, or the caller's caller's; its own where no caller has one.
Id System::paying_budget(Id thread) const {
    Id id = thread;
    for (u32 depth = 0; depth < kLongestChain && as<Thread>(id).current != kNone; depth++) id = as<Thread>(id).current;
    Id lent = as<Thread>(id).budget;
    return lent != kNone ? lent : as<Thread>(thread).budget;
}

std::set<Id> System::may_run(u32 cpu, const std::function<bool(Id budget)>& spent) const {
    std::set<Id> best;
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
        i32 own = effective_priority(id);
        if (own < priority) continue;
        if (own > priority) best.clear();
        priority = own;
        best.insert(id);
    }
    return best;
}

}  // namespace pith::spec
