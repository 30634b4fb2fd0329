// SPDX-License-Identifier: MIT
// Signal: notification and waiting. Bits are set before the waiter's CPU is locked, and a thread that goes to
// wait looks at the bits under that lock: so one of the two sees the other. Modelled in tests/models/signal.pml.
#include "kernel/core/signal.hpp"

#include "kernel/core/ipc.hpp"

namespace pith::core {
namespace {

bool waits_here(const Thread& thread, const Signal& signal) {
    return thread.state == State::waiting_signal && thread.waiting_on == &signal;
}

}  // namespace

bool Signal::notify(u64 bits, bool may_switch) {
    bits_.fetch_or(bits, std::memory_order_seq_cst);
    bool switched = false;
    Guard guard(lock_);
    if (Thread* thread = waiter_; thread != nullptr) {
        ThreadLock locked(*thread);
        const u64 wanted = bits_.load(std::memory_order_relaxed) & thread->wait_mask;
        if (waits_here(*thread, *this) && wanted != 0) {
            thread->waiting_on = thread->waiting_signal = nullptr;
            waiter_ = nullptr;
            stop_timer_locked(*thread);
            thread->frame.set_result(Error::ok, take(wanted), 0, 0);
            switched = wake_locked(*thread, may_switch);
        }
    }
    if (Thread* thread = bound_; thread != nullptr && pending()) {
        ThreadLock locked(*thread);
        if (thread->state == State::receiving && deliver_signal_locked(*thread))
            switched |= wake_locked(*thread, may_switch && !switched);
    }
    return switched;
}

[[clang::minsize]] Result<u64> Signal::wait(Thread& thread, u64 mask, abi::Time deadline) {
    if (Signal* before = thread.waiting_signal; before != nullptr && before != this)
        before->forget_waiter(thread);
    Guard guard(lock_);
    if (dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    if (waiter_ != nullptr && waiter_ != &thread) {
        ThreadLock locked(*waiter_);
        if (waits_here(*waiter_, *this)) return Error::busy;
        waiter_->waiting_signal = nullptr;
    }
    ThreadLock locked(thread);
    if (const u64 got = take(mask); got != 0) return got;
    if (deadline != abi::kNoDeadline && deadline <= arch::now()) return Error::timed_out;
    waiter_ = &thread;
    thread.waiting_signal = this;
    thread.waiting_on = this;
    thread.wait_mask = mask;
    thread.state = State::waiting_signal;
    start_timer_locked(thread, deadline);
    this_cpu().reschedule = true;
    return kNoResult;
}

[[clang::minsize]] Result<> Signal::bind(Thread& thread) {
    Guard guard(lock_);
    if (dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    if (bound_ != nullptr && bound_ != &thread) return Error::busy;
    bound_ = &thread;
    ThreadLock locked(thread);
    thread.bound = this;
    if (thread.state == State::receiving && deliver_signal_locked(thread)) make_ready_locked(thread);
    return {};
}

[[clang::minsize]] void Signal::unbind(Thread& thread) {
    Guard guard(lock_);
    if (bound_ == &thread) bound_ = nullptr;
    ThreadLock locked(thread);
    if (thread.bound == this) thread.bound = nullptr;
}

void Signal::forget_waiter(Thread& thread) {
    Guard guard(lock_);
    if (waiter_ != &thread) return;
    waiter_ = nullptr;
    thread.waiting_signal = nullptr;
}

[[clang::minsize]] void Signal::sever() {
    Thread* waiter;
    Wait wait;
    {
        Guard guard(lock_);
        waiter = waiter_;
        waiter_ = nullptr;
        if (Thread* thread = bound_; thread != nullptr) {
            ThreadLock locked(*thread);
            thread->bound = nullptr;
            bound_ = nullptr;
        }
        if (waiter == nullptr) return;
        ThreadLock locked(*waiter);
        waiter->waiting_signal = nullptr;
        if (!waits_here(*waiter, *this)) return;
        wait = wait_of(*waiter);
    }
    withdraw(*waiter, wait, Error::cancelled, State::ready);
}

}  // namespace pith::core
