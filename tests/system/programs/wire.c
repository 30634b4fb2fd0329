// SPDX-License-Identifier: MIT
// What sockets do with a peer on another machine: run in the guest, against the host.
//
//   wire linger ADDRESS PORT    fills two connections that nobody reads, and closes them with SO_LINGER: the first for a second, the second until all is
//                               with the peer. Says how many bytes it has sent
//   wire sink PORT              the peer of that: takes both, reads them after a line of input, and says how many bytes came
//   wire errors ADDRESS PORT    sends datagrams to a port where nobody is, and says what IP_RECVERR tells of it
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char* address, const char* port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    inet_aton(address, &at.sin_addr);
    return at;
}

static void fail(const char* what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static char block[65536];

/// A connection with so many bytes on their way that no more go, for half a second.
static int filled(const struct sockaddr_in* to, long* bytes) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const void*)to, sizeof *to) != 0) fail("connect");
    struct pollfd writable = {fd, POLLOUT, 0};
    *bytes = 0;
    while (poll(&writable, 1, 500) == 1) {
        const ssize_t sent = send(fd, block, sizeof block, MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) fail("send");
        if (sent > 0) *bytes += sent;
    }
    return fd;
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void linger(const char* address, const char* port) {
    const struct sockaddr_in to = address_of(address, port);
    long bytes;
    int fd = filled(&to, &bytes);
    struct linger how = {1, 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &how, sizeof how);
    const double before = seconds();
    const char* closed = close(fd) == 0 ? "closed" : strerror(errno);
    printf("first: %s, %s\n", closed, seconds() - before >= 1 ? "a second later" : "too early");
    printf("sent %ld\n", bytes);
    fd = filled(&to, &bytes);
    how.l_linger = 100;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &how, sizeof how);
    printf("sent %ld\nfull\n", bytes);
    printf("second: %s\n", close(fd) == 0 ? "closed" : strerror(errno));
}

static void sink(const char* port) {
    const struct sockaddr_in at = address_of("127.0.0.1", port);
    const int listener = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(listener, (const void*)&at, sizeof at) != 0 || listen(listener, 4) != 0) fail("listen");
    const int fds[2] = {accept(listener, 0, 0), accept(listener, 0, 0)};
    if (!fgets(block, sizeof block, stdin)) fail("input");
    for (int i = 0; i < 2; i++) {
        // With a window of less than a segment of the loopback it would come by probes.
        const int large = 1 << 20;
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
        long bytes = 0;
        ssize_t got;
        while ((got = read(fds[i], block, sizeof block)) > 0) bytes += got;
        printf("%s %ld\n", got == 0 ? "came" : strerror(errno), bytes);
    }
}

static void errors(const char* address, const char* port) {
    const struct sockaddr_in to = address_of(address, port);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof on);
    if (sendto(fd, "is anybody there", 16, 0, (const void*)&to, sizeof to) != 16) fail("sendto");
    struct pollfd any = {fd, 0, 0};
    if (poll(&any, 1, 10000) != 1) printf("nothing comes\n"), exit(1);
    char control[512];
    struct sockaddr_in from = {0};
    struct iovec vector = {block, sizeof block};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(fd, &message, MSG_ERRQUEUE);
    if (got < 0) fail("recvmsg");
    struct cmsghdr* first = CMSG_FIRSTHDR(&message);
    if (!first || first->cmsg_type != IP_RECVERR) printf("no control message\n"), exit(1);
    struct sock_extended_err* error = (void*)CMSG_DATA(first);
    const struct sockaddr_in* by = (const void*)SO_EE_OFFENDER(error);
    printf("'%.*s' %s: %s, type %d code %d, by %s\n", (int)got, block, from.sin_port == to.sin_port ? "comes back" : "is of another",
           strerrorname_np((int)error->ee_errno), error->ee_type, error->ee_code, inet_ntoa(by->sin_addr));
}

int main(int count, char** arguments) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (count == 4 && strcmp(arguments[1], "linger") == 0) linger(arguments[2], arguments[3]);
    else if (count == 3 && strcmp(arguments[1], "sink") == 0) sink(arguments[2]);
    else if (count == 4 && strcmp(arguments[1], "errors") == 0) errors(arguments[2], arguments[3]);
    else return printf("see above\n"), 2;
    return 0;
}
