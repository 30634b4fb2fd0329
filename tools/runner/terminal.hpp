// SPDX-License-Identifier: MIT
// Our own terminal, if one of the three streams is one: its size, its raw mode, and giving back the mode it had.
#pragma once

#include <termios.h>

#include <string>
#include <string_view>

#include "protocol/mux.hpp"
#include "tools/runner/config.hpp"

namespace pith::tools {

class Terminal {
  public:
    /// Looks at descriptors 0, 1 and 2; those that are closed are opened on /dev/null first.
    Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() { restore(); }

    bool any() const { return streams_.tty[0] || streams_.tty[1] || streams_.tty[2]; }
    bool input() const { return streams_.tty[0]; }
    /// Where the guest's terminal output goes; -1: nowhere.
    int output() const { return output_; }
    const Streams& streams() const { return streams_; }
    mux::WindowSize size() const;

    /// Raw mode, where stdin is a terminal: each key goes to the guest, whose own terminal interprets it.
    void set_raw();
    void restore();

    /// A line of ours on stderr, "pith: text". Correct in raw mode too.
    void message(std::string_view text) const;
    /// Lines of the guest for stderr (log, panic report); gets carriage returns where the terminal is raw.
    std::string for_stderr(std::string_view lines) const;

  private:
    Streams streams_;
    int output_ = -1;
    bool raw_ = false;
    termios saved_{};
};

}  // namespace pith::tools
