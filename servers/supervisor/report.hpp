// SPDX-License-Identifier: MIT
// Lines for the system log, without ever waiting for it: the log may be what has just died. A line that the log does not take at once is
// kept (the last few) and offered again with each tick.
#pragma once

#include "lib/base/format.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/log.hpp"

namespace pith::supervisor {

class Reporter {
  public:
    void connect(Handle<Endpoint> log) { log_ = Client<Log>(std::move(log)); }
    template <typename... T>
    void line(Severity severity, std::string_view pattern, const T&... arguments) {
        char text[kLine];
        add(severity, format_to(text, pattern, arguments...));
    }
    /// Offers what is kept; true: nothing is left.
    bool flush();

  private:
    static constexpr usize kLines = 8;
    static constexpr usize kLine = 200;
    struct Line {
        Severity severity;
        u32 length;
        char text[kLine];
    };
    void add(Severity severity, std::string_view text);
    Client<Log> log_;
    Line lines_[kLines] = {};
    u32 first_ = 0;
    u32 count_ = 0;
};

}  // namespace pith::supervisor
