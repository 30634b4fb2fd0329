// SPDX-License-Identifier: MIT
// The building blocks of waiting: coroutines in intrusive lists, and a queue of timers (an intrusive pairing
// heap). Nothing here allocates. All of it belongs to one thread.
#pragma once

#include <coroutine>

#include "abi/types.hpp"

namespace pith {

/// A suspended coroutine in at most one list.
class Waiter {
  public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { unlink(); }
    bool linked() const { return next_ != nullptr; }
    void unlink() {
        if (next_ == nullptr) return;
        next_->previous_ = previous_;
        previous_->next_ = next_;
        next_ = previous_ = nullptr;
    }
    std::coroutine_handle<> coroutine;

  private:
    friend class WaiterList;
    Waiter* next_ = nullptr;
    Waiter* previous_ = nullptr;
};

/// First in, first out.
class WaiterList {
  public:
    WaiterList() { head_.next_ = head_.previous_ = &head_; }
    WaiterList(const WaiterList&) = delete;
    WaiterList& operator=(const WaiterList&) = delete;
    ~WaiterList() {
        while (pop() != nullptr) {}
        head_.next_ = nullptr;
    }
    bool empty() const { return head_.next_ == &head_; }
    void push(Waiter& waiter) {
        waiter.unlink();
        waiter.previous_ = head_.previous_;
        waiter.next_ = &head_;
        head_.previous_->next_ = &waiter;
        head_.previous_ = &waiter;
    }
    Waiter* pop() {
        if (empty()) return nullptr;
        Waiter* first = head_.next_;
        first->unlink();
        return first;
    }

  private:
    Waiter head_;
};

/// Calls `fire` once, when its deadline has passed. Cancelled by its destructor.
class Timer {
  public:
    using Function = void (*)(Timer&);
    Timer() = default;
    explicit Timer(Function function) : fire_(function) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }
    bool armed() const { return queue_ != nullptr; }
    abi::Time deadline() const { return deadline_; }
    /// (Re)arms it in the calling thread's queue.
    void arm(abi::Time deadline);
    void cancel();

  private:
    friend class TimerQueue;
    Function fire_ = nullptr;
    abi::Time deadline_ = 0;
    class TimerQueue* queue_ = nullptr;
    Timer* child_ = nullptr;
    Timer* next_ = nullptr;
    Timer** link_ = nullptr;  // what points at this timer
};

/// The timers of a thread.
class TimerQueue {
  public:
    void insert(Timer& timer, abi::Time deadline);
    void remove(Timer& timer);
    /// The earliest deadline; kNoDeadline: there is none.
    abi::Time next() const { return root_ == nullptr ? abi::kNoDeadline : root_->deadline_; }
    /// Fires everything that is due at `time`.
    void run(abi::Time time);

  private:
    static Timer* merge(Timer* a, Timer* b);
    static Timer* merge_pairs(Timer* first);
    void set_root(Timer* timer);
    Timer* root_ = nullptr;
};

}  // namespace pith
