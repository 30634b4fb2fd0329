// SPDX-License-Identifier: MIT
// The clocks of clock_gettime(2) by their numbers. Shared by the server and the vDSO, which runs in programs.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

enum Clock : i32 {
    kRealtime = 0,
    kMonotonic,
    kProcessCpu,
    kThreadCpu,
    kMonotonicRaw,
    kRealtimeCoarse,
    kMonotonicCoarse,
    kBoottime,
    kRealtimeAlarm,
    kBoottimeAlarm,
    kTai = 11,
};

constexpr bool is_realtime(i32 clock) {
    return clock == kRealtime || clock == kRealtimeCoarse || clock == kRealtimeAlarm || clock == kTai;
}
constexpr bool is_monotonic(i32 clock) {
    return clock == kMonotonic || clock == kMonotonicRaw || clock == kMonotonicCoarse || clock == kBoottime ||
           clock == kBoottimeAlarm;
}
/// What clock_getres(2) tells of those and of CPU time, in nanoseconds: the coarse ones' is that of Linux at 250 Hz.
constexpr i64 resolution(i32 clock) {
    return clock == kRealtimeCoarse || clock == kMonotonicCoarse ? 4'000'000 : 1;
}

}  // namespace pith::lx
