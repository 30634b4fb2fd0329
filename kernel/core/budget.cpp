// SPDX-License-Identifier: MIT
// Budget: the account. The period is rolled forward when somebody looks; time used beyond the capacity (a
// timer is late) is taken from the next period.
#include "kernel/core/budget.hpp"

#include <algorithm>

#include "kernel/core/contract.hpp"

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
    Guard guard(lock_);
    capacity_ = parameters.capacity;
    period_ = parameters.period;
    period_start_ = now;
    remaining_ = static_cast<i64>(capacity_);
    unlimited_.store(capacity_ == period_, std::memory_order_relaxed);
    ceiling_.store(parameters.ceiling, std::memory_order_relaxed);
    cpus_.store(parameters.cpus, std::memory_order_relaxed);
}

void Budget::roll(abi::Time now) {
    if (now < period_start_ + period_) return;
    const u64 periods = (now - period_start_) / period_;
    period_start_ += periods * period_;
    // A deficit is paid back by as many periods as it takes, but no credit is kept.
    const i64 capacity = static_cast<i64>(capacity_);
    if (remaining_ >= 0) {
        remaining_ = capacity;
    } else {
        const u64 needed = static_cast<u64>(-remaining_) / capacity_ + 1;
        remaining_ = periods > needed ? capacity
                                      : std::min(capacity, remaining_ + static_cast<i64>(periods) * capacity);
    }
}

u64 Budget::available(abi::Time now, abi::Time& refill) {
    if (unlimited()) return kNever;
    Guard guard(lock_);
    roll(now);
    refill = period_start_ + period_;
    return remaining_ > 0 ? static_cast<u64>(remaining_) : 0;
}

bool Budget::charge(u64 nanoseconds, abi::Time now) {
    consumed_.fetch_add(nanoseconds, std::memory_order_relaxed);
    if (unlimited()) return false;
    Guard guard(lock_);
    const bool had = remaining_ > 0;
    remaining_ -= static_cast<i64>(nanoseconds);
    const bool spent = had && remaining_ <= 0;
    if (spent) overruns_++;
    roll(now);
    return spent;
}

abi::BudgetInfo Budget::info(abi::Time now) {
    abi::BudgetInfo result{};
    result.consumed = consumed_.load(std::memory_order_relaxed);
    result.debt = debt_.load(std::memory_order_relaxed);
    Guard guard(lock_);
    roll(now);
    result.remaining = remaining_ > 0 ? static_cast<u64>(remaining_) : 0;
    result.overruns = overruns_;
    return result;
}

}  // namespace pith::core
