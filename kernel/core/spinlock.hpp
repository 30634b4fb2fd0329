// SPDX-License-Identifier: MIT
// Spin locks with a rank. Interrupts are off wherever one is held, and it is never held across a preemption
// point, so each is held for a bounded time. A CPU takes them in ascending rank (several of one rank only
// through CpuLocks, in index order); checked when the build has asserts. docs/kernel.md has the table.
#pragma once

#include <atomic>

#include "abi/types.hpp"
#include "arch/cpu.hpp"
#include "lib/base/assert.hpp"
#include "lib/base/thread_annotations.hpp"

namespace pith::core {

enum class Rank : u8 {
    signal = 8,
    cpu = 10,
    budget = 12,
    space = 20,
    memory = 22,
    binding = 28,
    capabilities = 30,
    table = 32,
    pool = 40,
    frames = 50,
    console = 60
};

/// Debug builds: bit r is set while this CPU holds a lock of rank r.
void rank_acquired(Rank rank);
void rank_released(Rank rank);

/// Takes a lock that somebody holds. Keeps all registers, so that taking a free one costs its caller none.
[[clang::preserve_most]] void spin(std::atomic<u16>& held);

template <Rank kRank>
class CAPABILITY("spinlock") SpinLock {
  public:
    [[gnu::always_inline]] void lock() ACQUIRE() {
        if constexpr (kAsserts) rank_acquired(kRank);
        lock_unranked();
    }
    void unlock() RELEASE() {
        if constexpr (kAsserts) rank_released(kRank);
        held_.store(0, std::memory_order_release);
    }
    bool held() const { return held_.load(std::memory_order_relaxed) != 0; }
    /// For CpuLocks, which takes several of one rank.
    [[gnu::always_inline]] void lock_unranked() NO_THREAD_SAFETY_ANALYSIS {
        if ((held_.fetch_or(1, std::memory_order_acquire) & 1) != 0) [[unlikely]]
            spin(held_);
    }
    void unlock_unranked() NO_THREAD_SAFETY_ANALYSIS { held_.store(0, std::memory_order_release); }

  private:
    // Of two bytes, one instruction sets a bit and tells what it was.
    std::atomic<u16> held_{0};
};

/// Holds a lock for a scope.
template <typename Lock>
class SCOPED_CAPABILITY Guard {
  public:
    explicit Guard(Lock& lock) ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
    ~Guard() RELEASE() { lock_.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    Lock& lock_;
};

}  // namespace pith::core
