// SPDX-License-Identifier: MIT
// What is told at the end: the seed, a table, and one line of all.
#include <algorithm>

#include "lib/base/format.hpp"
#include "servers/chaos/service.hpp"

namespace pith::chaos {

namespace {

using Times = std::vector<abi::Time>;

/// The time that `percent` % are not above, in milliseconds with two decimals.
std::string_view share_of(std::span<char> out, const Times& sorted, u64 percent) {
    if (sorted.empty()) return "-";
    const usize rank = (sorted.size() * percent + 99) / 100;
    const u64 hundredths = sorted[std::max<usize>(rank, 1) - 1] / (10 * kMicrosecond);
    return format_to(out, "{}.{02}", hundredths / 100, hundredths % 100);
}

std::string padded(std::string_view text, usize width, bool left = false) {
    std::string result(text);
    if (result.size() < width) result.insert(left ? result.size() : 0, width - result.size(), ' ');
    return result;
}

std::string padded(u64 number, usize width) {
    char text[24];
    return padded(format_to(text, "{}", number), width);
}

}  // namespace

void Service::line(std::string text) { lines_.push_back("chaos: " + std::move(text)); }

void Service::report() {
    reported_ = true;
    char text[160], a[24], b[24], c[24];
    line(std::string(
        format_to(text, "seed {}, a fault every {} ms", settings_.seed, settings_.interval / kMillisecond)));
    if (!settings_.complaint.empty()) line("there is no fault '" + settings_.complaint + "'");
    for (const std::string& name : settings_.targets) {
        const bool found = std::ranges::any_of(targets_, [&](const Target& t) { return t.name() == name; });
        if (!found) line("'" + name + "' is not there, or may not be hit");
    }
    line(padded("COMPONENT", 16, true) + padded("FAULT", 14, true) +
         " INJECTED DETECTED RECOVERED  MEDIAN_MS     P99_MS     MAX_MS");
    u64 killed = 0, recovered = 0;
    Times all;
    for (Target& target : targets_) {
        for (usize i = 0; i < kFaults; i++) {
            Outcome& o = target.outcomes[i];
            if (o.injected + o.refused == 0) continue;
            std::ranges::sort(o.times);
            line(padded(target.name(), 16, true) + padded(name_of(static_cast<Fault>(i)), 14, true) +
                 padded(o.injected, 9) + padded(o.detected, 9) + padded(o.recovered, 10) +
                 padded(share_of(a, o.times, 50), 11) + padded(share_of(b, o.times, 99), 11) +
                 padded(share_of(c, o.times, 100), 11));
            killed += o.detected;
            recovered += o.recovered;
            all.insert(all.end(), o.times.begin(), o.times.end());
        }
    }
    std::ranges::sort(all);
    line(std::string(format_to(text, "{} killed, {} recovered, median {} ms, p99 {} ms", killed, recovered,
                               share_of(a, all, 50), share_of(b, all, 99))));
}

}  // namespace pith::chaos
