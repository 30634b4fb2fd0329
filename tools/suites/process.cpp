// SPDX-License-Identifier: MIT
#include "tools/suites/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    int read = -1, write = -1;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) fail(1, "{}", error_text("pipe"));
        read = ends[0];
        write = ends[1];
    }
};

/// What our own parent ignores or blocks (SIGINT, if it started us in the background) is not for what we run.
void default_signals() {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become(const Command& command, char** arguments, int output, int errors) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    default_signals();
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(errors, 2);
    if (!command.directory.empty() && ::chdir(command.directory.c_str()) != 0) {
        ::perror(command.directory.c_str());
        ::_exit(126);
    }
    for (const std::string& variable : command.environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::execvp(arguments[0], arguments);
    ::perror(arguments[0]);
    ::_exit(127);
}

/// Appends what there is; false at the end.
bool drain(int descriptor, std::string& to) {
    char chunk[65536];
    const ssize_t count = ::read(descriptor, chunk, sizeof(chunk));
    if (count > 0) to.append(chunk, static_cast<usize>(count));
    return count > 0 || (count < 0 && errno == EINTR);
}

}  // namespace

Finished run_command(const Command& command) {
    Pipe output, errors;
    std::vector<char*> arguments;
    for (const std::string& argument : command.arguments)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    const auto start = Clock::now();
    const pid_t pid = ::fork();
    if (pid < 0) fail(1, "{}", error_text("fork"));
    if (pid == 0)
        become(command, arguments.data(), output.write,
               command.separate_errors ? errors.write : output.write);
    ::setpgid(pid, pid);
    ::close(output.write);
    ::close(errors.write);
    Finished finished;
    bool timed_out = false;
    pollfd set[] = {{output.read, POLLIN, 0}, {errors.read, POLLIN, 0}};
    while (set[0].fd >= 0 || set[1].fd >= 0) {
        const std::chrono::duration<double> elapsed = Clock::now() - start;
        const double left = command.timeout - elapsed.count();
        if (left <= 0 && !timed_out) {
            timed_out = true;
            ::kill(-pid, SIGKILL);
        }
        ::poll(set, 2, timed_out ? 1000 : static_cast<int>(left * 1000) + 1);
        if (set[0].revents != 0 && !drain(output.read, finished.output)) set[0].fd = -1;
        if (set[1].revents != 0 && !drain(errors.read, finished.errors)) set[1].fd = -1;
        if (timed_out && set[0].revents == 0 && set[1].revents == 0)
            break;  // somebody left the group and holds on
    }
    ::close(output.read);
    ::close(errors.read);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    finished.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (timed_out) finished.status = 124;
    return finished;
}

}  // namespace pith::tools
