// SPDX-License-Identifier: MIT
// pith_expect: runs a command on a pseudo-terminal of its own and talks to it by a script, as a person would. For tests.
//
//   pith_expect SCRIPT COMMAND ARG...
//
// Lines of SCRIPT (a file; '#' begins a comment):
//   send TEXT        types it; \n \r \t \e \\ \xHH are escapes (Enter is \r)
//   expect TEXT      waits until TEXT has come, after what earlier expects found
//   again SECONDS    from now on, what was typed last is typed again (after ^C) each so many seconds that it is waited for what comes of it: for a
//                    terminal that may lose what is typed
//   absent TEXT      TEXT has not come since the last expect's find
//   size ROWS COLUMNS, pause MILLISECONDS, limit SECONDS (for each expect; 60), end (waits for the command's end)
// Ends with the command's status, or 1 and what was seen when an expectation fails.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <sstream>

#include "tools/base/host.hpp"

namespace {

using namespace pith;
using namespace pith::tools;
using Clock = std::chrono::steady_clock;

std::string unescape(const std::string& text) {
    std::string result;
    for (usize at = 0; at < text.size(); ++at) {
        if (text[at] != '\\' || at + 1 == text.size()) {
            result += text[at];
            continue;
        }
        switch (const char c = text[++at]) {
            case 'n': result += '\n'; break;
            case 'r': result += '\r'; break;
            case 't': result += '\t'; break;
            case 'e': result += '\033'; break;
            case 'x':
                result += static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
                at += 2;
                break;
            default: result += c;
        }
    }
    return result;
}

class Talk {
  public:
    explicit Talk(char** command) {
        winsize size{24, 80, 0, 0};
        pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
        if (pid_ < 0) fail(1, "{}", error_text("forkpty"));
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execvp(command[0], command);
            ::perror(command[0]);
            ::_exit(127);
        }
    }
    ~Talk() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
    }

    void line(const std::string& text, usize number) {
        std::istringstream words(text);
        std::string verb;
        words >> verb >> std::ws;
        std::string rest;
        std::getline(words, rest);
        number_ = number;
        if (verb.empty() || verb.front() == '#') return;
        if (verb == "send") return send(unescape(rest));
        if (verb == "expect") return expect(unescape(rest));
        if (verb == "absent") return absent(unescape(rest));
        if (verb == "limit") limit_ = std::chrono::seconds(std::stoi(rest));
        else if (verb == "pause") listen(Clock::now() + std::chrono::milliseconds(std::stoi(rest)), "");
        else if (verb == "again") again_ = std::chrono::seconds(std::stoi(rest));
        else if (verb == "end") listen_and_type(Clock::now() + limit_, "\xff\xff");
        else if (verb == "size") resize(rest);
        else fail(kUsage, "line {}: unknown verb '{}'", number, verb);
    }

    /// Waits for the command's end; its status.
    int finish() {
        listen(Clock::now() + limit_, "\xff\xff");
        if (open_) complain("the command did not end");
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

  private:
    [[noreturn]] void complain(const std::string& what) {
        fail(1, "line {}: {}; it had printed:\n{}", number_, what, seen_);
    }

    void send(const std::string& text) {
        typed_ = text;
        type(text);
    }

    void type(const std::string& text) {
        if (::write(master_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            complain("could not type");
    }

    void expect(const std::string& text) {
        if (!listen_and_type(Clock::now() + limit_, text)) complain("'" + text + "' did not come");
        found_ = seen_.find(text, found_) + text.size();
    }

    void absent(const std::string& text) {
        if (seen_.find(text, found_) != std::string::npos) complain("'" + text + "' came");
    }

    void resize(const std::string& text) {
        winsize size{};
        std::istringstream(text) >> size.ws_row >> size.ws_col;
        ::ioctl(master_, TIOCSWINSZ, &size);
    }

    /// listen(), typing again what was typed last.
    bool listen_and_type(Clock::time_point until, const std::string& text) {
        while (again_ != again_.zero() && Clock::now() + again_ < until) {
            if (listen(Clock::now() + again_, text)) return true;
            if (!open_) return false;
            type("\x03" + typed_);
        }
        return listen(until, text);
    }

    /// Collects output until `text` is there, the time has come or the terminal is closed; whether it is there.
    bool listen(Clock::time_point until, const std::string& text) {
        for (;;) {
            if (!text.empty() && seen_.find(text, found_) != std::string::npos) return true;
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0 || !open_) return false;
            pollfd ready{master_, POLLIN, 0};
            if (::poll(&ready, 1, static_cast<int>(left)) <= 0) continue;
            char chunk[4096];
            const ssize_t count = ::read(master_, chunk, sizeof(chunk));
            if (count > 0) seen_.append(chunk, static_cast<usize>(count));
            else if (count == 0 || errno != EINTR) open_ = false;
        }
    }

    int master_ = -1;
    pid_t pid_ = -1;
    bool open_ = true;
    usize number_ = 0;
    std::string seen_;
    usize found_ = 0;
    Clock::duration limit_ = std::chrono::seconds(60);
    Clock::duration again_ = Clock::duration::zero();
    std::string typed_;
};

int run(int argc, char** argv) {
    if (argc < 3) fail(kUsage, "usage: pith_expect SCRIPT COMMAND ARG...");
    std::istringstream script(read_text(argv[1]));
    Talk talk(argv + 2);
    usize number = 0;
    for (std::string line; std::getline(script, line);) talk.line(line, ++number);
    return talk.finish();
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("pith_expect", [&] { return run(argc, argv); });
}
