// SPDX-License-Identifier: MIT
// epoll: level and edge, one-shot, changes, hang-ups, closed descriptors, nesting and its limits, several waiters, errors.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep;
static struct epoll_event got[16];
static char buffer[65536];

static int add(int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {events, {.u64 = data}};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}
static int change(int fd, uint32_t events, uint64_t data) {
    struct epoll_event e = {events, {.u64 = data}};
    return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}
static int by_data(const void* a, const void* b) {
    const struct epoll_event *x = a, *y = b;
    return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}
static void wait_for(const char* what, int ms) {
    char line[256] = "";
    int n = epoll_wait(ep, got, 16, ms);
    if (n > 0) qsort(got, (size_t)n, sizeof got[0], by_data);
    for (int i = 0; i < n; i++) sprintf(line + strlen(line), " %lu:%x", (unsigned long)got[i].data.u64, got[i].events);
    say("%s: %d%s", what, n, n < 0 ? strerrorname_np(errno) : line);
}
static void* waiter(void* count) {
    struct epoll_event e;
    if (epoll_wait(ep, &e, 1, 300) == 1) __atomic_add_fetch((int*)count, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void) {
    int p[2], q[2];
    pipe(p), pipe2(q, O_NONBLOCK);
    ep = epoll_create1(EPOLL_CLOEXEC);
    say("add %s, twice %s", result(add(p[0], EPOLLIN, 1)), result(add(p[0], EPOLLIN, 1)));
    say("file %s, directory %s", result(add(open("f", O_CREAT | O_RDWR, 0600), EPOLLIN, 9)), result(add(open(".", O_RDONLY), EPOLLIN, 9)));
    say("itself %s, nothing %s, no epoll %s", result(add(ep, EPOLLIN, 9)), result(add(555, EPOLLIN, 9)),
        result(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], got)));
    say("change unknown %s, remove unknown %s, bad operation %s, bad address %s", result(change(p[1], EPOLLIN, 0)),
        result(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL)), result(epoll_ctl(ep, 77, p[0], got)), result(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], (void*)8)));
    say("wait for 0 %s, -1 %s", result(epoll_wait(ep, got, 0, 0)), result(epoll_wait(ep, got, -1, 0)));
    say("create flags %s, size %s", result(epoll_create1(99)), result(epoll_create(0)));
    wait_for("nothing", 0);
    wait_for("nothing in 20 ms", 20);
    write(p[1], "ab", 2);
    wait_for("level", 0), wait_for("level again", 0);
    read(p[0], buffer, 2);
    wait_for("read empty", 0);

    say("edge %s", result(change(p[0], EPOLLIN | EPOLLET, 2)));
    write(p[1], "a", 1);
    wait_for("edge", 0), wait_for("edge, once only", 0);
    write(p[1], "b", 1);
    wait_for("a new edge", 0);
    read(p[0], buffer, 1);
    wait_for("after a partial read", 0);
    change(p[0], EPOLLIN | EPOLLET, 3);
    wait_for("a change looks again", 0);
    read(p[0], buffer, 10);

    change(p[0], EPOLLIN | EPOLLONESHOT, 4);
    write(p[1], "c", 1);
    wait_for("one shot", 0);
    write(p[1], "d", 1);
    wait_for("disabled", 0);
    change(p[0], EPOLLIN | EPOLLONESHOT, 5);
    wait_for("armed again", 0);
    change(p[0], EPOLLIN, 1);

    add(q[1], EPOLLOUT, 20), add(q[0], EPOLLIN, 21);
    wait_for("three, two ready", 0);
    while (write(q[1], buffer, sizeof buffer) > 0) {}
    wait_for("full pipe", 0);
    change(q[1], EPOLLOUT | EPOLLET, 22);
    read(q[0], buffer, 8192);
    wait_for("room edge", 0), wait_for("no more", 0);
    close(q[1]);
    wait_for("its writer is gone", 0);
    while (read(q[0], buffer, sizeof buffer) > 0) {}
    wait_for("hang-up", 0);
    change(q[0], 0, 23);
    wait_for("hang-up comes unasked", 0);
    close(q[0]);
    read(p[0], buffer, 10);
    wait_for("closed files are gone", 0);
    int copy = dup(p[0]);
    close(p[0]);
    write(p[1], "x", 1);
    wait_for("closed, but for a duplicate", 0);
    say("remove by the duplicate %s", result(epoll_ctl(ep, EPOLL_CTL_DEL, copy, NULL)));
    close(copy);
    wait_for("gone", 0);

    int inner = epoll_create1(0), event = eventfd(0, EFD_NONBLOCK);
    struct epoll_event e = {EPOLLIN, {.u64 = 30}};
    epoll_ctl(inner, EPOLL_CTL_ADD, event, &e);
    add(inner, EPOLLIN, 31);
    wait_for("nested, nothing", 0);
    eventfd_write(event, 1);
    wait_for("nested", 0);
    struct pollfd pf = {ep, POLLIN, 0};
    say("poll of the set %d %x", poll(&pf, 1, 0), pf.revents);
    e.data.u64 = 32;
    say("a circle %s", result(epoll_ctl(inner, EPOLL_CTL_ADD, ep, &e)));
    int chain = ep;
    for (int i = 0; i < 6; i++) {
        int next = epoll_create1(0);
        int r = epoll_ctl(next, EPOLL_CTL_ADD, chain, &e);
        say("depth %d %s", i, result(r));
        chain = next;
    }
    eventfd_t value;
    eventfd_read(event, &value);
    wait_for("read", 0);

    int woken = 0;
    pthread_t threads[3];
    int one = eventfd(0, 0);
    add(one, EPOLLIN | EPOLLET, 40);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, waiter, &woken);
    sleep_ms(50);
    eventfd_write(one, 1);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    say("one edge wakes %d of 3", woken);
    if (fork() == 0) {
        sleep_ms(30);
        eventfd_write(one, 1);
        _exit(0);
    }
    wait_for("from another process", 2000);
    wait(NULL);
    int many[30];
    for (int i = 0; i < 30; i++) many[i] = eventfd(1, 0), add(many[i], EPOLLIN, 100 + (uint64_t)i);
    int seen = 0;
    uint64_t mask = 0;
    for (int i = 0; i < 6; i++) {
        int n = epoll_wait(ep, got, 5, 0);
        seen += n;
        for (int k = 0; k < n; k++) mask |= 1ull << (got[k].data.u64 - 100);
    }
    say("30 ready, five at a time: %d, all seen %d", seen, mask == (1ull << 30) - 1);
    return 0;
}
