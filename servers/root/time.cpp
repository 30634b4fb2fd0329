// SPDX-License-Identifier: MIT
// The PC's real-time clock (Motorola MC146818A data sheet), read once through ports 0x70 and 0x71, and the
// keys of run/config: "epoch", the host's idea of when the machine was started, which a reset makes stale, and "clock".
#include "servers/root/time.hpp"

#include <charconv>

#include "lib/driver/registers.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"
#include "protocol/run.hpp"

namespace pith::root {

namespace {

constexpr i64 kNanoseconds = 1'000'000'000;

u8 cmos(u8 index) {
    port_write8(0x70, index);
    return port_read8(0x71);
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms").
i64 days_from_civil(i64 year, u32 month, u32 day) {
    year -= month <= 2 ? 1 : 0;
    const i64 era = (year >= 0 ? year : year - 399) / 400;
    const u32 year_of_era = static_cast<u32>(year - era * 400);
    const u32 day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const u32 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + static_cast<i64>(day_of_era) - 719468;
}

struct Reading {
    u8 second, minute, hour, day, month, year, century;
    bool operator==(const Reading&) const = default;
};

Reading read_once() {
    while ((cmos(0x0a) & 0x80) != 0) {}
    return {cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9), cmos(0x32)};
}

/// Seconds since 1970; 0: there is no such clock.
i64 read_rtc() {
    if (cmos(0x0a) == 0xff) return 0;
    Reading now = read_once();
    for (Reading again = read_once(); !(now == again); again = read_once()) now = again;
    const u8 mode = cmos(0x0b);
    const bool binary = (mode & 4) != 0;
    const auto value = [binary](u8 raw) { return binary ? u32{raw} : u32{raw & 0x0fu} + (raw >> 4) * 10u; };
    u32 hour = value(now.hour & 0x7f);
    if ((mode & 2) == 0) hour = hour % 12 + ((now.hour & 0x80) != 0 ? 12 : 0);
    const u32 century = value(now.century);
    const i64 year = (century >= 19 && century <= 22 ? century : 20) * i64{100} + value(now.year);
    const u32 month = value(now.month);
    if (month < 1 || month > 12) return 0;
    return days_from_civil(year, month, value(now.day)) * 86400 + hour * i64{3600} +
           value(now.minute) * i64{60} + value(now.second);
}

/// What run/config says of `key`; empty: nothing.
std::string_view configured(const Bundle& bundle, std::string_view key) {
    auto config = bundle.find(run::kConfigName);
    if (!config.ok()) return {};
    std::string_view text(reinterpret_cast<const char*>(config->content.data()), config->content.size());
    while (auto record = run::next_record(text))
        if (record->key == key) return record->value;
    return {};
}

/// Key "epoch" in nanoseconds; 0: it is not given.
i64 configured_epoch(const Bundle& bundle) {
    const std::string_view text = configured(bundle, "epoch");
    i64 value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

i64 boot_wall_clock(const Handle<Machine>& machine, const Handle<Pool>& pool, const Bundle& bundle) {
    i64 rtc = 0;
    auto ports = machine.create_ports(pool, 0x70, 2);
    if (ports.ok()) {
        if (ports->bind(own_space()).ok()) rtc = read_rtc();
        static_cast<void>(ports->destroy());
    }
    const i64 passed = static_cast<i64>(now());
    const i64 epoch = configured_epoch(bundle);
    if (rtc == 0) return epoch != 0 ? epoch : i64{1767225600} * kNanoseconds;
    const i64 from_rtc = rtc * kNanoseconds - passed;
    // The clock counts whole seconds, and QEMU starts a moment after the host wrote the configuration.
    const i64 apart = from_rtc - epoch;
    return epoch != 0 && apart > -2 * kNanoseconds && apart < 10 * kNanoseconds ? epoch : from_rtc;
}

bool configured_to_skip(const Bundle& bundle) { return configured(bundle, "clock") == "skips"; }

}  // namespace pith::root
