// SPDX-License-Identifier: MIT
// One boot, from QEMU's start to its end: carries the streams (protocol/mux.hpp), watches for a panic, the time limit
// and signals, and settles the exit status. One thread, one poll loop; it never blocks on a stream.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tools/runner/channels.hpp"
#include "tools/runner/options.hpp"
#include "tools/runner/qemu.hpp"
#include "tools/runner/terminal.hpp"

namespace pith::tools {

inline constexpr int kTimedOut = 124;
inline constexpr int kPanic = 125;
inline constexpr u32 kPanicCode = 125;    ///< what a panicking kernel writes to the debug exit port
inline constexpr char kEscapeKey = 0x1d;  ///< Ctrl-]; then x ends the guest

class Session {
  public:
    /// `signals` is a signalfd for SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH and SIGCONT.
    Session(const Options& options, Terminal& terminal, Qemu& qemu, int signals);

    /// Runs until QEMU has ended; our exit status. The end of `debugger` (a pidfd; -1: there is none) ends QEMU.
    int run(int debugger = -1);
    /// The guest asked for a reboot.
    bool reboot() const { return exit_ && exit_->reason == mux::ExitReason::reboot; }

  private:
    using Clock = std::chrono::steady_clock;
    enum class End { running, timed_out, signalled, escaped, broken_pipe, debugged };

    int poll_timeout();
    void poll_once();
    void finish();
    int status(int code);

    void read_input();
    void take_keys(std::string_view keys);
    void read_serial();
    void write_serial();
    void read_console();
    void read_errors();
    void read_signals();
    void write_stream(mux::Channel channel, int descriptor);
    void take_control(mux::ControlKind kind, std::string_view payload);
    void end_guest(End end);
    void say(std::string_view text);
    u64 now() const;
    int descriptor_of(mux::Channel channel) const;

    const Options& options_;
    Terminal& terminal_;
    Qemu& qemu_;
    const int signals_;
    int debugger_ = -1;
    const Clock::time_point start_ = Clock::now();
    Channels channels_;
    mux::Link link_;
    std::string wire_;     ///< frames on their way to the serial line
    std::string console_;  ///< the debug console's last lines
    std::string errors_;   ///< QEMU's own complaints
    std::string report_;   ///< lines for the end of the run
    std::string hits_;     ///< those for options.chaos_log
    std::optional<mux::ExitStatus> exit_;
    Clock::time_point exit_time_;
    End end_ = End::running;
    int signal_ = 0;
    bool ended_ = false;  ///< QEMU is gone
    bool input_open_ = true;
    bool escape_ = false;  ///< the last key was the escape key
    bool console_open_ = true;
    bool errors_open_ = true;
    bool serial_open_ = true;
};

}  // namespace pith::tools
