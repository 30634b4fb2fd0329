// SPDX-License-Identifier: MIT
// Lull: tells a Signal, when asked to, that nothing more urgent is to be done on this CPU: a thread at the lowest priority, which has its turn only
// then. For who puts work off while there is other work, and is to lose no time when there is none.
#pragma once

#include "lib/os/thread.hpp"

namespace pith {

class Lull {
  public:
    static constexpr u8 kPriority = 1;

    Lull() = default;
    Lull(const Lull&) = delete;
    Lull& operator=(const Lull&) = delete;

    /// Starts the thread, from `pool`, on CPU `cpu`; `bit` of `signal`, which outlives it, is notified. Errors: no_memory and the like.
    Result<> start(const Handle<Pool>& pool, const Handle<Signal>& signal, u64 bit, u16 cpu);
    bool started() const { return thread_.valid(); }
    /// The next lull is to be told of, once.
    void ask() const { static_cast<void>(wanted_.notify(1)); }

  private:
    [[noreturn]] static void run(void* self);

    const Handle<Signal>* signal_ = nullptr;
    u64 bit_ = 0;
    Handle<Signal> wanted_;
    NativeThread thread_;  ///< destroyed first
};

}  // namespace pith
