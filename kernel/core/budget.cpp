// SPDX-License-Identifier: MIT
// Budget: the account. It is brought up to date when somebody looks; time used beyond the capacity (a timer is
// late) is taken from the next period.
#include "kernel/core/budget.hpp"

#include <algorithm>
#include <bit>

#include "kernel/core/cpu.hpp"

namespace pith::core {
namespace {
constexpr u64 kShortestPeriod = 10'000;
constexpr u64 kLongestPeriod = u64{3600} * 1'000'000'000;
}  // namespace

Result<> Budget::check(const abi::BudgetParameters& parameters, const Budget* parent) {
    if (parameters.period < kShortestPeriod || parameters.period > kLongestPeriod) return Error::invalid;
    if (parameters.capacity == 0 || parameters.capacity > parameters.period) return Error::invalid;
    if (parameters.cpus == 0) return Error::invalid;
    if (parent == nullptr) return {};
    if (parameters.ceiling > parent->ceiling() || (parameters.cpus & ~parent->cpu_set()) != 0)
        return Error::invalid;
    return {};
}

void Budget::configure(const abi::BudgetParameters& parameters, abi::Time now) {
    const u64 present = (u64{1} << cpu_count) - 1;
    Guard guard(lock_);
    capacity_ = parameters.capacity;
    period_ = parameters.period;
    period_start_ = accounted_ = now;
    remaining_ = static_cast<i64>(capacity_);
    spent_ = false;
    unlimited_.store(capacity_ == period_, std::memory_order_relaxed);
    ceiling_.store(parameters.ceiling, std::memory_order_relaxed);
    cpus_.store(parameters.cpus, std::memory_order_relaxed);
    sharers_.store(static_cast<u32>(std::popcount(parameters.cpus & present)), std::memory_order_relaxed);
}

void Budget::take(u64 nanoseconds) {
    const bool had = remaining_ > 0;
    remaining_ -= static_cast<i64>(nanoseconds);
    if (had && remaining_ <= 0) spent_ = true;
}

/// Takes what has been used up to now, each part from its period.
void Budget::account(abi::Time now) {
    if (now <= accounted_) return;  // another CPU's clock may be ahead a little
    if (now >= period_start_ + period_) {
        const u64 periods = (now - period_start_) / period_;
        period_start_ += periods * period_;
        take(users_ * (period_start_ - accounted_));
        accounted_ = period_start_;
        // A deficit is paid back by as many periods as it takes, but no credit is kept.
        const i64 capacity = static_cast<i64>(capacity_);
        const u64 needed = remaining_ >= 0 ? 0 : static_cast<u64>(-remaining_) / capacity_ + 1;
        remaining_ = periods > needed ? capacity
                                      : std::min(capacity, remaining_ + static_cast<i64>(periods) * capacity);
    }
    take(users_ * (now - accounted_));
    accounted_ = now;
}

u64 Budget::available(abi::Time now, abi::Time& refill) {
    if (unlimited()) return kNever;
    Guard guard(lock_);
    account(now);
    refill = period_start_ + period_;
    return remaining_ > 0 ? static_cast<u64>(remaining_) : 0;
}

u64 Budget::share(u64 left) const {
    const u32 sharers = sharers_.load(std::memory_order_relaxed);
    return left == kNever || sharers <= 1 ? left : std::min(left, std::max(left / sharers, kGrain));
}

bool Budget::begin_use(abi::Time now) {
    if (unlimited()) return false;
    Guard guard(lock_);
    account(now);
    users_++;
    return true;
}

bool Budget::end_use(u64 nanoseconds, abi::Time now, bool counted) {
    consumed_.fetch_add(nanoseconds, std::memory_order_relaxed);
    if (!counted && unlimited()) return false;
    Guard guard(lock_);
    account(now);
    if (counted) {
        users_--;
    } else {
        take(nanoseconds);  // it has been limited only since this CPU began
    }
    if (!spent_ || unlimited()) return false;
    spent_ = false;
    overruns_++;
    return true;
}

void Budget::add_debt(u64 nanoseconds, abi::Time now) {
    debt_.fetch_add(nanoseconds, std::memory_order_relaxed);
    if (unlimited()) return;
    Guard guard(lock_);
    account(now);
    remaining_ -= static_cast<i64>(nanoseconds);
}

abi::BudgetInfo Budget::info(abi::Time now) {
    abi::BudgetInfo result{};
    result.consumed = consumed_.load(std::memory_order_relaxed);
    result.debt = debt_.load(std::memory_order_relaxed);
    Guard guard(lock_);
    account(now);
    result.remaining = remaining_ > 0 ? static_cast<u64>(remaining_) : 0;
    result.overruns = overruns_;
    return result;
}

}  // namespace pith::core
