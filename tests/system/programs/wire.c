// SPDX-License-Identifier: MIT
// What sockets do with a peer on another machine: run in the guest, against the host.
//
//   wire linger ADDRESS PORT    fills two connections that nobody reads, and closes them with SO_LINGER: the first for a second, the second until all is
//                               with the peer. Says how many bytes it has sent
//   wire sink PORT              the peer of that: takes both, reads them after a line of input, and says how many bytes came
//   wire errors ADDRESS PORT    sends datagrams to a port where nobody is, and says what IP_RECVERR tells of it
//   wire groups INTERFACE       sends to groups and to all by that interface, and says what of it sockets of its own get
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
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

static char received[64], sender[64];

/// What has come, a second at most from now on; `sender` says by whom.
static const char* next(int fd) {
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;
    struct pollfd readable = {fd, POLLIN, 0};
    poll(&readable, 1, 1000);
    const ssize_t size = recvfrom(fd, received, sizeof received - 1, MSG_DONTWAIT, (void*)&from, &length);
    if (size < 0) return "nothing";
    received[size] = 0;
    const struct sockaddr_in6* six = (void*)&from;
    if (from.ss_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in*)&from)->sin_addr, sender, sizeof sender);
    else snprintf(sender, sizeof sender, "%s of interface %u", six->sin6_addr.s6_addr[0] == 0xfe ? "the link" : "elsewhere", six->sin6_scope_id);
    return received;
}

static void groups(const char* interface) {
    const int x = socket(AF_INET, SOCK_DGRAM, 0), y = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7000)}, to = address_of("239.77.1.1", "7000");
    if (bind(x, (void*)&at, sizeof at) != 0) fail("bind");
    struct ip_mreq group = {.imr_multiaddr = to.sin_addr};
    if (setsockopt(x, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0) fail("join");
    if (sendto(y, "many", 4, 0, (void*)&to, sizeof to) != 4) fail("send");
    printf("IPv4: %s", next(x));
    printf(" from %s\n", sender);
    const int off = 0;
    setsockopt(y, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
    sendto(y, "others", 6, 0, (void*)&to, sizeof to);
    to = address_of("255.255.255.255", "7000");
    if (sendto(y, "all", 3, 0, (void*)&to, sizeof to) == 3) printf("broadcast without leave\n");
    setsockopt(y, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
    if (sendto(y, "all", 3, 0, (void*)&to, sizeof to) != 3) fail("broadcast");
    printf("broadcast: %s", next(x));
    printf(" from %s\n", sender);

    const int v = socket(AF_INET6, SOCK_DGRAM, 0), w = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons(7001)}, to6 = at6;
    if (bind(v, (void*)&at6, sizeof at6) != 0) fail("bind");
    struct ipv6_mreq group6 = {.ipv6mr_interface = if_nametoindex(interface)};
    inet_pton(AF_INET6, "ff02::7:1", &group6.ipv6mr_multiaddr);
    if (setsockopt(v, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group6, sizeof group6) != 0) fail("join");
    to6.sin6_addr = group6.ipv6mr_multiaddr;
    to6.sin6_scope_id = group6.ipv6mr_interface;
    if (sendto(w, "neighbours", 10, 0, (void*)&to6, sizeof to6) != 10) fail("send");
    printf("IPv6: %s", next(v));
    printf(" from %s\n", sender);
}

int main(int count, char** arguments) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (count == 4 && strcmp(arguments[1], "linger") == 0) linger(arguments[2], arguments[3]);
    else if (count == 3 && strcmp(arguments[1], "sink") == 0) sink(arguments[2]);
    else if (count == 4 && strcmp(arguments[1], "errors") == 0) errors(arguments[2], arguments[3]);
    else if (count == 3 && strcmp(arguments[1], "groups") == 0) groups(arguments[2]);
    else return printf("see above\n"), 2;
    return 0;
}
