// SPDX-License-Identifier: MIT
// poll, select and epoll on AF_UNIX sockets: level, edge, one-shot, exclusive; what wakes whom.
#include "sockets.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int ep;
static char block[1 << 18];

static void add(int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {events, {.u64 = data}};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0) say("add: %s", strerrorname_np(errno));
}

static int by_data(const void* a, const void* b) {
    const struct epoll_event *x = a, *y = b;
    return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

static void look(const char* what) {
    struct epoll_event got[16];
    char line[256] = "";
    int n = epoll_wait(ep, got, 16, 0);
    if (n > 0) qsort(got, (size_t)n, sizeof got[0], by_data);
    for (int i = 0; i < n; i++) sprintf(line + strlen(line), " %lu:%x", (unsigned long)got[i].data.u64, got[i].events);
    say("%s: %d%s", what, n, line);
}

static void fresh(int type, int s[2]) {
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
    ep = epoll_create1(0);
}

static void level(int type) {
    int s[2];
    fresh(type, s);
    add(s[0], EPOLLIN, 1);
    add(s[1], EPOLLIN | EPOLLOUT, 2);
    look("writable");
    write(s[1], "abc", 3);
    look("data");
    look("still");
    read(s[0], block, 2);
    look("some read");
    read(s[0], block, 10);
    look("all read");
    while (write(s[1], block, 1000) > 0) {}
    look("full");
    while (read(s[0], block, 1000) > 0) {}
    look("empty");
    shutdown(s[1], SHUT_WR);
    look("half closed");
    close(s[1]);
    look("closed");
    close(s[0]), close(ep);
}

static void edge(int type) {
    int s[2];
    fresh(type, s);
    add(s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1);
    look("at first");
    look("then");
    write(s[1], "abc", 3);
    look("data");
    look("no more");
    write(s[1], "def", 3);
    look("more data");
    read(s[0], block, 3);
    look("some read");
    write(s[1], "g", 1);
    look("more data");
    while (read(s[0], block, 10) > 0) {}
    look("all read");
    write(s[0], "out", 3);
    look("sent");
    read(s[1], block, 10);
    look("peer has read");
    while (write(s[0], block, 1000) > 0) {}
    look("full");
    read(s[1], block, 1000);
    look("little room");
    while (read(s[1], block, 1000) > 0) {}
    look("room");
    shutdown(s[1], SHUT_WR);
    look("half closed");
    look("once");
    close(s[1]);
    look("closed");
    look("once");
    close(s[0]), close(ep);
}

static void once(void) {
    int s[2];
    fresh(SOCK_STREAM, s);
    add(s[0], EPOLLIN | EPOLLONESHOT, 1);
    write(s[1], "a", 1);
    look("first");
    write(s[1], "b", 1);
    look("used up");
    struct epoll_event e = {EPOLLIN | EPOLLONESHOT, {.u64 = 2}};
    epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &e);
    look("armed again");
    close(s[1]);
    look("closed");
    e.data.u64 = 3;
    epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &e);
    look("armed again");
    close(s[0]);
    look("nothing left");
    close(ep);
}

static void listeners(void) {
    int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), a;
    ep = epoll_create1(0);
    unix_bind(l, "@poll");
    add(l, EPOLLIN | EPOLLOUT | EPOLLET, 1);
    look("bound");
    listen(l, 5);
    look("listening");
    int c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), d = socket(AF_UNIX, SOCK_STREAM, 0);
    add(c, EPOLLIN | EPOLLOUT | EPOLLET, 2);
    look("not connected");
    unix_connect(c, "@poll");
    look("connected");
    unix_connect(d, "@poll");
    look("another");
    a = accept(l, 0, 0);
    look("accepted");
    write(a, "x", 1);
    look("data for the client");
    close(a);
    look("closed by the server");
    close(accept(l, 0, 0));
    shutdown(l, SHUT_RDWR);
    look("listener shut down");
    close(l), close(c), close(d), close(ep);
}

static int shared;
static void* waiter(void* count) {
    struct epoll_event e;
    int mine = epoll_create1(0);
    struct epoll_event want = {EPOLLIN | EPOLLEXCLUSIVE, {.u64 = 1}};
    epoll_ctl(mine, EPOLL_CTL_ADD, shared, &want);
    __atomic_add_fetch((int*)count, 1, __ATOMIC_SEQ_CST);
    if (epoll_wait(mine, &e, 1, 10000) == 1) {
        char c;
        if (read(shared, &c, 1) == 1) __atomic_add_fetch((int*)count + 1, 1, __ATOMIC_SEQ_CST);
    }
    close(mine);
    return 0;
}

static void exclusive(void) {
    int s[2], counts[2] = {0, 0};
    pthread_t t[4];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    shared = s[0];
    for (int i = 0; i < 4; i++) pthread_create(t + i, 0, waiter, counts);
    while (__atomic_load_n(counts, __ATOMIC_SEQ_CST) < 4) sleep_ms(1);
    for (int i = 0; i < 4; i++) {
        write(s[1], "x", 1);
        while (__atomic_load_n(counts + 1, __ATOMIC_SEQ_CST) < i + 1) sleep_ms(1);
    }
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    say("each had one: %d", counts[1]);
    close(s[0]), close(s[1]);
}

static void polls(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        write(s[1], "x", 1);
        sleep_ms(30);
        _exit(0);
    }
    struct pollfd p = {s[0], POLLIN, 0};
    say("waiting poll %d", poll(&p, 1, 10000));
    say("bits %x", p.revents);
    say_status("writer", pid);
    fd_set r, w, x;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&x);
    FD_SET(s[0], &r);
    FD_SET(s[0], &w);
    FD_SET(s[0], &x);
    say("select %d", select(s[0] + 1, &r, &w, &x, 0));
    say("read %d write %d except %d", !!FD_ISSET(s[0], &r), !!FD_ISSET(s[0], &w), !!FD_ISSET(s[0], &x));
    read(s[0], block, 1);
    pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        shutdown(s[1], SHUT_WR);
        _exit(0);
    }
    p.events = POLLRDHUP;
    say("waits for the end %d", poll(&p, 1, 10000));
    say("bits %x", p.revents);
    say_status("shutdown", pid);
    // Room to write.
    while (write(s[0], block, sizeof block) > 0) {}
    pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        long n, total = 0;
        while ((n = read(s[1], block, sizeof block)) > 0) total += n;
        _exit(total > 0 ? 0 : 1);
    }
    p.events = POLLOUT;
    say("waits for room %d", poll(&p, 1, 10000));
    say("bits %x", p.revents);
    say_status("reader", pid);
    // A pair where the other end is closed while polled.
    pid = fork();
    if (pid == 0) {
        close(s[0]);
        sleep_ms(30);
        _exit(0);
    }
    close(s[1]);
    p.events = 0;
    say("waits for the hang-up %d", poll(&p, 1, 10000));
    say("bits %x", p.revents);
    say_status("holder", pid);
    close(s[0]);
}

/// A sender that is connected to a datagram socket that is full.
static void full_peer(void) {
    int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    unix_bind(r, "@full");
    unix_connect(s, "@full");
    ep = epoll_create1(0);
    add(s, EPOLLOUT | EPOLLET, 1);
    look("at first");
    while (write(s, "x", 1) == 1) {}
    look("full");
    read(r, block, 1);
    look("one read");
    write(s, "x", 1);
    write(s, "x", 1);
    look("full again");
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        read(r, block, 1);
        _exit(0);
    }
    struct pollfd p = {s, POLLOUT, 0};
    say("poll %d", poll(&p, 1, 10000));
    say_status("reader", pid);
    while (write(s, "x", 1) == 1) {}
    pid = fork();
    close(r);
    if (pid == 0) {
        sleep_ms(30);
        _exit(0);
    }
    say("poll while the receiver goes %d", poll(&p, 1, 10000));
    say_status("receiver", pid);
    close(s), close(ep);
}

static volatile int io_code, io_fd, io_band;
static void on_io(int number, siginfo_t* info, void* context) {
    (void)number, (void)context;
    io_code = info->si_code, io_fd = info->si_fd, io_band = (int)info->si_band;
    signals_seen++;
}

/// O_ASYNC: the owner is told of data and of the end.
static void asynchronous(int number) {
    int s[2];
    struct sigaction action = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO};
    sigaction(number ? number : SIGIO, &action, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    signals_seen = 0;
    write(s[1], "x", 1);
    say("without owner: %d", signals_seen);
    fcntl(s[0], F_SETOWN, getpid());
    if (number) fcntl(s[0], F_SETSIG, number);
    write(s[1], "x", 1);
    say("not asked for: %d", signals_seen);
    int on = 1;
    ioctl(s[0], FIOASYNC, &on);
    write(s[1], "x", 1);
    say("data: %d, code %#x", signals_seen, (unsigned)io_code);
    if (number) say("descriptor %d, band %#x", io_fd == s[0], (unsigned)io_band);
    recv(s[0], block, 10, 0);
    say("read: %d", signals_seen);
    close(s[1]);
    say("closed: %d, code %#x", signals_seen, (unsigned)io_code);
    if (number) say("descriptor %d, band %#x", io_fd == s[0], (unsigned)io_band);
    close(s[0]);
    // Of another user.
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        if (setuid(4321) != 0) _exit(1);
        fcntl(s[0], F_SETOWN, parent);
        ioctl(s[0], FIOASYNC, &on);
        write(s[1], "x", 1);
        _exit(0);
    }
    signals_seen = 0;
    say_status("another user", pid);
    say("may not: %d", signals_seen);
    close(s[0]), close(s[1]);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        say("type %d", types[i]);
        level(types[i]);
        edge(types[i]);
    }
    once();
    listeners();
    exclusive();
    polls();
    full_peer();
    asynchronous(0);
    asynchronous(SIGRTMIN);
    return 0;
}
