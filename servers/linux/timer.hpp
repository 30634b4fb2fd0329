// SPDX-License-Identifier: MIT
// Timers of the server: callbacks at a time, from the event loop. A Timer disarms itself when destroyed.
#pragma once

#include <vector>

#include "abi/types.hpp"

namespace pith::lx {

using abi::Time;
class TimerQueue;

class Timer {
  public:
    using Callback = void (*)(Timer&);
    explicit Timer(Callback callback) : callback_(callback) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }
    /// Calls back once at `deadline` (nanoseconds since boot). Arming again moves it.
    void arm(TimerQueue& queue, Time deadline);
    void cancel();
    bool armed() const { return queue_ != nullptr; }
    Time deadline() const { return deadline_; }

  private:
    friend class TimerQueue;
    TimerQueue* queue_ = nullptr;
    Time deadline_ = 0;
    usize index_ = 0;  ///< in the queue's heap
    Callback callback_;
};

/// A binary heap by deadline.
class TimerQueue {
  public:
    /// 0 if there is none.
    Time next() const { return heap_.empty() ? 0 : heap_.front()->deadline_; }
    /// Calls back all whose deadline is not after `now`.
    void expire(Time now);

  private:
    friend class Timer;
    void insert(Timer& timer);
    void erase(Timer& timer);
    void sift_up(usize index);
    void sift_down(usize index);
    void place(usize index, Timer* timer);
    std::vector<Timer*> heap_;
};

}  // namespace pith::lx
