// SPDX-License-Identifier: MIT
// Reading the clock from the InfoPage.
#include "lib/os/clock.hpp"

#include "lib/os/start_info.hpp"

namespace pith {

namespace {

u64 ticks() {
    u32 low;
    u32 high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

}  // namespace

const volatile abi::InfoPage& info_page() {
    return *reinterpret_cast<const volatile abi::InfoPage*>(kInfoPage);
}

abi::Time now() {
    const volatile abi::InfoPage& page = info_page();
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

i64 wall_clock() { return start_info().wall_clock + static_cast<i64>(now()); }

}  // namespace pith
