// SPDX-License-Identifier: MIT
#include "tools/runner/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace pith::tools {

Terminal::Terminal() {
    for (int descriptor = 0; descriptor < 3; ++descriptor) {
        // Opening takes the lowest free number: this one.
        if (::fcntl(descriptor, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
        streams_.tty[descriptor] = ::isatty(descriptor) == 1;
    }
    if (streams_.tty[1]) {
        output_ = 1;
    } else if (streams_.tty[2]) {
        output_ = 2;
    } else if (streams_.tty[0]) {
        output_ = ::open("/proc/self/fd/0", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    }
    const mux::WindowSize window = size();
    if (window.rows != 0 && window.columns != 0) {
        streams_.rows = window.rows;
        streams_.columns = window.columns;
    }
}

mux::WindowSize Terminal::size() const {
    winsize window{};
    for (int descriptor = 0; descriptor < 3; ++descriptor) {
        if (streams_.tty[descriptor] && ::ioctl(descriptor, TIOCGWINSZ, &window) == 0) break;
    }
    return {window.ws_row, window.ws_col, window.ws_xpixel, window.ws_ypixel};
}

void Terminal::set_raw() {
    if (!streams_.tty[0]) return;
    termios mode{};
    if (!raw_ && ::tcgetattr(0, &saved_) != 0) return;
    mode = saved_;
    ::cfmakeraw(&mode);
    if (::tcsetattr(0, TCSADRAIN, &mode) == 0) raw_ = true;
}

void Terminal::restore() {
    if (!raw_) return;
    ::tcsetattr(0, TCSADRAIN, &saved_);
    raw_ = false;
}

std::string Terminal::for_stderr(std::string_view lines) const {
    if (!raw_ || !streams_.tty[2]) return std::string(lines);
    std::string result;
    for (const char c : lines) {
        if (c == '\n') result += '\r';
        result += c;
    }
    return result;
}

void Terminal::message(std::string_view text) const {
    const std::string line = for_stderr("pith: " + std::string(text) + "\n");
    (void)!::write(2, line.data(), line.size());
}

}  // namespace pith::tools
