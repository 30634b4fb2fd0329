// SPDX-License-Identifier: MIT
// Time: nanoseconds since boot from the TSC, whose frequency is measured against the HPET or the ACPI timer for a short
// moment at boot and again over longer and longer stretches. The clock never jumps: only its rate changes.
#pragma once

#include <atomic>

#include "abi/types.hpp"
#include "kernel/arch/x86_64/registers.hpp"

namespace pith::platform {
struct MachineDescription;
}

namespace pith::arch {

/// now = clock_base + ((tsc - tsc_base) * multiplier >> 32). Written by CPU 0 only; readers retry while `sequence` is odd.
struct Clock {
    std::atomic<u32> sequence;
    u64 tsc_base;
    u64 clock_base;
    u64 multiplier;
    u64 tsc_frequency;
    u64 timer_multiplier;  ///< ticks of the local timer a nanosecond, 32.32
};
extern constinit Clock clock;

inline u64 scale(u64 value, u64 multiplier) {
    return static_cast<u64>((static_cast<unsigned __int128>(value) * multiplier) >> 32);
}

/// The time when the TSC was that, not long ago.
[[gnu::always_inline]] inline abi::Time time_at(u64 tsc) {
    for (;;) {
        u32 sequence = clock.sequence.load(std::memory_order_acquire);
        // A CPU whose TSC is behind by a little must not see a huge time.
        u64 elapsed = tsc > clock.tsc_base ? tsc - clock.tsc_base : 0;
        u64 time = clock.clock_base + scale(elapsed, clock.multiplier);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (!(sequence & 1) && clock.sequence.load(std::memory_order_relaxed) == sequence) return time;
    }
}
inline abi::Time now() { return time_at(read_tsc()); }

/// Measures TSC and local timer for a fraction of a millisecond, and starts the clock at `entry_tsc`. The
/// local APIC must be on.
void init_clock(const platform::MachineDescription& machine, u64 entry_tsc);

/// Now and then from the timer interrupt of CPU 0: corrects the rate when a longer stretch has been seen.
void refine_clock();

}  // namespace pith::arch
