// SPDX-License-Identifier: MIT
// Timers of a process: timer_create and its family, and setitimer.
#pragma once

#include <map>
#include <memory>

#include "servers/linux/process.hpp"

namespace pith::lx {

/// One of timer_create.
struct PosixTimer : Timer {
    PosixTimer(Process& owner, i32 number);
    Process& process;
    i32 id;
    i32 clock = 0;
    i32 notify = 0;  ///< SIGEV_SIGNAL 0, NONE 1, THREAD_ID 4
    i32 signo = kSigAlrm;
    Pid thread = 0;
    u64 value = 0;
    u64 interval = 0;
    i32 overrun = 0;
    static void expired(Timer& timer);
};

class PosixTimers {
  public:
    std::map<i32, std::unique_ptr<PosixTimer>> timers;
    i32 next = 0;
};

}  // namespace pith::lx
