// SPDX-License-Identifier: MIT
// Sums of runs, as tables.
#include <algorithm>
#include <format>

#include "tools/fault/campaign.hpp"

namespace pith::tools {

namespace {

/// The time that `percent` % are not above, in milliseconds.
std::string share_of(std::vector<u64> times, u64 percent) {
    if (times.empty()) return "-";
    std::ranges::sort(times);
    const usize rank = std::max<usize>((times.size() * percent + 99) / 100, 1);
    return std::format("{:.2f}", static_cast<double>(times[rank - 1]) / 1e6);
}

}  // namespace

void FaultTable::Row::add(const Hit& hit) {
    if (hit.end == "refused") {
        ++refused;
        return;
    }
    ++injected;
    if (hit.end == "detected" || hit.end == "recovered") ++detected;
    if (hit.end == "recovered") ++recovered;
    if (hit.time != 0) times.push_back(hit.time);
}

std::string FaultTable::Row::text(const std::string& name) const {
    return std::format("{:<16}{:>9}{:>9}{:>10}{:>11}{:>10}{:>10}\n", name, injected, detected, recovered,
                       share_of(times, 50), share_of(times, 99), share_of(times, 100));
}

void FaultTable::add(const FaultOutcome& outcome) {
    for (const Hit& hit : outcome.hits) {
        targets_[hit.target].add(hit);
        faults_[hit.fault].add(hit);
        all_.add(hit);
    }
    injected_ = all_.injected;
    LoadRow& row = (outcome.run.kind.silent ? silent_loads_ : loads_)[outcome.run.load.name];
    ++row.runs;
    ++(!outcome.orderly ? row.disorderly : outcome.right ? row.right : row.wrong);
}

std::string FaultTable::text() const {
    const auto head = [](const char* what) {
        return std::format("{:<16}{:>9}{:>9}{:>10}{:>11}{:>10}{:>10}\n", what, "injected", "detected",
                           "recovered", "median ms", "p99 ms", "max ms");
    };
    std::string text = head("target");
    for (const auto& [name, row] : targets_) text += row.text(name);
    text += "\n" + head("fault");
    for (const auto& [name, row] : faults_) text += row.text(name);
    text += "\n" + head("") + all_.text("all");
    const auto loads = [&text](const char* what, const std::map<std::string, LoadRow>& rows) {
        text += std::format("\n{:<40}{:>6}{:>7}{:>7}{:>11}\n", what, "runs", "right", "wrong", "no end");
        for (const auto& [name, row] : rows)
            text += std::format("{:<40}{:>6}{:>7}{:>7}{:>11}\n", name, row.runs, row.right, row.wrong,
                                row.disorderly);
    };
    loads("load", loads_);
    loads("load, with faults that may go unnoticed", silent_loads_);
    return text;
}

}  // namespace pith::tools
