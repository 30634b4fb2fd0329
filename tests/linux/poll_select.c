// SPDX-License-Identifier: MIT
// poll, ppoll, select, pselect: what they tell of each kind of file, timeouts and what is left of them, signal masks, bad
// arguments.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

static volatile int signals;
static void count(int number) { (void)number, signals++; }
static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static pid_t later(int fd, long ms, const char* text) {
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(ms);
        if (text) write(fd, text, strlen(text));
        _exit(0);
    }
    return pid;
}

int main(void) {
    int p[2], q[2], n;
    char buffer[64];
    pipe(p), pipe(q);
    int file = open("file", O_CREAT | O_RDWR, 0600), dir = open(".", O_RDONLY), null = open("/dev/null", O_RDWR), path = open("file", O_PATH);
    struct pollfd all[] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {file, POLLIN | POLLOUT, 0}, {dir, POLLIN, 0},
                           {null, POLLIN | POLLOUT | POLLPRI, 0}, {-1, POLLIN, 7}, {777, POLLIN, 0}, {path, POLLIN, 0}};
    n = poll(all, 8, 0);
    say("ready %d: %x %x %x %x %x %x %x %x", n, all[0].revents, all[1].revents, all[2].revents, all[3].revents, all[4].revents,
        all[5].revents, all[6].revents, all[7].revents);
    long start = now_ms();
    n = poll(all, 1, 50);
    say("timeout %d, waited %d", n, now_ms() - start >= 50 && now_ms() - start < 1000);
    later(p[1], 30, "x");
    n = poll(all, 1, -1);
    say("woken %d %x", n, all[0].revents);
    read(p[0], buffer, 1);
    wait(NULL);
    say("no files %d, bad count %s, bad address %s", poll(NULL, 0, 10), result(poll(all, 1 << 30, 0)), result(poll((void*)8, 1, 0)));
    struct pollfd two[] = {{p[0], POLLIN, 0}, {q[0], POLLIN, 0}};
    later(q[1], 20, "q");
    n = poll(two, 2, 5000);
    say("the second %d %x %x", n, two[0].revents, two[1].revents);
    read(q[0], buffer, 1);
    wait(NULL);
    pid_t pid = later(-1, 20, NULL);
    close(q[1]);
    n = poll(two, 2, 5000);
    say("hang-up %d %x %x", n, two[0].revents, two[1].revents);
    waitpid(pid, NULL, 0);

    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    say("poll is interrupted in spite of SA_RESTART: %s", result(poll(two, 1, 5000)));
    sigset_t blocked, empty;
    sigemptyset(&empty), sigemptyset(&blocked), sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGALRM);
    signals = 0;
    struct timespec t = {5, 0};
    say("ppoll lets it through: %s, handled %d", result(ppoll(two, 1, &t, &empty)), signals);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    say("mask is back %d", sigismember(&mask, SIGALRM));
    struct timespec left = {0, 80000000};
    syscall(SYS_ppoll, two, 1, &left, NULL, 8);
    say("ppoll's time is used up: %ld %ld", (long)left.tv_sec, left.tv_nsec);
    struct timespec bad = {0, 1000000000};
    say("bad time %s", result(ppoll(two, 1, &bad, NULL)));
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);

    fd_set r, w, e;
    FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&e);
    FD_SET(p[0], &r); FD_SET(file, &r); FD_SET(p[1], &w); FD_SET(null, &w); FD_SET(p[0], &e);
    n = select(20, &r, &w, &e, NULL);
    say("select %d: %d %d %d %d %d", n, FD_ISSET(p[0], &r), FD_ISSET(file, &r), FD_ISSET(p[1], &w), FD_ISSET(null, &w), FD_ISSET(p[0], &e));
    FD_ZERO(&r); FD_SET(p[0], &r);
    struct timeval tv = {0, 40000};
    start = now_ms();
    n = select(p[0] + 1, &r, NULL, NULL, &tv);
    say("select times out %d, left %ld.%06ld, set %d, waited %d", n, (long)tv.tv_sec, (long)tv.tv_usec, FD_ISSET(p[0], &r), now_ms() - start >= 40);
    later(p[1], 20, "z");
    FD_ZERO(&r); FD_SET(p[0], &r);
    tv = (struct timeval){5, 0};
    n = select(p[0] + 1, &r, NULL, NULL, &tv);
    say("select wakes %d %d, time is left %d", n, FD_ISSET(p[0], &r), tv.tv_sec == 4);
    wait(NULL);
    FD_ZERO(&r); FD_SET(777, &r);
    say("bad descriptor %s, negative count %s", result(select(778, &r, NULL, NULL, &tv)), result(select(-1, NULL, NULL, NULL, &tv)));
    tv = (struct timeval){-1, 0};
    say("negative time %s", result(select(0, NULL, NULL, NULL, &tv)));
    tv = (struct timeval){0, 10000};
    say("only sleeping %d", select(0, NULL, NULL, NULL, &tv));
    read(p[0], buffer, 1);
    signals = 0;
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGALRM);
    FD_ZERO(&r); FD_SET(p[0], &r);
    t = (struct timespec){5, 0};
    say("pselect %s, handled %d", result(pselect(p[0] + 1, &r, NULL, NULL, &t, &empty)), signals);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    struct rlimit limit = {6, 100};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct pollfd many[10] = {{0, 0, 0}};
    say("more than the limit of files %s", result(poll(many, 10, 0)));
    return 0;
}
