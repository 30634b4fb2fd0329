// SPDX-License-Identifier: MIT
// Time without a system call, from the InfoPage.
#pragma once

#include "abi/boot.hpp"
#include "abi/types.hpp"

namespace pith {

/// Nanoseconds since boot.
abi::Time now();
/// Nanoseconds since 1970, UTC.
i64 wall_clock();
/// The information page.
const volatile abi::InfoPage& info_page();

/// Nanoseconds since boot by an information page, wherever it is mapped. `ticks` reads the CPU's counter.
template <typename Ticks>
inline abi::Time read_clock(const volatile abi::InfoPage& page, Ticks ticks) {
    for (;;) {
        const u32 sequence = page.sequence;
        asm volatile("" ::: "memory");
        const u64 base = page.clock_base;
        const u64 tsc_base = page.tsc_base;
        const u64 multiplier = page.multiplier;
        const u64 tsc = ticks();
        asm volatile("" ::: "memory");
        if ((sequence & 1) != 0 || page.sequence != sequence) continue;
        // Another CPU's counter may be a little behind the one that wrote the base.
        const u64 passed = tsc > tsc_base ? tsc - tsc_base : 0;
        return base + static_cast<u64>(static_cast<unsigned __int128>(passed) * multiplier >> 32);
    }
}

inline constexpr abi::Time kMicrosecond = 1'000;
inline constexpr abi::Time kMillisecond = 1'000'000;
inline constexpr abi::Time kSecond = 1'000'000'000;

}  // namespace pith
