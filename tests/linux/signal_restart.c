// SPDX-License-Identifier: MIT
// Blocked system calls and signals: EINTR, SA_RESTART, the remaining time of nanosleep, ppoll's mask, a handler that jumps.
#include "say.h"

#include <poll.h>
#include <setjmp.h>
#include <sys/time.h>

static volatile int count;
static sigjmp_buf jump;

static void handler(int number) {
    (void)number;
    count++;
}
static void jumper(int number) { siglongjmp(jump, number); }

static void install(void (*function)(int), int flags) {
    struct sigaction action = {.sa_handler = function, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
}

static void alarm_ms(long ms) {
    struct itimerval t = {{0, 0}, {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
}

int main(void) {
    int fds[2];
    char c = 0;
    if (pipe(fds) == -1) return 1;
    install(handler, 0);
    alarm_ms(30);
    const char* r = result(read(fds[0], &c, 1));
    say("read: %s, handler ran %d", r, count);

    install(handler, SA_RESTART);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(120);
        if (write(fds[1], "x", 1) != 1) _exit(1);
        _exit(0);
    }
    alarm_ms(30);
    r = result(read(fds[0], &c, 1));
    say("read with SA_RESTART: %s '%c', handler ran %d", r, c, count);
    say_status("writer", pid);

    alarm_ms(30);
    struct timespec time = {2, 0}, rest = {0, 0};
    r = result(nanosleep(&time, &rest));
    say("nanosleep (never restarted): %s, rest under 2 s %d, above 1 s %d", r, rest.tv_sec < 2, rest.tv_sec >= 1);
    struct pollfd p = {fds[0], POLLIN, 0};
    alarm_ms(30);
    say("poll (never restarted): %s", result(poll(&p, 1, 5000)));
    alarm_ms(30);
    say("pause: %s", result(pause()));
    pid = fork();
    if (pid == 0) {
        sleep_ms(120);
        _exit(5);
    }
    alarm_ms(30);
    say_status("wait with SA_RESTART", pid);
    install(handler, 0);
    pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    alarm_ms(30);
    say("wait: %s", result(waitpid(pid, NULL, 0)));
    kill(pid, SIGKILL);
    say_status("child", pid);

    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, &old);
    raise(SIGALRM);
    count = 0;
    struct timespec limit = {5, 0};
    r = result(ppoll(&p, 1, &limit, &old));
    say("ppoll with a pending signal: %s, handler ran %d", r, count);
    sigset_t now;
    sigprocmask(SIG_SETMASK, &old, &now);
    say("mask restored: %d", sigismember(&now, SIGALRM));

    install(jumper, 0);
    alarm_ms(30);
    int from = sigsetjmp(jump, 1);
    if (from == 0) {
        for (;;) {}  // a running program is interrupted too
    }
    say("jumped out of a loop: %d", from == SIGALRM);
    alarm_ms(30);
    from = sigsetjmp(jump, 1);
    if (from == 0) {
        if (read(fds[0], &c, 1) == 1) say("read something");
    }
    say("jumped out of a read: %d", from == SIGALRM);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("SIGALRM blocked: %d", sigismember(&now, SIGALRM));
    signal(SIGALRM, SIG_IGN);
    alarm_ms(10);
    pid = fork();
    if (pid == 0) {
        sleep_ms(50);
        if (write(fds[1], "y", 1) != 1) _exit(1);
        _exit(0);
    }
    r = result(read(fds[0], &c, 1));
    say("ignored signal does not interrupt: %s '%c'", r, c);
    say_status("writer", pid);
    return 0;
}
