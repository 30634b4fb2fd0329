// SPDX-License-Identifier: MIT
// TCP_DEFER_ACCEPT: a connection can be accepted when something has come on it. TCP_FASTOPEN without a cookie: as if it were not there. SO_LINGER where
// there is nothing to wait for.
#include "inet.h"

static int dial(const struct sockaddr_in* at) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const void*)at, sizeof *at) != 0) say("connect %s", result(-1));
    return fd;
}

static const char* text_of(int fd) {
    static char text[64];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 0) return result(-1);
    text[n] = 0;
    return text;
}

static void deferred(void) {
    struct sockaddr_in at;
    int listener = make_listener(4, &at), seconds = 60;
    say("defer %s", result(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds)));
    fcntl(listener, F_SETFL, O_NONBLOCK);
    int first = dial(&at), second = dial(&at), third = dial(&at), fourth = dial(&at);
    say("silent: %s, accept %s; the client %s", events(listener), got(accept(listener, 0, 0)), events(first));
    send(second, "hello", 5, 0);
    wait_for(listener, POLLIN);
    int accepted = accept(listener, 0, 0);
    socklen_t length = sizeof seconds;
    getsockopt(accepted, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &length);
    say("said %s; inherited %d", text_of(accepted), seconds);
    close(accepted);
    say("others: %s, accept %s", events(listener), got(accept(listener, 0, 0)));
    shutdown(third, SHUT_WR);
    wait_for(listener, POLLIN);
    accepted = accept(listener, 0, 0);
    say("ended: recv %s", got(recv(accepted, &seconds, 1, 0)));
    close(accepted);
    struct linger linger = {1, 0};
    setsockopt(fourth, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fourth);
    say("reset: %s, accept %s", events(listener), got(accept(listener, 0, 0)));
    close(listener);
    // Its listener has gone: what comes now finds nobody.
    send(first, "late", 4, MSG_NOSIGNAL);
    wait_for(first, POLLHUP);
    say("late: %s", recv(first, &seconds, 1, 0) <= 0 ? "over" : "something");
    close(first), close(second), close(third);
}

/// A second later the connection can be accepted without a byte.
static void impatient(void) {
    struct sockaddr_in at;
    int listener = make_listener(4, &at), seconds = 1;
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
    int client = dial(&at);
    say("impatient: %s", events(listener));
    int accepted = accept(listener, 0, 0);
    send(client, "now", 3, 0);
    say("then %s", text_of(accepted));
    close(client), close(accepted), close(listener);
}

static void fast_open(void) {
    struct sockaddr_in at;
    int listener = make_listener(4, &at), queue = 5;
    say("server %s", result(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue)));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    say("sendto %s", got(sendto(client, "quick", 5, MSG_FASTOPEN, (void*)&at, sizeof at)));
    int accepted = accept(listener, 0, 0);
    say("said %s", text_of(accepted));
    say("again %s", got(sendto(client, "quick", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void*)&at, sizeof at)));
    close(client), close(accepted);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("nonblocking %s", got(sendto(client, "quick", 5, MSG_FASTOPEN, (void*)&at, sizeof at)));
    wait_for(client, POLLOUT);
    say("then send %s", got(send(client, "quick", 5, 0)));
    accepted = accept(listener, 0, 0);
    say("said %s", text_of(accepted));
    close(client), close(accepted);
    int on = 1;
    client = socket(AF_INET, SOCK_STREAM, 0);
    say("option %s", result(setsockopt(client, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on)));
    say("connect %s", result(connect(client, (void*)&at, sizeof at)));
    say("send %s", got(send(client, "quick", 5, MSG_NOSIGNAL)));
    accepted = accept(listener, 0, 0);
    say("said %s", text_of(accepted));
    close(client), close(accepted), close(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say("nobody there %s", got(sendto(client, "quick", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void*)&at, sizeof at)));
    at.sin_family = AF_UNSPEC;
    say("to nowhere %s", got(sendto(client, "quick", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void*)&at, sizeof at)));
    close(client);
}

static void lingering(void) {
    int p[2];
    char text[16] = {0};
    struct linger linger = {1, 30};
    make_pair(p);
    setsockopt(p[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    send(p[0], "last", 4, 0);
    int copy = dup(p[0]);
    say("one of two closes %s", result(close(p[0])));
    say("open still %s", got(send(copy, " words", 6, 0)));
    say("the other closes %s", result(close(copy)));
    recv(p[1], text, sizeof text, MSG_WAITALL);
    say("%s", text);
    close(p[1]);
    make_pair(p);
    setsockopt(p[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    send(p[1], "unread", 6, 0);
    wait_for(p[0], POLLIN);
    say("with unread bytes %s", result(close(p[0])));
    wait_for(p[1], POLLIN);
    say("the other end: %s", got(recv(p[1], text, 1, 0)));
    close(p[1]);
}

int main(void) {
    deferred();
    impatient();
    fast_open();
    lingering();
    return 0;
}
