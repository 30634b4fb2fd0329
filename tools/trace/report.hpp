// SPDX-License-Identifier: MIT
// `./pith trace`: the trace of a machine that has ended, as a file with the timeline and as tables of where the time
// went.
#pragma once

#include <string>

#include "tools/trace/timeline.hpp"

namespace pith::tools {

/// The tables.
std::string summary(const Capture& capture, const Totals& totals);

/// Reads the trace from the machine's memory (a descriptor), writes the timeline to the file, and gives the tables.
std::string report_trace(int memory, const Protocols& protocols, const std::string& path);

}  // namespace pith::tools
