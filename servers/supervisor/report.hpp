// SPDX-License-Identifier: MIT
// Lines for the system log, without ever waiting for it: the log may be what has just died. A line that the
// log does not take at once is kept (the last few) and offered again with each tick.
#pragma once

#include "lib/base/format.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/log.hpp"

namespace pith::supervisor {

inline constexpr usize kReportLines = 8;
inline constexpr usize kReportLength = 200;

struct ReportLine {
    Severity severity;
    u32 length;
    char text[kReportLength];
};

/// What the log has not taken yet; a part of the records, so that a successor offers it.
struct ReportLines {
    u32 first;
    u32 count;
    ReportLine lines[kReportLines];
};

class Reporter {
  public:
    /// Puts lines in `kept`, which may hold a predecessor's.
    void open(ReportLines& kept);
    void connect(Handle<Endpoint> log) { log_ = Client<Log>(std::move(log)); }
    template <typename... T>
    void line(Severity severity, std::string_view pattern, const T&... arguments) {
        char text[kReportLength];
        add(severity, format_to(text, pattern, arguments...));
    }
    /// Offers what is kept; true: nothing is left.
    bool flush();

  private:
    void add(Severity severity, std::string_view text);
    Client<Log> log_;
    ReportLines* kept_ = nullptr;
};

}  // namespace pith::supervisor
