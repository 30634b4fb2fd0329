// SPDX-License-Identifier: MIT
// Keeping and offering lines.
#include "servers/supervisor/report.hpp"

#include <algorithm>
#include <cstring>

namespace pith::supervisor {

void Reporter::open(ReportLines& kept) {
    kept_ = &kept;
    if (kept.first >= kReportLines || kept.count > kReportLines) kept.first = kept.count = 0;
    for (ReportLine& line : kept.lines) line.length = std::min<u32>(line.length, kReportLength);
}

void Reporter::add(Severity severity, std::string_view text) {
    ReportLines& kept = *kept_;
    if (kept.count == kReportLines) {
        kept.first = (kept.first + 1) % kReportLines;
        kept.count--;
    }
    ReportLine& line = kept.lines[(kept.first + kept.count) % kReportLines];
    line.severity = severity;
    line.length = static_cast<u32>(text.size());
    std::memcpy(line.text, text.data(), text.size());
    kept.count++;
    flush();
}

bool Reporter::flush() {
    ReportLines& kept = *kept_;
    while (kept.count != 0) {
        if (!log_.valid()) return true;
        const ReportLine& line = kept.lines[kept.first];
        Log::Write write{static_cast<u32>(line.severity), line.length, {}};
        std::memcpy(write.text, line.text, line.length);
        // Only if the log is waiting for it now.
        if (!log_.send(write, abi::kPoll).ok()) return false;
        kept.first = (kept.first + 1) % kReportLines;
        kept.count--;
    }
    return true;
}

}  // namespace pith::supervisor
