// SPDX-License-Identifier: MIT
// The ways out: return, exit with atexit functions, _exit, abort, a second exit in a handler, signals that dump core.
#include "say.h"

static void first(void) { say("first registered, last run"); }
static void second(void) { say("second registered"); }
static void on_abort(int number) { say("handler of %d", number); }

int main(void) {
    pid_t pid = fork();
    if (pid == 0) {
        atexit(first);
        atexit(second);
        exit(300);
    }
    say_status("exit", pid);
    pid = fork();
    if (pid == 0) {
        atexit(first);
        _exit(1);
    }
    say_status("_exit", pid);
    pid = fork();
    if (pid == 0) abort();
    say_status("abort", pid);
    pid = fork();
    if (pid == 0) {
        signal(SIGABRT, on_abort);
        abort();
    }
    say_status("abort with a handler", pid);
    pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_IGN);
        abort();
    }
    say_status("abort ignored", pid);
    for (int number = 1; number < 32; number++) {
        if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) continue;
        pid = fork();
        if (pid == 0) {
            raise(number);
            _exit(0);
        }
        char what[16];
        snprintf(what, sizeof what, "signal %d", number);
        say_status(what, pid);
    }
    int fds[2];
    if (pipe(fds) == -1) return 1;
    close(fds[0]);
    pid = fork();
    if (pid == 0) _exit(write(fds[1], "x", 1) == -1);
    say_status("writing to nobody", pid);
    signal(SIGPIPE, SIG_IGN);
    say("ignored: %s", result(write(fds[1], "x", 1)));
    return -1;
}
