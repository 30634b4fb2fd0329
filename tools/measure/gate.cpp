// SPDX-License-Identifier: MIT
#include "tools/measure/gate.hpp"

#include <format>

namespace pith::tools {

std::vector<Verdict> judge(const std::vector<Row>& measured, const std::map<std::string, u64>& stored) {
    constexpr std::string_view kUnit = " insn";
    std::map<std::string, u64> missing = stored;
    std::vector<Verdict> verdicts;
    for (const Row& row : measured) {
        if (row.unit != "insn") continue;
        const auto before = missing.find(row.name + " insn");
        if (before == missing.end()) {
            verdicts.push_back(
                {row.name, false, std::format("{} instructions; there is no result stored\n", row.median)});
            continue;
        }
        const u64 most = row.bound != 0 ? row.bound : before->second + before->second * kGatePercent / 100;
        verdicts.push_back({row.name, row.median <= most, ""});
        if (row.median > most) {
            verdicts.back().text = std::format("{} instructions; {} are stored, and {} allowed\n", row.median,
                                               before->second, most);
        }
        missing.erase(before);
    }
    for (const auto& [name, median] : missing) {
        if (!name.ends_with(kUnit)) continue;
        verdicts.push_back({name.substr(0, name.size() - kUnit.size()), false,
                            std::format("{} instructions are stored; it was not measured\n", median)});
    }
    return verdicts;
}

}  // namespace pith::tools
