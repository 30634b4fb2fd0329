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

void WaitQueue::wake(u32 events, u32 exclusive) {
    WaitEntry* const last = last_;
    for (WaitEntry* entry = first_; entry != nullptr; entry = cursor_) {
        cursor_ = entry == last ? nullptr : entry->next_;
        if (entry->exclusive_) {
            if (exclusive == 0) continue;
            --exclusive;
        }
        entry->callback_(*entry, events);
    }
    cursor_ = nullptr;
}

Sleep::Sleep(Thread& thread, Time deadline, Interruptible interruptible)
    : thread_(thread), deadline_(deadline), interruptible_(interruptible) {}

Sleep::~Sleep() {
    if (thread_.sleep == this) thread_.sleep = nullptr;
    if (handle_ && !waiting_) thread_.zone().ready.remove(*this);
}

void Sleep::finish(Errno result) {
    if (woken_) return;
    woken_ = true;
    result_ = result;
    if (!waiting_) return;
    waiting_ = false;
    timer_.cancel();
    thread_.zone().ready.add(*this);
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
    handle_ = handle;
    waiting_ = true;
    thread_.sleep = this;
    ++thread_.usage.voluntary;
    if (deadline_ != 0) timer_.arm(thread_.zone().timers, deadline_);
}

SysResult<> Sleep::await_resume() {
    if (thread_.sleep == this) thread_.sleep = nullptr;
    handle_ = nullptr;
    woken_ = false;
    const Errno result = result_;
    result_ = Errno::ok;
    if (result == Errno::ok) return {};
    return result;
}

void ReadyList::add(Sleep& sleep) {
    sleep.ready_next_ = nullptr;
    (last_ != nullptr ? last_->ready_next_ : first_) = &sleep;
    last_ = &sleep;
}

void ReadyList::remove(Sleep& sleep) {
    Sleep* previous = nullptr;
    for (Sleep* at = first_; at != nullptr; previous = at, at = at->ready_next_) {
        if (at != &sleep) continue;
        (previous != nullptr ? previous->ready_next_ : first_) = at->ready_next_;
        if (last_ == at) last_ = previous;
        return;
    }
}

bool ReadyList::run() {
    Sleep* list = first_;
    if (list == nullptr) return false;
    Sleep* const last = last_;
    while (true) {
        Sleep* const sleep = first_;
        first_ = sleep->ready_next_;
        if (first_ == nullptr) last_ = nullptr;
        const bool end = sleep == last;
        const std::coroutine_handle<> handle = sleep->handle_;
        sleep->handle_ = nullptr;
        handle.resume();
        // A resumed coroutine may have destroyed other sleeps of the list, `last` among them.
        if (end || first_ == nullptr) return true;
    }
}

}  // namespace pith::lx
