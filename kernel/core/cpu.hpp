// SPDX-License-Identifier: MIT
// Cpu: everything that belongs to one processor: the current thread, the run queues, timers, caches and
// counters.
//
// `lock` (rank 10) guards all threads that belong to this CPU, and what is marked with it. Other fields are
// written by this CPU only.
#pragma once

#include <span>

#include "abi/info.hpp"
#include "arch/cpu.hpp"
#include "kernel/core/endpoint.hpp"
#include "kernel/core/frames.hpp"
#include "kernel/core/trace.hpp"

namespace pith::core {

/// Threads of one CPU that may run: a FIFO for each priority.
class RunQueue {
  public:
    void push_back(Thread& thread);
    void push_front(Thread& thread);
    void remove(Thread& thread);
    Thread* pop();
    /// Highest priority with a thread, -1: none.
    int top() const;

  private:
    List<Thread, &Thread::queue_link> queues_[abi::kPriorities];
    u64 bitmap_[abi::kPriorities / 64] = {};
};

/// Stands for the locks of whatever CPUs the threads in question belong to, for the thread-safety analysis.
class CAPABILITY("role") ThreadLocks {};
extern ThreadLocks thread_locks;

/// What the fast paths touch is on its first page.
struct alignas(abi::kPageSize) Cpu {
    arch::CpuArea
        area;  ///< first: the architecture finds it; `current` in it is the thread that runs, null: idle
    std::atomic<Space*> loaded_space{nullptr};
    u32 id = 0;
    u32 plain_caller =
        0;  ///< `condition` of a thread of this CPU that waits for the answer to a call, and nothing else
    u64 part = 0;  ///< where an Endpoint has this CPU's part
    bool online = false;
    bool reschedule = false;
    bool rotate = false;  ///< the current thread goes to the end of its queue
    bool fpu_on = false;
    /// Why a switch of threads may take more than loading another Space: kFpuOwned, kPortsOpen.
    u32 unusual = 0;
    bool frame_left = false;  ///< the Frame of `current` is stored, others may write to it
    Thread* fpu_owner = nullptr;

    alignas(64) SpinLock<Rank::cpu> lock;
    TimerQueue timers GUARDED_BY(thread_locks);
    /// Ready, off the queue: this CPU is in attend for it.
    Thread* attended GUARDED_BY(thread_locks) = nullptr;
    List<Thread, &Thread::waiter_link> acknowledgement_waiters GUARDED_BY(thread_locks);
    std::atomic<int> current_priority{-1};  ///< what a newly ready thread has to exceed

    alignas(64) std::atomic<u32> requested{0};  ///< acknowledgements asked of this CPU
    std::atomic<u32> acknowledged{0};
    std::atomic<u32> asking_cpus{0};  ///< to interrupt when acknowledged; set after `requested`
    /// Idle, with no Space loaded and nobody's FPU state: it holds on to nothing, and need not acknowledge.
    std::atomic<bool> quiescent{false};

    alignas(64) Budget* charged = nullptr;  ///< who pays for the time since charged_at
    bool use_counted = false;               ///< and counts this CPU among those that use it
    Budget* overdrawn = nullptr;            ///< the Budget whose debt that time is
    abi::Time charged_at = 0;
    abi::Time slice_end = 0;
    abi::Time budget_end = kNever;
    abi::Time armed = kNever;
    FrameCache frame_cache;
    u32 held_ranks[8] = {};
    u32 held_count = 0;
    u64 entered_at = 0;  ///< ticks, of the last slow kernel entry or window

    i64 frame_counts[static_cast<usize>(FrameKind::count)] = {};
    i64 object_counts[16] = {};
    i64 capability_count = 0;
    i64 slot_count = 0;  ///< taken
    i64 mapping_count = 0;
    abi::CpuCounts counts{};
    TraceRing trace;
    RunQueue run_queue GUARDED_BY(thread_locks);
};

/// Bits of Cpu::unusual.
inline constexpr u32 kFpuOwned = 1;   ///< somebody's FPU state is live
inline constexpr u32 kPortsOpen = 2;  ///< I/O ports are

extern Cpu cpus[abi::kMaxCpus];
extern u32 cpu_count;

inline Cpu& this_cpu() { return arch::this_cpu(); }

/// Where the thread belongs; read anew each time, since it may be moving.
inline u32 home_of(const Thread& thread) { return __atomic_load_n(&thread.cpu, __ATOMIC_RELAXED); }

/// The lock of one CPU.
class SCOPED_CAPABILITY CpuLock {
  public:
    explicit CpuLock(Cpu& cpu) ACQUIRE(thread_locks) NO_THREAD_SAFETY_ANALYSIS : lock_(cpu.lock) {
        lock_.lock();
    }
    ~CpuLock() RELEASE() NO_THREAD_SAFETY_ANALYSIS { lock_.unlock(); }
    CpuLock(const CpuLock&) = delete;
    CpuLock& operator=(const CpuLock&) = delete;

  private:
    SpinLock<Rank::cpu>& lock_;
};

/// The lock of the CPU that a thread belongs to, wherever it moves until the lock is held.
class SCOPED_CAPABILITY ThreadLock {
  public:
    explicit ThreadLock(const Thread& thread) ACQUIRE(thread_locks) NO_THREAD_SAFETY_ANALYSIS {
        for (;;) {
            cpu_ = &cpus[home_of(thread)];
            cpu_->lock.lock();
            if (cpu_ == &cpus[home_of(thread)]) return;
            cpu_->lock.unlock();
        }
    }
    ~ThreadLock() RELEASE() NO_THREAD_SAFETY_ANALYSIS { cpu_->lock.unlock(); }
    ThreadLock(const ThreadLock&) = delete;
    ThreadLock& operator=(const ThreadLock&) = delete;

  private:
    Cpu* cpu_;
};

/// The same for two threads.
class SCOPED_CAPABILITY ThreadPairLock {
  public:
    ThreadPairLock(const Thread& a, const Thread& b) ACQUIRE(thread_locks) NO_THREAD_SAFETY_ANALYSIS;
    ~ThreadPairLock() RELEASE() NO_THREAD_SAFETY_ANALYSIS;
    ThreadPairLock(const ThreadPairLock&) = delete;
    ThreadPairLock& operator=(const ThreadPairLock&) = delete;

  private:
    u32 mask_;
};

/// Locks of a set of CPUs, taken in index order.
class SCOPED_CAPABILITY CpuLocks {
  public:
    explicit CpuLocks(u32 mask) ACQUIRE(thread_locks) NO_THREAD_SAFETY_ANALYSIS;
    ~CpuLocks() RELEASE() NO_THREAD_SAFETY_ANALYSIS;
    CpuLocks(const CpuLocks&) = delete;
    CpuLocks& operator=(const CpuLocks&) = delete;

  private:
    const u32 mask_;
};

inline u32 cpu_bit(u32 cpu) { return 1u << cpu; }

}  // namespace pith::core
