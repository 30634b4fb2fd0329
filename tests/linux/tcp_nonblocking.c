// SPDX-License-Identifier: MIT
// Non-blocking TCP: connect in progress and how it is told, accept and transfer that would block, epoll with edges, one process that serves many.
#include "inet.h"

#include <sys/epoll.h>

static char block[1 << 17];

static void connecting(void) {
    struct sockaddr_in at;
    int listener = make_listener(8, &at), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    say("accept %s", result(accept(listener, 0, 0)));
    say("connect %s", result(connect(c, (void*)&at, sizeof at)));
    say("writable %d", wait_for(c, POLLOUT));
    say("error %s, events %s", so_error_name(c), events(c));
    say("connect %s", result(connect(c, (void*)&at, sizeof at)));
    say("connect %s", result(connect(c, (void*)&at, sizeof at)));
    wait_for(listener, POLLIN);
    int s = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    say("accept %s, flags %d %d", result(s), (fcntl(s, F_GETFL) & O_NONBLOCK) != 0, fcntl(s, F_GETFD));
    say("recv %s, send %s", got(recv(s, block, 1, 0)), got(send(s, "a", 1, 0)));
    close(s), close(c);
    close(listener);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("nobody: connect %s", result(connect(c, (void*)&at, sizeof at)));
    say("told %d", wait_for(c, POLLOUT));
    say("events %s", events(c));
    say("send %s", got(send(c, "x", 1, MSG_NOSIGNAL)));
    say("error %s", so_error_name(c));
    say("events %s", events(c));
    say("send %s", got(send(c, "x", 1, MSG_NOSIGNAL)));
    say("recv %s", got(recv(c, block, 1, 0)));
    for (int i = 0; i < 2; i++) say("connect %s", result(connect(c, (void*)&at, sizeof at)));
    close(c);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("nobody: connect %s", result(connect(c, (void*)&at, sizeof at)));
    wait_for(c, POLLOUT);
    say("connect tells it %s", result(connect(c, (void*)&at, sizeof at)));
    say("error %s", so_error_name(c));
    close(c);
}

static void full(void) {
    int p[2];
    make_pair(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET}, out;
    long sent = 0, n;
    while ((n = send(p[0], block, sizeof block, 0)) > 0) sent += n;
    say("full: %s", result(n));
    epoll_ctl(set, EPOLL_CTL_ADD, p[0], &event);
    say("edges %d", epoll_wait(set, &out, 1, 0));
    long received = 0;
    while (received < sent) {
        n = recv(p[1], block, sizeof block, 0);
        if (n > 0) received += n;
        else wait_for(p[1], POLLIN);
    }
    n = epoll_wait(set, &out, 1, 1000);
    say("all is there %d, edges %ld %x", received == sent, n, out.events);
    say("once %d", epoll_wait(set, &out, 1, 0));
    close(p[0]), close(p[1]), close(set);
}

/// One process and epoll, many clients in others.
static void serving(void) {
    enum { kClients = 20, kRounds = 20 };
    struct sockaddr_in at;
    int listener = make_listener(64, &at), set = epoll_create1(0), ended = 0;
    fcntl(listener, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, out[16];
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
    pid_t children[4];
    for (int c = 0; c < 4; c++) {
        children[c] = fork();
        if (children[c] != 0) continue;
        int fds[kClients / 4], wrong = 0;
        for (int i = 0; i < kClients / 4; i++) {
            fds[i] = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(fds[i], (void*)&at, sizeof at) != 0) wrong++;
        }
        for (int r = 0; r < kRounds; r++)
            for (int i = 0; i < kClients / 4; i++) {
                char text[100], answer[100];
                memset(text, 'a' + (r + i) % 26, sizeof text);
                if (write(fds[i], text, sizeof text) != sizeof text) wrong++;
                if (recv(fds[i], answer, sizeof answer, MSG_WAITALL) != sizeof answer || memcmp(text, answer, sizeof text) != 0) wrong++;
            }
        _exit(wrong != 0);
    }
    while (ended < kClients) {
        int n = epoll_wait(set, out, 16, 10000);
        if (n <= 0) break;
        for (int i = 0; i < n; i++) {
            int fd = out[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
                    event.data.fd = fd;
                    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
                }
                continue;
            }
            long size = read(fd, block, sizeof block);
            if (size > 0) {
                if (write(fd, block, (size_t)size) != size) say("short write");
            } else if (size == 0) {
                close(fd);
                ended++;
            }
        }
    }
    say("served %d", ended);
    for (int c = 0; c < 4; c++) say_status("client", children[c]);
    close(listener), close(set);
}

int main(void) {
    connecting();
    full();
    serving();
    return 0;
}
