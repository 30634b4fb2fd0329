// SPDX-License-Identifier: MIT
// getrlimit, setrlimit, prlimit: descriptors, file size (SIGXFSZ), stack, address space, core; inherited by fork and exec.
#include "say.h"

#include <sys/resource.h>

static int dig(int depth) {
    volatile char frame[1024];
    frame[0] = 1;
    return depth == 0 ? 0 : dig(depth - 1) + frame[0];
}

int main(int argc, char** argv) {
    struct rlimit limit;
    if (argc > 1) {
        getrlimit(RLIMIT_NOFILE, &limit);
        say("after exec: NOFILE %ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
        getrlimit(RLIMIT_CORE, &limit);
        say("after exec: CORE %ld", (long)limit.rlim_cur);
        return argv[1][0] == 'x' ? 0 : 1;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    say("NOFILE at least 256: %d, cur <= max: %d", limit.rlim_cur >= 256, limit.rlim_cur <= limit.rlim_max);
    limit.rlim_cur = 10;
    say("set: %s", result(setrlimit(RLIMIT_NOFILE, &limit)));
    int last = -1, fd;
    while ((fd = dup(0)) >= 0) last = fd;
    say("last descriptor %d, then %s", last, strerrorname_np(errno));
    say("dup2 beyond: %s", result(dup2(0, 10)));
    int fds[2];
    say("pipe: %s", result(pipe(fds)));
    for (fd = 3; fd <= last; fd++) close(fd);
    limit.rlim_cur = 30;
    limit.rlim_max = 20;
    say("cur above max: %s", result(setrlimit(RLIMIT_NOFILE, &limit)));
    say("no such limit: %s", result(getrlimit(99, &limit)));

    limit = (struct rlimit){1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    fd = open("limited", O_CREAT | O_RDWR, 0600);
    char data[800];
    memset(data, 'd', sizeof data);
    long first = write(fd, data, sizeof data), second = write(fd, data, sizeof data);
    say("file size: %ld, then %ld", first, second);
    pid_t pid = fork();
    if (pid == 0) _exit(write(fd, data, sizeof data) == -1 ? 1 : 0);
    say_status("beyond", pid);
    signal(SIGXFSZ, SIG_IGN);
    say("ignored: %s", result(write(fd, data, 1)));
    unlink("limited");

    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    pid = fork();
    if (pid == 0) {
        limit = (struct rlimit){12, 34};
        setrlimit(RLIMIT_NOFILE, &limit);
        execl("/proc/self/exe", "rlimits", "x", NULL);
        _exit(1);
    }
    say_status("child", pid);
    getrlimit(RLIMIT_NOFILE, &limit);
    say("mine is still %ld", (long)limit.rlim_cur);
    struct rlimit other;
    say("prlimit of oneself: %s", result(prlimit(getpid(), RLIMIT_NOFILE, NULL, &other)));
    say("same: %d", other.rlim_cur == limit.rlim_cur);

    getrlimit(RLIMIT_STACK, &limit);
    say("stack of 8 MiB: %d", limit.rlim_cur == 8 << 20);
    pid = fork();
    if (pid == 0) _exit(dig(6000) == 6000 ? 0 : 1);
    say_status("6 MiB of stack", pid);
    pid = fork();
    if (pid == 0) _exit(dig(10000) == 10000 ? 0 : 1);
    say_status("10 MiB of stack", pid);
    pid = fork();
    if (pid == 0) {
        limit = (struct rlimit){64 << 20, 64 << 20};
        setrlimit(RLIMIT_AS, &limit);
        void* p = mmap(NULL, 256 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        say("address space: %s", p == MAP_FAILED ? strerrorname_np(errno) : "ok");
        p = mmap(NULL, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        say("a part of it: %s", p == MAP_FAILED ? strerrorname_np(errno) : "ok");
        _exit(0);
    }
    say_status("limited", pid);
    return 0;
}
