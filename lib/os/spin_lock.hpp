// SPDX-License-Identifier: MIT
// A lock for the short critical sections of a component's library. All threads of a component that share
// what it guards run at one priority: who finds it taken yields, and the holder gets on.
#pragma once

#include <atomic>

#include "lib/os/syscall.hpp"

namespace pith {

class SpinLock {
  public:
    void lock() {
        while (flag_.test_and_set(std::memory_order_acquire)) yield_cpu();
    }
    void unlock() { flag_.clear(std::memory_order_release); }

  private:
    std::atomic_flag flag_;
};

class SpinGuard {
  public:
    explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;
    ~SpinGuard() { lock_.unlock(); }

  private:
    SpinLock& lock_;
};

}  // namespace pith
