// SPDX-License-Identifier: MIT
// lwIP's timers. Each has its period, but nobody wakes up for one that has nothing to do: those of TCP run while a connection waits for
// something; the others while there has been traffic lately, and are caught up with otherwise, once a minute or when something comes.
#pragma once

#include "abi/types.hpp"

namespace pith::stack {

class Stack;

class Timers {
  public:
    void start(u64 now);
    /// Runs what is due.
    void run(Stack& stack, u64 now);
    /// Something has happened: all timers go on.
    void active(u64 now) { last_activity_ = now; }
    /// A connection waits for something: TCP's timers go on.
    void need_tcp() { tcp_needed_ = true; }
    u64 deadline() const;

  private:
    static constexpr u32 kCount = 7;
    static constexpr u64 kBusy = 15'000'000'000;  ///< so long after the last event nobody is asleep
    static constexpr u64 kNap = 60'000'000'000;

    u64 last_activity_ = 0;
    u64 now_ = 0;
    u64 last_[kCount] = {};
    u64 last_tcp_ = 0;
    u32 dhcp_waits_ = 0;  ///< periods of its fine timer, until DHCP does something
    bool tcp_needed_ = false;
};

}  // namespace pith::stack
