// SPDX-License-Identifier: MIT
// A further native thread of a component: it shares Space, CapTable and heap with the first, and has its own
// stack, message buffer and ThreadContext. Destroyed with the object, at once, wherever it is.
#pragma once

#include <string_view>

#include "lib/os/mapping.hpp"
#include "lib/os/thread_context.hpp"

namespace pith {

/// Where and how a thread runs.
struct ThreadOptions {
    std::string_view name = "thread";  ///< in the trace
    u8 priority = 0;
    u16 cpu = 0;
    u64 stack_size = 16 * 1024;
    abi::HandleIndex budget = abi::kNoHandle;   ///< kNoHandle: the component's own
    abi::HandleIndex handler = abi::kNoHandle;  ///< of its faults; kNoHandle: the component's parent
    u64 badge = 0;                              ///< of its fault events, with a handler of one's own
};

class NativeThread {
  public:
    using Function = void (*)(void* argument);
    NativeThread() = default;
    NativeThread(NativeThread&&) noexcept = default;
    NativeThread& operator=(NativeThread&&) noexcept = default;

    /// From `pool`; runs `function(argument)`, which does not return.
    static Result<NativeThread> start(const Handle<Pool>& pool, Function function, void* argument,
                                      const ThreadOptions& options);
    const Handle<Thread>& thread() const { return thread_; }
    bool valid() const { return thread_.valid(); }

  private:
    MappedMemory area_;     // context and buffer in the first page, then the stack
    Owned<Thread> thread_;  // after area_: destroyed first
};

}  // namespace pith
