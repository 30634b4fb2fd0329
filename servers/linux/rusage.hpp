// SPDX-License-Identifier: MIT
// struct rusage.
#pragma once

#include "servers/linux/process.hpp"
#include "servers/linux/time_types.hpp"

namespace pith::lx {

struct LinuxRusage {
    TimeVal user, system;
    i64 max_rss, ixrss, idrss, isrss, minor_faults, major_faults, swaps, in_blocks, out_blocks, sent,
        received, signals, voluntary, involuntary;
};
static_assert(sizeof(LinuxRusage) == 144);

inline LinuxRusage make_rusage(const Usage& usage) {
    LinuxRusage result{};
    result.user = TimeVal::from(usage.user_time);
    result.system = TimeVal::from(usage.system_time);
    result.max_rss = static_cast<i64>(usage.peak_pages * 4);
    result.minor_faults = static_cast<i64>(usage.minor_faults);
    result.major_faults = static_cast<i64>(usage.major_faults);
    result.voluntary = static_cast<i64>(usage.voluntary);
    result.involuntary = static_cast<i64>(usage.involuntary);
    return result;
}

}  // namespace pith::lx
