// SPDX-License-Identifier: MIT
#include "tools/runner/session.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

using namespace std::chrono_literals;
using mux::Channel;

constexpr auto kExitGrace = 5s;  ///< from the exit status to the machine's end
constexpr usize kConsoleKept = 256 * 1024;
constexpr usize kChunk = 4096;  ///< a pipe that polls writable takes this much without blocking
constexpr Channel kIncoming[] = {Channel::tty, Channel::output, Channel::error, Channel::log};

/// Reads what is there into `to`; false at the end of the file.
bool read_into(int descriptor, std::string& to) {
    char chunk[65536];
    const ssize_t count = ::read(descriptor, chunk, sizeof(chunk));
    if (count > 0) to.append(chunk, static_cast<usize>(count));
    return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

}  // namespace

Session::Session(const Options& options, Terminal& terminal, Qemu& qemu, int signals)
    : options_(options),
      terminal_(terminal),
      qemu_(qemu),
      signals_(signals),
      channels_([this](mux::ControlKind kind, std::string_view payload) { take_control(kind, payload); }),
      link_(mux::Link::Side::host, channels_) {
    if (!options.log) channels_.discard(Channel::log);
    if (terminal.output() < 0) channels_.discard(Channel::tty);
    if (options.bare || options.debug) input_open_ = false;
}

u64 Session::now() const {
    return static_cast<u64>(std::chrono::nanoseconds(Clock::now() - start_).count()) + 1;
}

int Session::descriptor_of(Channel channel) const {
    switch (channel) {
        case Channel::tty: return terminal_.output();
        case Channel::output: return 1;
        default: return 2;
    }
}

int Session::run(int debugger) {
    debugger_ = debugger;
    while (!ended_) poll_once();
    finish();
    const int result = status(qemu_.wait());
    if (options_.chaos != 0 && report_.empty()) say("chaos: the run ended before it could report");
    if (!options_.chaos_log.empty()) write_file(options_.chaos_log, hits_);
    const std::string report = terminal_.for_stderr(report_);
    (void)!::write(2, report.data(), report.size());
    return result;
}

/// Milliseconds until something is due though no descriptor is ready; -1: nothing is.
int Session::poll_timeout() {
    auto wait = Clock::duration::max();
    const auto at_most = [&wait](Clock::duration other) {
        wait = std::min(wait, std::max(other, Clock::duration::zero()));
    };
    if (options_.timeout > 0) {
        const std::chrono::duration<double> limit(options_.timeout);
        at_most(start_ + std::chrono::duration_cast<Clock::duration>(limit) - Clock::now());
    }
    if (exit_) at_most(exit_time_ + kExitGrace - Clock::now());
    if (const u64 deadline = link_.deadline(); deadline != 0) {
        const u64 present = now();
        at_most(std::chrono::nanoseconds(deadline > present ? deadline - present : 0));
    }
    if (wait == Clock::duration::max()) return -1;
    return static_cast<int>(
        std::min<i64>(std::chrono::ceil<std::chrono::milliseconds>(wait).count(), 60'000));
}

void Session::poll_once() {
    u8 frame[mux::kMaxWireFrame];
    // Little is queued: an acknowledgement must not wait behind a lot of input.
    while (wire_.size() < mux::kMaxWireFrame) {
        const usize size = link_.produce(frame, now());
        if (size == 0) break;
        wire_.append(reinterpret_cast<const char*>(frame), size);
    }
    const Channel input = terminal_.input() ? Channel::tty : Channel::input;
    const auto want = [](bool yes, int descriptor, int events) {
        return pollfd{yes ? descriptor : -1, static_cast<short>(events), 0};
    };
    pollfd set[] = {
        want(true, signals_, POLLIN),
        want(true, qemu_.process(), POLLIN),
        want(serial_open_, qemu_.serial(), POLLIN | (wire_.empty() ? 0 : POLLOUT)),
        want(console_open_, qemu_.console(), POLLIN),
        want(errors_open_, qemu_.errors(), POLLIN),
        want(input_open_ && channels_.space(input) >= kChunk, 0, POLLIN),
        want(!channels_.arrived(Channel::tty).empty(), descriptor_of(Channel::tty), POLLOUT),
        want(!channels_.arrived(Channel::output).empty(), 1, POLLOUT),
        want(!channels_.arrived(Channel::error).empty() || !channels_.arrived(Channel::log).empty(), 2,
             POLLOUT),
        want(end_ == End::running, debugger_, POLLIN),
    };
    if (::poll(set, std::size(set), poll_timeout()) < 0 && errno != EINTR) fail(1, "{}", error_text("poll"));
    const auto ready = [&set](usize index) { return set[index].revents != 0; };
    if (ready(0)) read_signals();
    if (set[2].revents & (POLLIN | POLLHUP | POLLERR)) read_serial();
    if (set[2].revents & POLLOUT) write_serial();
    if (ready(3)) read_console();
    if (ready(4)) read_errors();
    if (ready(5)) read_input();
    if (ready(6)) write_stream(Channel::tty, descriptor_of(Channel::tty));
    if (ready(7)) write_stream(Channel::output, 1);
    if (ready(8)) write_stream(channels_.arrived(Channel::error).empty() ? Channel::log : Channel::error, 2);
    if (ready(9)) end_guest(End::debugged);
    if (ready(1)) ended_ = true;
    const std::chrono::duration<double> elapsed = Clock::now() - start_;
    if (options_.timeout > 0 && elapsed.count() >= options_.timeout) end_guest(End::timed_out);
    if (exit_ && Clock::now() >= exit_time_ + kExitGrace) qemu_.kill();
}

/// QEMU is gone: takes what is left in its sockets and writes out what is for our streams.
void Session::finish() {
    while (serial_open_) read_serial();
    while (console_open_) read_console();
    while (errors_open_) read_errors();
    if (end_ != End::running && end_ != End::timed_out) return;
    for (const Channel channel : kIncoming) {
        while (!channels_.arrived(channel).empty() && end_ != End::broken_pipe) {
            pollfd output{descriptor_of(channel), POLLOUT, 0};
            pollfd set[] = {output, {signals_, POLLIN, 0}};
            ::poll(set, 2, -1);
            if (set[1].revents != 0) read_signals();
            if (end_ == End::signalled) return;
            if (set[0].revents != 0) write_stream(channel, descriptor_of(channel));
        }
    }
}

int Session::status(int code) {
    if (end_ == End::timed_out) {
        say(std::format("timed out after {} s", options_.timeout));
        return kTimedOut;
    }
    if (end_ == End::signalled) return 128 + signal_;
    if (end_ == End::debugged) return 0;
    if (end_ == End::escaped) return 128 + SIGINT;
    if (end_ == End::broken_pipe) return 128 + SIGPIPE;
    const bool debug_exit = code % 2 == 1;
    const bool panic = debug_exit && static_cast<u32>(code) >> 1 == kPanicCode;
    if (exit_ && !panic) return static_cast<int>(exit_->status & 0xff);
    if (code == 1 && !errors_.empty()) fail(1, "{}", errors_.substr(0, errors_.find('\n')));
    if (options_.bare && debug_exit && !panic) return code >> 1;
    if (!options_.bare && !options_.log) {
        const std::string report = terminal_.for_stderr(console_);
        (void)!::write(2, report.data(), report.size());
    }
    const bool ended_by_root = console_.starts_with("root: ") || console_.contains("\nroot: ");
    say(!panic          ? "the machine stopped without an exit status"
        : ended_by_root ? "the system has stopped"
                        : "the kernel panicked");
    return kPanic;
}

void Session::say(std::string_view text) { terminal_.message(text); }

void Session::end_guest(End end) {
    if (end_ != End::running) return;
    end_ = end;
    qemu_.kill();
}

void Session::read_signals() {
    signalfd_siginfo signal;
    if (::read(signals_, &signal, sizeof(signal)) != sizeof(signal)) return;
    if (signal.ssi_signo == SIGWINCH) {
        const mux::WindowSize size = terminal_.size();
        if (size.rows != 0) channels_.send_control(mux::ControlKind::window_size, &size, sizeof(size));
    } else if (signal.ssi_signo == SIGCONT) {
        if (input_open_) terminal_.set_raw();
    } else if (!(options_.debug && signal.ssi_signo == SIGINT)) {
        signal_ = static_cast<int>(signal.ssi_signo);
        end_guest(End::signalled);
    }
}

void Session::read_input() {
    const Channel channel = terminal_.input() ? Channel::tty : Channel::input;
    char chunk[kChunk];
    const ssize_t count = ::read(0, chunk, sizeof(chunk));
    if (count > 0) {
        const std::string_view bytes(chunk, static_cast<usize>(count));
        if (terminal_.input()) take_keys(bytes);
        else channels_.send(channel, bytes);
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
        input_open_ = false;
        channels_.send_end(channel);
    }
}

void Session::take_keys(std::string_view keys) {
    for (const char key : keys) {
        if (!escape_ && key == kEscapeKey) {
            escape_ = true;
            continue;
        }
        if (escape_ && key == 'x') return end_guest(End::escaped);
        if (escape_ && key != kEscapeKey) channels_.send(Channel::tty, {&kEscapeKey, 1});
        escape_ = false;
        channels_.send(Channel::tty, {&key, 1});
    }
}

void Session::read_serial() {
    std::string bytes;
    serial_open_ = read_into(qemu_.serial(), bytes) && !(ended_ && bytes.empty());
    link_.feed({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, now());
}

void Session::write_serial() {
    const ssize_t count = ::send(qemu_.serial(), wire_.data(), wire_.size(), MSG_NOSIGNAL);
    if (count > 0) wire_.erase(0, static_cast<usize>(count));
    else if (count < 0 && errno != EINTR && errno != EAGAIN)
        wire_.clear();  // QEMU is going: its end is seen apart
}

void Session::read_console() {
    std::string bytes;
    console_open_ = read_into(qemu_.console(), bytes) && !(ended_ && bytes.empty());
    if (options_.bare || options_.log) {
        const std::string text = options_.bare ? bytes : terminal_.for_stderr(bytes);
        (void)!::write(options_.bare ? 1 : 2, text.data(), text.size());
    }
    console_ += bytes;
    if (console_.size() > kConsoleKept) console_.erase(0, console_.size() - kConsoleKept / 2);
}

void Session::read_errors() { errors_open_ = read_into(qemu_.errors(), errors_); }

void Session::write_stream(Channel channel, int descriptor) {
    const std::string_view bytes = channels_.arrived(channel).substr(0, kChunk);
    if (bytes.empty()) return;
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count > 0) {
        channels_.consume(channel, static_cast<usize>(count));
    } else if (count < 0 && errno != EINTR && errno != EAGAIN) {
        // Nobody reads any more. For stdout that ends the run, as SIGPIPE would; the rest is not worth it.
        channels_.discard(channel);
        if (channel == Channel::output) end_guest(End::broken_pipe);
    }
}

void Session::take_control(mux::ControlKind kind, std::string_view payload) {
    if (kind == mux::ControlKind::exit_status && payload.size() == sizeof(mux::ExitStatus)) {
        mux::ExitStatus exit;
        std::memcpy(&exit, payload.data(), sizeof(exit));
        exit_ = exit;
        exit_time_ = Clock::now();
        input_open_ = false;
    } else if (kind == mux::ControlKind::ready && payload.size() == sizeof(mux::Ready)) {
        mux::Ready ready;
        std::memcpy(&ready, payload.data(), sizeof(ready));
        if (!options_.ready_file.empty())
            write_file(options_.ready_file, std::format("{} {}\n", ready.ticks, now()));
    } else if (kind == mux::ControlKind::crash_line) {
        // Whoever asked for chaos is told of what was killed at the end.
        if (options_.chaos == 0 || options_.log || !payload.contains("crashed: killed")) say(payload);
    } else if (kind == mux::ControlKind::report_line) {
        (payload.starts_with("hit ") ? hits_ : report_) += std::string(payload) + '\n';
    }
}

}  // namespace pith::tools
