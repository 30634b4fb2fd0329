// SPDX-License-Identifier: MIT
// How long the host is waited for: a disk's requests, what a program gets only when the host has done something. Whoever gives up on that after a
// while takes the while from here:
//
//   const HostDeadline deadline(10 * kSecond);
//   while (!there() && !deadline.passed()) loop.run_once(deadline.time());
//
// Where the clock skips idle time (--icount), it leaps to the next timer as soon as all CPUs wait: a minute is over before the host has had a
// moment, and there is no other time that would say how long it has had. There the host is waited for without end. Times that are
// not the host's (a component's heartbeat, the answer of a driver that only computes) are the clock's everywhere.
#pragma once

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

/// The clock skips idle time: it says nothing about how long the host has had.
inline bool clock_skips() { return (start_info().flags & kStartClockSkips) != 0; }

/// When the host has had enough time. A default one never passes.
class HostDeadline {
  public:
    HostDeadline() = default;
    /// In `patience` nanoseconds from now.
    explicit HostDeadline(abi::Time patience) : time_(clock_skips() ? abi::kNoDeadline : now() + patience) {}
    bool passed() const { return time_ != abi::kNoDeadline && now() >= time_; }
    /// For calls and waits that take a deadline.
    abi::Time time() const { return time_; }

  private:
    abi::Time time_ = abi::kNoDeadline;
};

}  // namespace pith
