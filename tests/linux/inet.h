// SPDX-License-Identifier: MIT
// What the tests of internet sockets use: addresses, poll as text, pairs of connected sockets.
#pragma once

#include "say.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#pragma GCC diagnostic ignored "-Wunused-result"

/// 127.0.0.1 and a port.
__attribute__((unused)) static struct sockaddr_in local4(uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

__attribute__((unused)) static struct sockaddr_in ip4(const char* text, uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

__attribute__((unused)) static struct sockaddr_in6 ip6(const char* text, uint16_t port) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, text, &a.sin6_addr);
    return a;
}

/// What poll says now of all events.
__attribute__((unused)) static const char* events(int fd) {
    static char texts[4][64];
    static int next;
    char* text = texts[next++ % 4];
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    poll(&p, 1, 0);
    text[0] = 0;
    if (p.revents & POLLIN) strcat(text, "IN ");
    if (p.revents & POLLPRI) strcat(text, "PRI ");
    if (p.revents & POLLOUT) strcat(text, "OUT ");
    if (p.revents & POLLERR) strcat(text, "ERR ");
    if (p.revents & POLLHUP) strcat(text, "HUP ");
    if (p.revents & POLLRDHUP) strcat(text, "RDHUP ");
    if (p.revents & POLLNVAL) strcat(text, "NVAL ");
    if (text[0]) text[strlen(text) - 1] = 0;
    else strcpy(text, "-");
    return text;
}

/// Waits for an event, a few seconds at most.
__attribute__((unused)) static int wait_for(int fd, short what) {
    struct pollfd p = {fd, what, 0};
    return poll(&p, 1, 10000) == 1 && p.revents != 0;
}

/// What a send or receive gave, as text.
__attribute__((unused)) static const char* got(long value) {
    static char texts[4][32];
    static int next;
    char* text = texts[next++ % 4];
    if (value < 0) return result(value);
    snprintf(text, sizeof texts[0], "%ld", value);
    return text;
}

__attribute__((unused)) static int so_error(int fd) {
    int error = -1;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

__attribute__((unused)) static const char* so_error_name(int fd) {
    const int error = so_error(fd);
    return error == 0 ? "none" : strerrorname_np(error);
}

/// A listener on 127.0.0.1 with a port that is free.
__attribute__((unused)) static int make_listener(int backlog, struct sockaddr_in* at) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *at = local4(0);
    bind(fd, (void*)at, sizeof *at);
    socklen_t length = sizeof *at;
    getsockname(fd, (void*)at, &length);
    if (listen(fd, backlog) != 0) say("listen: %s", result(-1));
    return fd;
}

/// Two ends of a TCP connection.
__attribute__((unused)) static void make_pair(int pair[2]) {
    struct sockaddr_in at;
    int listener = make_listener(4, &at);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(pair[0], (void*)&at, sizeof at) != 0) say("connect: %s", result(-1));
    pair[1] = accept(listener, 0, 0);
    if (pair[1] < 0) say("accept: %s", result(-1));
    close(listener);
}
