// SPDX-License-Identifier: MIT
#include "tools/measure/gate.hpp"

#include <algorithm>
#include <array>
#include <format>

namespace pith::tools {

namespace {

/// Units that repeat to the digit, and so can be held against what is stored.
constexpr std::array<std::string_view, 3> kExact = {"insn", "bytes", "lines"};

bool exact(std::string_view unit) { return std::ranges::find(kExact, unit) != kExact.end(); }

}  // namespace

std::vector<Verdict> judge(const std::vector<Row>& measured, const std::map<std::string, u64>& stored) {
    std::map<std::string, u64> missing = stored;
    std::vector<Verdict> verdicts;
    for (const Row& row : measured) {
        if (!exact(row.unit)) continue;
        const auto before = missing.find(row.name + " " + row.unit);
        if (before == missing.end()) {
            verdicts.push_back(
                {row.name, false, std::format("{} {}; there is no result stored\n", row.median, row.unit)});
            continue;
        }
        const u64 most = row.varies
                             ? row.most
                             : std::min(before->second + before->second * kGatePercent / 100, row.most);
        verdicts.push_back({row.name, row.median <= most, ""});
        if (row.median > most) {
            verdicts.back().text = std::format("{} {}; {} are stored, and {} allowed\n", row.median, row.unit,
                                               before->second, most);
        }
        missing.erase(before);
    }
    for (const auto& [name, median] : missing) {
        const usize space = name.find(' ');
        const std::string unit = name.substr(space + 1);
        if (!exact(unit)) continue;
        verdicts.push_back({name.substr(0, space), false,
                            std::format("{} {} are stored; it was not measured\n", median, unit)});
    }
    return verdicts;
}

}  // namespace pith::tools
