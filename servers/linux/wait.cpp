// SPDX-License-Identifier: MIT
#include "servers/linux/wait.hpp"

#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

void WaitEntry::leave() {
    if (queue_ == nullptr) return;
    if (queue_->cursor_ == this) queue_->cursor_ = next_;
    (previous_ != nullptr ? previous_->next_ : queue_->first_) = next_;
    (next_ != nullptr ? next_->previous_ : queue_->last_) = previous_;
    queue_ = nullptr;
    next_ = previous_ = nullptr;
}

WaitQueue::~WaitQueue() {
    while (first_ != nullptr) first_->leave();
}

void WaitQueue::add(WaitEntry& entry) {
    entry.leave();
    entry.queue_ = this;
    entry.previous_ = last_;
    entry.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &entry;
    last_ = &entry;
}

bool WaitQueue::wake(u32 events, u32 exclusive) {
    WaitEntry* const last = last_;
    bool woken = false;
    for (WaitEntry* entry = first_; entry != nullptr; entry = cursor_) {
        cursor_ = entry == last ? nullptr : entry->next_;
        const bool is_exclusive = entry->exclusive_;
        if (is_exclusive && exclusive == 0) continue;
        const bool took = entry->callback_(*entry, events);
        if (is_exclusive && took) --exclusive;
        woken = woken || took;
    }
    cursor_ = nullptr;
    return woken;
}

Sleep::Sleep(Thread& thread, Time deadline, Interruptible interruptible)
    : thread_(thread), deadline_(deadline), interruptible_(interruptible) {}

Sleep::~Sleep() {
    if (thread_.sleep == this) thread_.sleep = nullptr;
}

bool Sleep::finish(Errno result) {
    if (woken_) return false;
    woken_ = true;
    result_ = result;
    if (!waiting_) return true;
    waiting_ = false;
    timer_.cancel();
    make_ready(waiter_);
    return true;
}

void Sleep::interrupt(bool death) {
    if (death || interruptible_ == Interruptible::signals) finish(Errno::ERESTARTSYS);
}

bool Sleep::await_ready() {
    if (woken_) return true;
    if (thread_.dying || (interruptible_ == Interruptible::signals && thread_.signal_pending())) {
        finish(Errno::ERESTARTSYS);
        return true;
    }
    if (deadline_ != 0 && thread_.zone().now() >= deadline_) {
        finish(Errno::ETIMEDOUT);
        return true;
    }
    return false;
}

void Sleep::await_suspend(std::coroutine_handle<> handle) {
    waiter_.coroutine = handle;
    waiting_ = true;
    thread_.sleep = this;
    ++thread_.usage.voluntary;
    if (deadline_ != 0) timer_.arm(deadline_);
}

SysResult<> Sleep::await_resume() {
    if (thread_.sleep == this) thread_.sleep = nullptr;
    woken_ = false;
    const Errno result = result_;
    result_ = Errno::ok;
    if (result == Errno::ok) return {};
    return result;
}

}  // namespace pith::lx
