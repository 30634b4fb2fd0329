// SPDX-License-Identifier: MIT
// eventfd, timerfd, signalfd, memfd: what they count, when they are ready, their errors.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static int bits(int fd, int ms) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, ms);
    return p.revents;
}

static void events(void) {
    int fd = eventfd(3, EFD_NONBLOCK);
    eventfd_t value;
    say("bits %d", bits(fd, 0));
    int r = eventfd_read(fd, &value);
    say("read %s %ld", result(r), (long)value);
    say("empty %s, bits %d", result(eventfd_read(fd, &value)), bits(fd, 0));
    eventfd_write(fd, 5), eventfd_write(fd, 6);
    eventfd_read(fd, &value);
    say("sum %ld", (long)value);
    say("largest %s, more %s, too large %s", result(eventfd_write(fd, ~0ull - 1)), result(eventfd_write(fd, 1)), result(eventfd_write(fd, ~0ull)));
    say("bits of the full %d", bits(fd, 0));
    char small[4];
    say("short read %s, short write %s", result(read(fd, small, 4)), result(write(fd, small, 4)));
    int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        r = eventfd_read(semaphore, &value);
        say("semaphore %s %ld", result(r), (long)value);
    }
    say("bad flags %s", result(eventfd(0, 0x10)));
    int blocking = eventfd(0, 0);
    if (fork() == 0) {
        sleep_ms(20);
        eventfd_write(blocking, 9);
        _exit(0);
    }
    eventfd_read(blocking, &value);
    say("waited for %ld", (long)value);
    wait(NULL);
    say("seek %s", result(lseek(fd, 0, SEEK_SET)));
}

static void timers(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t count;
    struct itimerspec t = {{0, 0}, {0, 30000000}}, old;
    say("unarmed %s", result(read(fd, &count, 8)));
    say("set %s, ready yet %d", result(timerfd_settime(fd, 0, &t, NULL)), bits(fd, 0) & POLLIN);
    timerfd_gettime(fd, &old);
    say("left %d", old.it_value.tv_sec == 0 && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 30000000);
    say("ready %d", bits(fd, 2000) & POLLIN);
    long n = read(fd, &count, 8);
    say("read %ld %ld", n, (long)count);
    timerfd_gettime(fd, &old);
    say("disarmed %d", old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0);
    t = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    timerfd_settime(fd, 0, &t, NULL);
    sleep_ms(100);
    read(fd, &count, 8);
    say("periods %d", count >= 9 && count < 60);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    t = (struct itimerspec){{0, 0}, now};
    say("in the past %s, ready %d", result(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, &old)), bits(fd, 1000) & POLLIN);
    say("old interval %ld", old.it_interval.tv_nsec);
    t = (struct itimerspec){{0, 0}, {0, 1000000000}};
    say("bad time %s, no timer %s, bad clock %s, bad flags %s", result(timerfd_settime(fd, 0, &t, NULL)), result(timerfd_settime(1, 0, &t, NULL)),
        result(timerfd_create(55, 0)), result(timerfd_create(CLOCK_REALTIME, 5)));
    int real = timerfd_create(CLOCK_REALTIME, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_nsec += 20000000;
    if (now.tv_nsec >= 1000000000) now.tv_nsec -= 1000000000, now.tv_sec++;
    t = (struct itimerspec){{0, 0}, now};
    timerfd_settime(real, TFD_TIMER_ABSTIME, &t, NULL);
    n = read(real, &count, 8);
    say("blocking read %ld %ld", n, (long)count);
    say("write %s", result(write(real, &count, 8)));
}

static void signals(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info[3];
    say("none %s, bits %d", result(read(fd, info, sizeof info)), bits(fd, 0));
    kill(getpid(), SIGUSR2), raise(SIGUSR1), kill(getpid(), SIGUSR1);
    say("bits %d", bits(fd, 0) & POLLIN);
    long n = read(fd, info, sizeof info);
    say("read %ld", n / (long)sizeof info[0]);
    int usr1 = 0, usr2 = 0;
    for (long i = 0; i < n / (long)sizeof info[0]; i++) {
        usr1 += info[i].ssi_signo == SIGUSR1, usr2 += info[i].ssi_signo == SIGUSR2;
        if (info[i].ssi_pid != (uint32_t)getpid()) say("wrong sender");
    }
    say("usr1 at least one %d, usr2 %d", usr1 >= 1, usr2);
    say("short buffer %s", result(read(fd, info, 10)));
    pid_t pid = fork();
    if (pid == 0) _exit(7);
    say("child's end %d", bits(fd, 2000) & POLLIN);
    read(fd, info, sizeof info[0]);
    say("signal %d status %d code %d from it %d", info[0].ssi_signo, info[0].ssi_status, info[0].ssi_code, info[0].ssi_pid == (uint32_t)pid);
    wait(NULL);
    sigemptyset(&set), sigaddset(&set, SIGUSR2);
    say("new set %d", signalfd(fd, &set, 0) == fd);
    raise(SIGUSR1);
    say("not in it %d", bits(fd, 0) & POLLIN);
    int blocking = signalfd(-1, &set, 0);
    if (fork() == 0) {
        sleep_ms(30);
        kill(getppid(), SIGUSR2);
        _exit(0);
    }
    n = read(blocking, info, sizeof info[0]);
    say("blocking %ld %d", n / (long)sizeof info[0], info[0].ssi_signo);
    wait(NULL);
    say("no signalfd %s", result(signalfd(1, &set, 0)));
}

static void memory_files(void) {
    int fd = memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    struct stat s;
    char text[64] = {0}, path[64];
    write(fd, "memory", 6);
    fstat(fd, &s);
    say("memfd mode %o size %ld links %ld", s.st_mode, (long)s.st_size, (long)s.st_nlink);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    readlink(path, text, sizeof text - 1);
    say("%s", text);
    say("reopened %ld", (long)pread(open(path, O_RDONLY), text, 6, 0));
    say("seals %d, seal %s", fcntl(fd, F_GET_SEALS), result(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)));
    say("shrink %s, grow %s, write in it %s, behind it %s", result(ftruncate(fd, 1)), result(ftruncate(fd, 100)), result(pwrite(fd, "M", 1, 0)),
        result(pwrite(fd, "MM", 2, 5)));
    say("seal writing %s, write %s", result(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), result(pwrite(fd, "M", 1, 0)));
    say("seal sealing %s, more %s", result(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)), result(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)));
    say("without sealing %d", fcntl(memfd_create("x", 0), F_GET_SEALS));
    say("of a file %s", result(fcntl(open("file", O_CREAT | O_RDWR, 0600), F_ADD_SEALS, F_SEAL_WRITE)));
    say("bad flags %s", result(memfd_create("x", 0x8000)));
    char longer[300];
    memset(longer, 'a', 299), longer[299] = 0;
    say("long name %s", result(memfd_create(longer, 0)));
}

int main(void) {
    events();
    timers();
    signals();
    memory_files();
    return 0;
}
