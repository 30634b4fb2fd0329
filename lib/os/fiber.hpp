// SPDX-License-Identifier: MIT
// Fiber: a stack of its own in an event loop's thread, for code that waits and can't be a coroutine (a library of synchronous C). It
// runs until it suspends itself, and goes on when it is woken, from the event loop. The thread is one: between its waits nothing else runs.
#pragma once

#include "lib/os/mapping.hpp"
#include "lib/os/task.hpp"

namespace pith {

class Fiber {
  public:
    using Function = void (*)(void* argument);
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// With a stack from `pool`, which ends at unmapped pages. `function` does not return; it begins when it is woken for the first
    /// time. The Fiber stays where it is, and is never destroyed. Errors: no_memory.
    Result<> start(const Handle<Pool>& pool, u64 stack_size, Function function, void* argument);
    bool started() const { return stack_.size() != 0; }

    /// From within: until the next wake() or run(). May come back for no reason: look again.
    void suspend();
    /// It goes on when the event loop next looks.
    void wake() { event_.notify(); }
    /// From outside: it goes on now; returns when it suspends.
    void run();

  private:
    Task<void> follow();
    static void begin(Fiber& fiber);
    friend struct FiberEntry;

    MappedMemory stack_;
    u64 own_ = 0;    ///< its stack pointer, while it is suspended
    u64 other_ = 0;  ///< that of who runs it, while it runs
    Function function_ = nullptr;
    void* argument_ = nullptr;
    Event event_;
};

}  // namespace pith
