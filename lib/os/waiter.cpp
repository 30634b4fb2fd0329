// SPDX-License-Identifier: MIT
// The timer queue: a pairing heap whose links live in the timers; and the ready list.
#include "lib/os/waiter.hpp"

#include "lib/os/thread_context.hpp"

namespace pith {

void Timer::arm(abi::Time deadline) {
    cancel();
    thread_context().timers.insert(*this, deadline);
}

void Timer::cancel() {
    if (queue_ != nullptr) queue_->remove(*this);
}

Timer* TimerQueue::merge(Timer* a, Timer* b) {
    if (a == nullptr) return b;
    if (b == nullptr) return a;
    if (b->deadline_ < a->deadline_) {
        Timer* swap = a;
        a = b;
        b = swap;
    }
    b->next_ = a->child_;
    if (b->next_ != nullptr) b->next_->link_ = &b->next_;
    a->child_ = b;
    b->link_ = &a->child_;
    return a;
}

Timer* TimerQueue::merge_pairs(Timer* first) {
    // First pass: pairs from left to right, stacked; second: merge the stack.
    Timer* stack = nullptr;
    while (first != nullptr) {
        Timer* a = first;
        Timer* b = a->next_;
        first = b == nullptr ? nullptr : b->next_;
        a->next_ = nullptr;
        if (b != nullptr) b->next_ = nullptr;
        Timer* pair = merge(a, b);
        pair->next_ = stack;
        stack = pair;
    }
    Timer* result = nullptr;
    while (stack != nullptr) {
        Timer* rest = stack->next_;
        stack->next_ = nullptr;
        result = merge(result, stack);
        stack = rest;
    }
    return result;
}

void TimerQueue::set_root(Timer* timer) {
    root_ = timer;
    if (timer != nullptr) {
        timer->link_ = &root_;
        timer->next_ = nullptr;
    }
}

void TimerQueue::insert(Timer& timer, abi::Time deadline) {
    timer.deadline_ = deadline;
    timer.queue_ = this;
    timer.child_ = timer.next_ = nullptr;
    set_root(merge(root_, &timer));
}

void TimerQueue::remove(Timer& timer) {
    *timer.link_ = timer.next_;
    if (timer.next_ != nullptr) timer.next_->link_ = timer.link_;
    timer.next_ = nullptr;
    Timer* orphans = merge_pairs(timer.child_);
    timer.child_ = nullptr;
    timer.queue_ = nullptr;
    set_root(merge(root_, orphans));
}

void TimerQueue::run(abi::Time time) {
    while (root_ != nullptr && root_->deadline_ <= time) {
        Timer& due = *root_;
        remove(due);
        due.fire_(due);
    }
}

void run_ready() {
    // Each round takes what is ready now; what they make ready comes in the next receive's round or here:
    // there is no other source, so this ends when all are waiting.
    WaiterList& ready = thread_context().ready;
    while (Waiter* waiter = ready.pop()) waiter->coroutine.resume();
}

}  // namespace pith
