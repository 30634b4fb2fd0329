// SPDX-License-Identifier: MIT
// The vDSO: a shared object of ours in every program, that tells the time and the CPU's number without a system call. Its names
// and versions are Linux's (vdso(7)); vdso.ld says how it is laid out. It runs on the program's stack, and knows
// nothing but its own pages. What it cannot tell it asks the server.
#include "lib/os/clock.hpp"
#include "servers/linux/clocks.hpp"
#include "servers/linux/guest/vdso_data.hpp"
#include "servers/linux/time_types.hpp"

namespace {

using namespace pith;

using lx::TimeSpec, lx::TimeVal;
struct TimeZone {
    i32 minutes_west, dst_time;
};

constexpr long kClockGettime = 228, kClockGetres = 229, kGetcpu = 309;
/// What the pages tell; of the others, CPU time, the server knows.
bool known(i32 clock) { return lx::is_realtime(clock) || lx::is_monotonic(clock); }

long system_call(long number, long first, long second, long third) {
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(first), "S"(second), "d"(third)
                 : "rcx", "r11", "memory");
    return result;
}

/// Not before what comes before it in the program: time never runs backwards from one CPU's view to another's.
u64 ticks() {
    u32 low, high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return u64{high} << 32 | low;
}

}  // namespace

/// Where vdso.ld says that the pages are.
extern "C" [[gnu::visibility("hidden")]] const volatile lx::VdsoPages vdso_pages;

namespace {

u64 monotonic() { return read_clock(vdso_pages.info, ticks); }

u64 realtime() {
    const i64 time = static_cast<i64>(monotonic()) + vdso_pages.data.realtime_offset;
    return time > 0 ? static_cast<u64>(time) : 0;
}

}  // namespace

#define PITH_VDSO extern "C" [[gnu::visibility("default")]]

PITH_VDSO long __vdso_clock_gettime(i32 clock, TimeSpec* time) {
    if (!known(clock)) return system_call(kClockGettime, clock, reinterpret_cast<long>(time), 0);
    *time = TimeSpec::from(lx::is_realtime(clock) ? realtime() : monotonic());
    return 0;
}

PITH_VDSO long __vdso_clock_getres(i32 clock, TimeSpec* resolution) {
    if (!known(clock)) return system_call(kClockGetres, clock, reinterpret_cast<long>(resolution), 0);
    if (resolution != nullptr) *resolution = {0, lx::resolution(clock)};
    return 0;
}

PITH_VDSO long __vdso_gettimeofday(TimeVal* time, TimeZone* zone) {
    if (time != nullptr) *time = TimeVal::from(realtime());
    if (zone != nullptr) *zone = {0, 0};
    return 0;
}

PITH_VDSO i64 __vdso_time(i64* time) {
    const auto seconds = static_cast<i64>(realtime() / kSecond);
    if (time != nullptr) *time = seconds;
    return seconds;
}

PITH_VDSO long __vdso_getcpu(u32* cpu, u32* node, void* unused) {
    if (vdso_pages.data.has_rdtscp == 0)
        return system_call(kGetcpu, reinterpret_cast<long>(cpu), reinterpret_cast<long>(node),
                           reinterpret_cast<long>(unused));
    u32 low, high, number;
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(number));
    if (cpu != nullptr) *cpu = number;
    if (node != nullptr) *node = 0;
    return 0;
}

#define PITH_VDSO_ALIAS(result, name, parameters) \
    extern "C" [[gnu::visibility("default"), gnu::weak, gnu::alias("__vdso_" #name)]] result name parameters
PITH_VDSO_ALIAS(long, clock_gettime, (i32 clock, TimeSpec* time));
PITH_VDSO_ALIAS(long, clock_getres, (i32 clock, TimeSpec* resolution));
PITH_VDSO_ALIAS(long, gettimeofday, (TimeVal * time, TimeZone* zone));
PITH_VDSO_ALIAS(i64, time, (i64 * time));
PITH_VDSO_ALIAS(long, getcpu, (u32 * cpu, u32* node, void* unused));
