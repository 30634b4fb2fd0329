// SPDX-License-Identifier: MIT
// DeadlineKeeper: a thread that waits for an event loop's far deadlines, so that the loop can receive without one: a receive with a deadline
// is not on the kernel's fast path, and a server that always has some timer pending would pay for it with every message. The loop itself waits for what is
// near. So that timers which are set again and again (the time-outs of a program's poll) don't wake the thread each time, it is told of deadlines
// cut to multiples of kStep, and not told when one is cancelled: it then wakes the loop for nothing.
#pragma once

#include <atomic>

#include "lib/os/thread.hpp"

namespace pith {

class DeadlineKeeper {
  public:
    /// Deadlines nearer than that are the loop's own; those of the thread are multiples of it. Nanoseconds.
    static constexpr abi::Time kStep = 1'000'000;

    DeadlineKeeper() = default;
    DeadlineKeeper(const DeadlineKeeper&) = delete;
    DeadlineKeeper& operator=(const DeadlineKeeper&) = delete;

    /// Starts the thread, from `pool`, with `options.priority` and on `options.cpu`; `bit` of `signal` is notified when a deadline has come.
    Result<> start(const Handle<Pool>& pool, const Handle<Signal>& signal, u64 bit, ThreadOptions options);
    bool started() const { return thread_.valid(); }

    /// What the loop has to pass to its receive so as to wake in time for `next`, its earliest deadline; kNoDeadline: nothing, it is kept here.
    abi::Time keep(abi::Time next) {
        // What is kept comes first, or is far enough behind `next` to be of no use: the loop is woken at the former, and asks again.
        if (next == abi::kNoDeadline || kept_.load(std::memory_order_relaxed) <= next)
            return abi::kNoDeadline;
        return keep_earlier(next);
    }

  private:
    [[noreturn]] static void run(void* self);
    abi::Time keep_earlier(abi::Time next);

    static constexpr abi::Time kNone = ~abi::Time{0};
    std::atomic<abi::Time> kept_ = kNone;  ///< what the thread waits for; made kNone by it when it has come
    const Handle<Signal>* signal_ = nullptr;
    u64 bit_ = 0;
    Handle<Signal> changed_;  ///< tells the thread of another deadline
    NativeThread thread_;     ///< destroyed first
};

}  // namespace pith
