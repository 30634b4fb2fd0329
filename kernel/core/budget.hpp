// SPDX-License-Identifier: MIT
// Budget: the right to `capacity` nanoseconds of CPU time each `period`, on some CPUs, up to a priority.
//
// `lock` (rank 12, within a CPU's lock) guards parameters and the account. A Budget with capacity = period is
// unlimited: only its statistics are kept, without the lock.
//
// All CPUs together get no more than `capacity` each period: the account counts the CPUs that use it now (`users_`), so
// that each sees what the others have used up to this instant, and each looks again after its share of what is left.
// Only shares below kGrain are rounded up to it: so N CPUs overrun by less than (N - 1) * kGrain, and by what their
// timers are late. That is taken from the next period.
#pragma once

#include "abi/thread.hpp"
#include "kernel/core/object.hpp"
#include "lib/base/result.hpp"

namespace pith::core {

class Budget : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::budget;
    Budget() : Object(kType) {}

    /// New parameters, checked by the caller; a full capacity from now on.
    void configure(const abi::BudgetParameters& parameters, abi::Time now);
    /// invalid: the parameters are out of range, or beyond what `parent` (null: none) allows.
    static Result<> check(const abi::BudgetParameters& parameters, const Budget* parent);

    /// Whether it pays on that CPU without end, so that nothing need be decided.
    bool plain(u32 cpu) const {
        return unlimited() && allows_cpu(cpu) && !dying.load(std::memory_order_relaxed);
    }
    bool unlimited() const { return unlimited_.load(std::memory_order_relaxed); }
    bool allows_cpu(u32 cpu) const { return (cpus_.load(std::memory_order_relaxed) >> cpu & 1) != 0; }
    u8 ceiling() const { return ceiling_.load(std::memory_order_relaxed); }
    u64 cpu_set() const { return cpus_.load(std::memory_order_relaxed); }

    /// Nanoseconds left at `now`, kNever if unlimited; `refill`: when there is more.
    u64 available(abi::Time now, abi::Time& refill);
    /// How much of what is left one CPU may use before it looks again, in nanoseconds.
    u64 share(u64 left) const;
    /// A CPU uses it from `now` on. False: it is unlimited, and does not count who does.
    bool begin_use(abi::Time now);
    /// The CPU has used it for so long, and does no more; `counted`: as begin_use said. True: it was spent meanwhile (its
    /// Signal is then to be notified, without locks).
    bool end_use(u64 nanoseconds, abi::Time now, bool counted);
    /// A server used time of its own for who runs on this one: the next periods pay it back.
    void add_debt(u64 nanoseconds, abi::Time now);
    abi::BudgetInfo info(abi::Time now);

    Reference delivery;  ///< the Signal of overruns
    std::atomic<u64> delivery_bits{0};

  private:
    static constexpr u64 kGrain = 20'000;

    void take(u64 nanoseconds) REQUIRES(lock_);
    void account(abi::Time now) REQUIRES(lock_);

    SpinLock<Rank::budget> lock_;
    std::atomic<bool> unlimited_{false};
    std::atomic<u8> ceiling_{0};
    std::atomic<u64> cpus_{0};
    u64 capacity_ GUARDED_BY(lock_) = 0;
    u64 period_ GUARDED_BY(lock_) = 1;
    abi::Time period_start_ GUARDED_BY(lock_) = 0;
    abi::Time accounted_ GUARDED_BY(lock_) = 0;  ///< the use up to then has been taken
    i64 remaining_ GUARDED_BY(lock_) = 0;
    u32 users_ GUARDED_BY(lock_) = 0;       ///< CPUs that use it now
    bool spent_ GUARDED_BY(lock_) = false;  ///< and nobody has been told yet
    std::atomic<u32> sharers_{1};           ///< CPUs that may
    u64 overruns_ GUARDED_BY(lock_) = 0;
    std::atomic<u64> consumed_{0};
    std::atomic<u64> debt_{0};
};

}  // namespace pith::core
