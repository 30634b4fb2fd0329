// SPDX-License-Identifier: MIT
// What the programs about sockets share: addresses, poll bits, descriptors in messages.
#pragma once

#include "say.h"

#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wstringop-overread"

/// The address of a path, or with '@' at the front of an abstract name; its length.
__attribute__((unused)) static socklen_t unix_address(struct sockaddr_un* a, const char* name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    size_t length = strlen(name);
    memcpy(a->sun_path, name, length);
    if (name[0] != '@') return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    a->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

__attribute__((unused)) static int unix_bind(int fd, const char* name) {
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, name);
    return bind(fd, (struct sockaddr*)&a, length);
}

__attribute__((unused)) static int unix_connect(int fd, const char* name) {
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, name);
    return connect(fd, (struct sockaddr*)&a, length);
}

__attribute__((unused)) static long unix_send_to(int fd, const char* what, const char* name, int flags) {
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, name);
    return sendto(fd, what, strlen(what), flags, (struct sockaddr*)&a, length);
}

/// An address as text: "none", "unnamed", a path, or an abstract name with '@'.
__attribute__((unused)) static const char* show_address(const struct sockaddr_un* a, socklen_t length) {
    static char text[160];
    if (length == 0) return "none";
    if (length <= offsetof(struct sockaddr_un, sun_path)) snprintf(text, sizeof text, "unnamed/%d", (int)length);
    else if (a->sun_path[0] == 0)
        snprintf(text, sizeof text, "@%.*s/%d", (int)(length - 3), a->sun_path + 1, (int)length);
    else snprintf(text, sizeof text, "%.108s/%d", a->sun_path, (int)length);
    return text;
}

/// Name of this end (or, `peer`, of the other).
__attribute__((unused)) static const char* name_of(int fd, int peer) {
    struct sockaddr_un a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    int failed = peer ? getpeername(fd, (struct sockaddr*)&a, &length) : getsockname(fd, (struct sockaddr*)&a, &length);
    return failed ? strerrorname_np(errno) : show_address(&a, length);
}

/// Poll bits as text.
__attribute__((unused)) static const char* bits_of(int fd) {
    static char text[2][96];
    static int turn;
    char* out = text[turn ^= 1];
    struct pollfd p = {fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLWRBAND, 0};
    poll(&p, 1, 0);
    snprintf(out, 96, "%s%s%s%s%s%s%s", p.revents & POLLIN ? "IN " : "", p.revents & POLLPRI ? "PRI " : "",
             p.revents & POLLOUT ? "OUT " : "", p.revents & POLLRDHUP ? "RDHUP " : "",
             p.revents & POLLHUP ? "HUP " : "", p.revents & POLLERR ? "ERR " : "",
             p.revents & POLLNVAL ? "NVAL " : "");
    if (out[0] == 0) return "-";
    out[strlen(out) - 1] = 0;
    return out;
}

/// Sends `text` with `count` descriptors.
__attribute__((unused)) static long send_rights(int fd, const char* text, const int* fds, int count, int flags) {
    char control[CMSG_SPACE(sizeof(int) * 300)];
    struct iovec v = {(void*)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    memset(control, 0, sizeof control);
    struct cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    if (count) memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
    return sendmsg(fd, &m, flags);
}

/// Receives into `text`; descriptors into `fds` (room for `room`); how many came in *count, flags in *flags.
__attribute__((unused)) static long receive_rights(int fd, char* text, size_t size, int* fds, int room, int* count,
                                                   int* flags, int how) {
    char control[CMSG_SPACE(sizeof(int) * 300)];
    struct iovec v = {text, size};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = room ? CMSG_LEN(sizeof(int) * (size_t)room) : 0};
    *count = 0;
    long n = recvmsg(fd, &m, how);
    if (n < 0) return n;
    if (flags) *flags = m.msg_flags;
    for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        *count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)*count);
    }
    return n;
}

/// Number of open descriptors.
__attribute__((unused)) static int open_count(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static volatile int signals_seen;
__attribute__((unused)) static void count_signal(int number) { (void)number, signals_seen++; }
