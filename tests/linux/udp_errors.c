// SPDX-License-Identifier: MIT
// IP_RECVERR and IPV6_RECVERR: the ICMP errors that datagrams to ports where nobody is come back with, by MSG_ERRQUEUE.
#include "inet.h"

#include <linux/errqueue.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>

static const char* name_of(const void* address) {
    static char texts[4][80];
    static int next;
    char* text = texts[next++ % 4];
    char host[64] = "?";
    const struct sockaddr* a = address;
    int port = 0;
    if (a->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in*)a)->sin_addr, host, sizeof host);
        port = ((const struct sockaddr_in*)a)->sin_port;
    } else if (a->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6*)a)->sin6_addr, host, sizeof host);
        port = ((const struct sockaddr_in6*)a)->sin6_port;
    }
    snprintf(text, sizeof texts[0], "%s %s", host, port ? "with a port" : "without");
    return text;
}

static void show(int fd, size_t room) {
    static char bytes[70000], control[512];
    struct sockaddr_storage from = {0};
    struct iovec vector = {bytes, room};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    memset(bytes, 0, sizeof bytes);
    ssize_t n = recvmsg(fd, &message, MSG_ERRQUEUE);
    if (n < 0) {
        say("  queue: %s", result(-1));
        return;
    }
    say("  queue: %zd bytes '%.20s', flags %x, to %s", n, bytes, message.msg_flags, name_of(&from));
    for (struct cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        const int ours = (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) || (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR);
        if (!ours) {
            say("  control %d %d, %d bytes: %d", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len, *(int*)CMSG_DATA(c));
            continue;
        }
        struct sock_extended_err* e = (void*)CMSG_DATA(c);
        say("  level %d, %d bytes: %s, origin %d, type %d, code %d, info %u, by %s", c->cmsg_level, (int)c->cmsg_len, strerrorname_np((int)e->ee_errno),
            e->ee_origin, e->ee_type, e->ee_code, e->ee_info, name_of(SO_EE_OFFENDER(e)));
    }
}

/// A port of this family where nobody is.
static uint16_t nobody(int family) {
    int fd = socket(family, SOCK_DGRAM, 0);
    struct sockaddr_in6 at = {.sin6_family = (sa_family_t)family};
    socklen_t length = sizeof at;
    bind(fd, (void*)&at, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof at);
    getsockname(fd, (void*)&at, &length);
    close(fd);
    return ntohs(at.sin6_port);
}

static void unconnected(const char* what, int family, const void* to, socklen_t length, int level, int option, int ttl) {
    say("%s", what);
    int fd = socket(family, SOCK_DGRAM, 0), on = 1, off = 0;
    say("  not asked: send %s", got(sendto(fd, "zero", 4, 0, to, length)));
    say("  %s, error %s", events(fd), so_error_name(fd));
    show(fd, 100);
    setsockopt(fd, level, option, &on, sizeof on);
    say("  send %s", got(sendto(fd, "first", 5, 0, to, length)));
    say("  %s", events(fd));
    say("  send %s", got(sendto(fd, "second", 6, 0, to, length)));
    say("  send %s", got(sendto(fd, "third", 5, 0, to, length)));
    say("  %s", events(fd));
    say("  recv %s", got(recv(fd, &off, 1, MSG_DONTWAIT)));
    say("  %s", events(fd));
    setsockopt(fd, level == SOL_IP ? SOL_IP : SOL_IPV6, ttl, &on, sizeof on);
    show(fd, 100);
    say("  %s", events(fd));
    say("  error %s", so_error_name(fd));
    show(fd, 3);
    say("  %s, error %s", events(fd), so_error_name(fd));
    show(fd, 3);
    static char large[3000];
    memset(large, 'x', sizeof large);
    say("  large %s", got(sendto(fd, large, sizeof large, 0, to, length)));
    show(fd, sizeof large);
    sendto(fd, "more", 4, 0, to, length);
    off = 0;
    setsockopt(fd, level, option, &off, sizeof off);
    show(fd, 100);
    say("  error %s, then %s", so_error_name(fd), events(fd));
    close(fd);
}

static void connected(void) {
    say("connected");
    struct sockaddr_in to = local4(nobody(AF_INET));
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    connect(fd, (void*)&to, sizeof to);
    say("  send %s", got(send(fd, "one", 3, 0)));
    say("  recv %s", got(recv(fd, &on, 1, MSG_DONTWAIT)));
    show(fd, 100);
    setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof on);
    say("  send %s", got(send(fd, "two", 3, 0)));
    show(fd, 100);
    say("  recv %s", got(recv(fd, &on, 1, MSG_DONTWAIT)));
    close(fd);
    // Datagrams and errors have a queue each.
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = local4(0);
    socklen_t length = sizeof here;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    bind(fd, (void*)&here, sizeof here);
    getsockname(fd, (void*)&here, &length);
    setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof on);
    sendto(other, "datagram", 8, 0, (void*)&here, sizeof here);
    sendto(fd, "lost", 4, 0, (void*)&to, sizeof to);
    say("  both: %s", events(fd));
    show(fd, 100);
    char text[16] = {0};
    say("  recv %s %s", got(recv(fd, text, sizeof text, MSG_DONTWAIT)), text);
    close(fd), close(other);
    int p[2];
    make_pair(p);
    say("  of TCP: %s", got(recv(p[0], text, 1, MSG_ERRQUEUE)));
    close(p[0]), close(p[1]);
}

int main(void) {
    struct sockaddr_in four = local4(nobody(AF_INET));
    struct sockaddr_in6 six = ip6("::1", nobody(AF_INET6)), mapped = ip6("::ffff:127.0.0.1", ntohs(four.sin_port));
    unconnected("IPv4", AF_INET, &four, sizeof four, SOL_IP, IP_RECVERR, IP_RECVTTL);
    unconnected("IPv6", AF_INET6, &six, sizeof six, SOL_IPV6, IPV6_RECVERR, IPV6_RECVHOPLIMIT);
    unconnected("IPv4 by IPv6", AF_INET6, &mapped, sizeof mapped, SOL_IP, IP_RECVERR, IPV6_RECVHOPLIMIT);
    connected();
    return 0;
}
