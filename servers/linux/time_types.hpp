// SPDX-License-Identifier: MIT
// struct timespec and its kin as programs see them, and times that do not overflow. The vDSO, which runs in programs, has
// them too.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

inline constexpr u64 kSecondNs = 1'000'000'000;
inline constexpr u64 kForeverNs = u64{1} << 62;

struct TimeSpec {
    i64 seconds;
    i64 nanoseconds;
    bool valid() const { return seconds >= 0 && nanoseconds >= 0 && nanoseconds < 1'000'000'000; }
    /// Saturates at kForeverNs.
    u64 nanoseconds_total() const {
        if (static_cast<u64>(seconds) >= kForeverNs / kSecondNs) return kForeverNs;
        return static_cast<u64>(seconds) * kSecondNs + static_cast<u64>(nanoseconds);
    }
    static TimeSpec from(u64 ns) {
        return {static_cast<i64>(ns / kSecondNs), static_cast<i64>(ns % kSecondNs)};
    }
};
static_assert(sizeof(TimeSpec) == 16);

struct TimeVal {
    i64 seconds;
    i64 microseconds;
    bool valid() const { return seconds >= 0 && microseconds >= 0 && microseconds < 1'000'000; }
    u64 nanoseconds_total() const { return TimeSpec{seconds, microseconds * 1000}.nanoseconds_total(); }
    static TimeVal from(u64 ns) {
        return {static_cast<i64>(ns / kSecondNs), static_cast<i64>(ns % kSecondNs / 1000)};
    }
};

constexpr u64 add_time(u64 time, u64 duration) {
    return duration >= kForeverNs - time ? kForeverNs : time + duration;
}

}  // namespace pith::lx
