// SPDX-License-Identifier: MIT
// Rows as text and back.
#include <algorithm>
#include <regex>
#include <sstream>

#include "tools/base/host.hpp"
#include "tools/measure/suite.hpp"

namespace pith::tools {

Row make_row(const std::string& suite, const std::string& name, const std::string& unit,
             std::vector<u64> values, std::map<std::string, u64> peers) {
    std::ranges::sort(values);
    return {
        suite,           name, unit, values.front(), values[values.size() / 2], values.back(), values.size(),
        std::move(peers)};
}

std::string Row::json() const {
    std::string text = std::format(
        R"({{"suite":"{}","name":"{}","unit":"{}","min":{},"median":{},"max":{},"n":{})", suite, name, unit,
        min, median, max, n);
    for (const auto& [peer, value] : peers) text += std::format(",\"{}\":{}", peer, value);
    return text + "}";
}

std::string table_of(const std::vector<Row>& rows) {
    std::string text = std::format("{:<6}{:<20}{:<6}{:>12}{:>12}{:>12}{:>6}{:>8}{:>12}{:>8}\n", "suite",
                                   "name", "unit", "min", "median", "max", "n", "peer", "takes", "ratio");
    for (const Row& row : rows) {
        text += std::format("{:<6}{:<20}{:<6}{:>12}{:>12}{:>12}{:>6}", row.suite, row.name, row.unit, row.min,
                            row.median, row.max, row.n);
        for (const auto& [peer, value] : row.peers) {
            const double ratio = static_cast<double>(row.median) / static_cast<double>(value);
            text += std::format("{:>8}{:>12}{:>8.3f}", peer, value, ratio);
        }
        text += "\n";
    }
    return text;
}

std::map<std::string, u64> stored_medians(const std::string& file) {
    static const std::regex kRow(
        R"re(\{"suite":"\w+","name":"(\w+)","unit":"(\w+)","min":\d+,"median":(\d+),.*\})re");
    static const std::regex kHead(R"re(\{"suite":"\w+","commit":"\w+"\})re");
    std::istringstream lines(read_text(file));
    std::map<std::string, u64> medians;
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (++number == 1 && std::regex_match(line, kHead)) continue;
        if (!std::regex_match(line, match, kRow)) fail(1, "{}:{}: no result", file, number);
        const std::string name = match[1].str() + " " + match[2].str();
        if (!medians.emplace(name, std::stoull(match[3])).second)
            fail(1, "{}:{}: a second row {}", file, number, name);
    }
    return medians;
}

}  // namespace pith::tools
