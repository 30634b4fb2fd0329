// SPDX-License-Identifier: MIT
// Times in arguments of calls.
#pragma once

#include "servers/linux/vfs/types.hpp"

namespace pith::lx {

inline bool valid_timespec(const Timespec& time) {
    return time.seconds >= 0 && time.nanoseconds >= 0 && time.nanoseconds < 1'000'000'000;
}

inline constexpr u64 kForever = 0x7fff'ffff'ffff'ffff;

/// Nanoseconds; what is too long is as good as for ever.
inline u64 in_nanoseconds(const Timespec& time) {
    constexpr i64 kMost = static_cast<i64>(kForever / 1'000'000'000) - 1;
    if (time.seconds > kMost) return kForever;
    return static_cast<u64>(time.seconds) * 1'000'000'000 + static_cast<u64>(time.nanoseconds);
}

/// The time after a relative one: never 0.
inline abi::Time deadline_after(abi::Time now, const Timespec& time) {
    const u64 length = in_nanoseconds(time);
    return length > kForever - now ? kForever : now + length;
}

}  // namespace pith::lx
