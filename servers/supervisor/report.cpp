// SPDX-License-Identifier: MIT
// Keeping and offering lines.
#include "servers/supervisor/report.hpp"

#include <cstring>

namespace pith::supervisor {

void Reporter::add(Severity severity, std::string_view text) {
    if (count_ == kLines) {
        first_ = (first_ + 1) % kLines;
        count_--;
    }
    Line& line = lines_[(first_ + count_++) % kLines];
    line.severity = severity;
    line.length = static_cast<u32>(text.size());
    std::memcpy(line.text, text.data(), text.size());
    flush();
}

bool Reporter::flush() {
    while (count_ != 0) {
        if (!log_.valid()) return true;
        const Line& line = lines_[first_];
        Log::Write write{static_cast<u32>(line.severity), line.length, {}};
        std::memcpy(write.text, line.text, line.length);
        // Only if the log is waiting for it now.
        if (!log_.send(write, abi::kPoll).ok()) return false;
        first_ = (first_ + 1) % kLines;
        count_--;
    }
    return true;
}

}  // namespace pith::supervisor
