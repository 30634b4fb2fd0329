// SPDX-License-Identifier: MIT
// Gate: lets many through together, or one alone, in the order of their coming: a lock for coroutines, which wait in it without a thread.
#pragma once

#include <utility>

#include "servers/linux/vfs/async.hpp"

namespace pith::lx {

class Gate {
  public:
    /// Who has entered leaves with its Hold.
    class Hold {
      public:
        Hold() = default;
        explicit Hold(Gate& of) : gate_(&of) {}
        Hold(Hold&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        Hold& operator=(Hold&& other) noexcept {
            std::swap(gate_, other.gate_);
            return *this;
        }
        ~Hold() {
            if (gate_ != nullptr) gate_->leave();
        }

      private:
        Gate* gate_ = nullptr;
    };
    /// After it, whoever asked makes a Hold.
    Task<SysResult<>> enter(bool alone);
    /// True: it is in, and makes a Hold. False: it would have to wait.
    bool try_enter(bool alone);
    /// Somebody is in.
    bool taken() const { return holders_ != 0; }

  private:
    void leave();
    u64 next_ticket_ = 0;
    u64 served_ = 0;   ///< tickets below have entered
    i64 holders_ = 0;  ///< -1: one that is alone
    WaitList changed_;
};

}  // namespace pith::lx
