// SPDX-License-Identifier: MIT
// Checks a timeline: the rules of the format that viewers forgive silently, and that what was to be seen is there.
#pragma once

#include <string>
#include <vector>

#include "tools/trace_check/json.hpp"

namespace pith::tools {

struct Wanted {
    std::vector<std::string> processes;  ///< names, without the number of a Linux process
    std::vector<std::string> slices;
    std::vector<std::string> instants;
    u32 open_calls = 0;  ///< calls that may be unanswered when the trace ends
};

/// What is wrong, a line each; empty: nothing. Each beginning has its end, on the same track and not before it; each
/// arrow has both ends, and they lie in slices; each call was answered, or its thread or the trace ended before.
std::string check_timeline(const Json& document, const Wanted& wanted);

}  // namespace pith::tools
