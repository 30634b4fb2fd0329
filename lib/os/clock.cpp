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

abi::Time now() { return read_clock(info_page(), ticks); }

i64 wall_clock() { return start_info().wall_clock + static_cast<i64>(now()); }

}  // namespace pith
