// SPDX-License-Identifier: MIT
// What the library keeps for each thread, found through the tail of its message buffer.
#pragma once

#include "lib/os/syscall.hpp"
#include "lib/os/waiter.hpp"

namespace pith {

class EventLoop;

struct ThreadContext {
    WaiterList ready;  ///< coroutines to go on with
    TimerQueue timers;
    EventLoop* loop = nullptr;  ///< the loop that runs on this thread
};

inline ThreadContext& thread_context() {
    ThreadContext* context;
    asm volatile("movq %%fs:1008, %0" : "=r"(context));
    return *context;
}

/// Called first on each native thread: `buffer` is its message buffer.
void prepare_thread(abi::MessageBuffer& buffer, ThreadContext& context);

/// Resumes ready coroutines until there are none.
void run_ready();

}  // namespace pith
