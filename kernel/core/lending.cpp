// SPDX-License-Identifier: MIT
// Lending of Budgets and priorities along calls, and help from those who queue. `priority`, `payer` and
// `depth` of a thread follow from its lender, and from the first of the callers that wait for it; whoever
// changes one of these recomputes what depends on it, link by link, one CPU's lock at a time.
#include "kernel/core/ipc.hpp"

namespace pith::core {
namespace {

constexpr u32 kMaxLinks = 32;

/// The first caller that queues for this busy receiver, or null.
Thread* helper_of(Thread& thread) {
    if (thread.registered == nullptr || thread.state == State::receiving) return nullptr;
    Endpoint::Part& part = thread.registered->parts[thread.cpu];
    return part.registered.front() == &thread ? part.callers.front() : nullptr;
}

bool has_funds(Thread& thread, u32 cpu) {
    Budget* budget = budget_of(thread);
    abi::Time refill = 0;
    return budget != nullptr && budget->allows_cpu(cpu) &&
           (budget->unlimited() || budget->available(arch::now(), refill) != 0);
}

bool queued(const Thread& thread) {
    return thread.state == State::queued_call || thread.state == State::queued_send ||
           thread.state == State::queued_event;
}

u32 locks_for(const Thread& thread) {
    u32 mask = cpu_bit(thread.cpu);
    if (queued(thread)) mask |= cpu_bit(thread.queue_cpu);
    return mask;
}

/// Moves a queued caller to where its new priority belongs.
void reposition_locked(Thread& caller) REQUIRES(thread_locks) {
    Endpoint& endpoint = *caller.endpoint;
    const u32 part = caller.queue_cpu;
    const State state = caller.state;
    dequeue_caller_locked(caller);
    caller.state = state;
    enqueue_caller_locked(endpoint, part, caller);
}

}  // namespace

void recompute_locked(Thread& thread) {
    u8 priority = thread.base_priority;
    Thread* payer = &thread;
    u8 depth = 0;
    if (Thread* lender = thread.lender; lender != nullptr) {
        depth = static_cast<u8>(lender->depth + 1);
        if (!thread.on_reserve) {
            priority = lender->priority;
            payer = lender->payer;
        }
    }
    if (Thread* helper = helper_of(thread); helper != nullptr) {
        const bool higher = helper->priority > priority;
        if (helper->cpu == thread.cpu && !thread.on_reserve) {
            // Never a Budget without time in place of one with some: no client stops a server.
            thread.payer = payer;
            if (!has_funds(thread, thread.cpu) || (higher && has_funds(*helper, thread.cpu)))
                payer = helper->payer;
        }
        if (higher) priority = helper->priority;
    } else if (thread.lender == nullptr) {
        thread.on_reserve = false;
    }
    const bool new_payer = thread.payer != payer || thread.parked;
    thread.payer = payer;
    thread.depth = depth;
    set_priority_locked(thread, priority);
    if (!new_payer || thread.state != State::ready) return;
    if (thread.parked) {
        unqueue_locked(thread);
        make_ready_locked(thread);
    }
    if (cpus[thread.cpu].area.current == &thread) kick(thread.cpu);
}

void propagate(Thread& start) {
    Thread* thread = &start;
    for (u32 link = 0; link < kMaxLinks && thread != nullptr;) {
        const u32 mask = locks_for(*thread);
        CpuLocks locks(mask);
        if (locks_for(*thread) != mask) continue;
        const u8 before = thread->priority;
        recompute_locked(*thread);
        Thread* next = thread->borrower;
        if (next == nullptr && queued(*thread)) {
            if (thread->priority != before) reposition_locked(*thread);
            next = thread->endpoint->parts[thread->queue_cpu].registered.front();
        }
        thread = next;
        link++;
    }
}

void lend_locked(Thread& lender, Thread& borrower) {
    borrower.on_reserve = false;
    if (lender.depth < Thread::kMaxDepth) {
        borrower.lender = &lender;
        lender.borrower = &borrower;
    }
    recompute_locked(borrower);
}

void unlend_locked(Thread& borrower) {
    if (borrower.lender != nullptr) borrower.lender->borrower = nullptr;
    borrower.lender = nullptr;
    borrower.on_reserve = false;
    recompute_locked(borrower);
}

}  // namespace pith::core
