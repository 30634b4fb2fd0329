// SPDX-License-Identifier: MIT
// The gate: counts of instructions, bytes and lines may not creep up. What was measured now is held against what bench/results has.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/measure/suite.hpp"

namespace pith::tools {

/// A row without a bound of its own is let pass at up to so much more than the stored median.
inline constexpr u64 kGatePercent = 5;

struct Verdict {
    std::string row;  ///< its name
    bool passed = false;
    std::string text;  ///< of a failure: why, with both figures
};

/// One verdict for each row in insn, bytes or lines that either side has; a row that only one side has fails, and so does
/// one beyond the bound that it has itself.
std::vector<Verdict> judge(const std::vector<Row>& measured, const std::map<std::string, u64>& stored);

}  // namespace pith::tools
