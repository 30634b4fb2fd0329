// SPDX-License-Identifier: MIT
// UDP within the machine: names, connected sockets and what they refuse, truncation, errors, queues, control messages, IPv6 and mapped addresses.
#include "inet.h"

#include <sys/ioctl.h>
#include <sys/time.h>

static char block[70000];

static int udp4(const char* text, struct sockaddr_in* at) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *at = ip4(text, 0);
    if (bind(fd, (void*)at, sizeof *at) != 0) say("bind %s", result(-1));
    socklen_t length = sizeof *at;
    getsockname(fd, (void*)at, &length);
    return fd;
}

static void basics(void) {
    struct sockaddr_in a, b, from;
    int x = udp4("127.0.0.1", &a), y = udp4("127.0.0.1", &b), n;
    say("fresh: %s, recv %s", events(x), got(recv(x, block, 10, MSG_DONTWAIT)));
    say("no destination: send %s", got(send(x, "a", 1, 0)));
    say("sendto %s", got(sendto(x, "hello", 5, 0, (void*)&b, sizeof b)));
    say("empty %s", got(sendto(x, "", 0, 0, (void*)&b, sizeof b)));
    say("events %s", events(y));
    ioctl(y, FIONREAD, &n);
    say("FIONREAD %d", n);
    say("peek %s", got(recv(y, block, 2, MSG_PEEK)));
    say("peek all %s", got(recv(y, block, 2, MSG_PEEK | MSG_TRUNC)));
    socklen_t length = sizeof from;
    say("recvfrom %s", got(recvfrom(y, block, 2, 0, (void*)&from, &length)));
    say("from the sender %d, length %d", from.sin_port == a.sin_port && from.sin_addr.s_addr == a.sin_addr.s_addr, (int)length);
    say("the empty one %s", got(recv(y, block, 10, MSG_DONTWAIT)));
    say("then %s", got(recv(y, block, 10, MSG_DONTWAIT)));
    say("largest %s", got(sendto(x, block, 65507, 0, (void*)&b, sizeof b)));
    say("larger %s", got(sendto(x, block, 65508, 0, (void*)&b, sizeof b)));
    struct iovec v[2] = {{block, 100}, {block + 1000, 20}};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = v, .msg_iovlen = 2};
    say("recvmsg %s", got(recvmsg(y, &m, 0)));
    say("truncated %d", (m.msg_flags & MSG_TRUNC) != 0);
    from = b;
    from.sin_port = 0;
    say("port 0: %s", got(sendto(x, "a", 1, 0, (void*)&from, sizeof from)));
    from.sin_port = b.sin_port;
    say("short %s", got(sendto(x, "a", 1, 0, (void*)&from, 8)));
    from.sin_family = AF_INET6;
    say("wrong family %s", got(sendto(x, "a", 1, 0, (void*)&from, sizeof from)));
    from = ip4("255.255.255.255", 9);
    say("broadcast %s", got(sendto(x, "a", 1, 0, (void*)&from, sizeof from)));
    say("listen %s, accept %s", result(listen(x, 1)), result(accept(x, 0, 0)));
    say("peer %s", result(getpeername(x, (void*)&from, &length)));
    say("shutdown %s", result(shutdown(x, SHUT_WR)));
    close(x), close(y);
}

static void connected(void) {
    struct sockaddr_in a, b, c, name;
    int x = udp4("127.0.0.1", &a), y = udp4("127.0.0.1", &b), z = udp4("127.0.0.1", &c);
    socklen_t length = sizeof name;
    say("connect %s", result(connect(x, (void*)&b, sizeof b)));
    say("peer %s", result(getpeername(x, (void*)&name, &length)));
    say("is it %d", name.sin_port == b.sin_port);
    say("send %s", got(send(x, "1", 1, 0)));
    say("recv %s", got(recv(y, block, 10, 0)));
    sendto(z, "stranger", 8, 0, (void*)&a, sizeof a);
    sendto(y, "friend", 6, 0, (void*)&a, sizeof a);
    for (int i = 0; i < 2; i++) say("only the peer's: %s", got(recv(x, block, 100, MSG_DONTWAIT)));
    say("to another: %s", got(sendto(x, "2", 1, 0, (void*)&c, sizeof c)));
    say("got %s", got(recv(z, block, 10, MSG_DONTWAIT)));
    close(y);
    say("nobody there: %s", got(send(x, "3", 1, 0)));
    say("events %s", events(x));
    say("then send %s", got(send(x, "4", 1, 0)));
    say("then recv %s", got(recv(x, block, 10, MSG_DONTWAIT)));
    say("then recv %s", got(recv(x, block, 10, MSG_DONTWAIT)));
    send(x, "5", 1, 0);
    say("error %s", so_error_name(x));
    say("not connected: %s, error %s", got(sendto(z, "6", 1, 0, (void*)&b, sizeof b)), so_error_name(z));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    say("disconnect %s", result(connect(x, &none, sizeof none)));
    say("peer %s", result(getpeername(x, (void*)&name, &length)));
    say("name %s", result(getsockname(x, (void*)&name, &length)));
    say("it is kept %d", name.sin_port == a.sin_port);
    sendto(z, "stranger", 8, 0, (void*)&a, sizeof a);
    say("anybody's again %s", got(recv(x, block, 100, MSG_DONTWAIT)));
    connect(x, (void*)&c, sizeof c);
    say("shutdown %s", result(shutdown(x, SHUT_RD)));
    say("%s, recv %s", events(x), got(recv(x, block, 10, 0)));
    say("shutdown %s", result(shutdown(x, SHUT_WR)));
    say("%s, send %s", events(x), got(send(x, "7", 1, MSG_NOSIGNAL)));
    close(x), close(z);
    int fresh = socket(AF_INET, SOCK_DGRAM, 0);
    connect(fresh, (void*)&c, sizeof c);
    getsockname(fresh, (void*)&name, &length);
    say("an address is chosen: %x, port %d", ntohl(name.sin_addr.s_addr), name.sin_port != 0);
    close(fresh);
}

static void controls(void) {
    struct sockaddr_in a, b;
    int x = udp4("127.0.0.1", &a), y = udp4("0.0.0.0", &b), on = 1;
    b.sin_addr.s_addr = htonl(0x7f000005);
    setsockopt(y, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(y, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
    setsockopt(y, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
    int ttl = 33, tos = 0x10;
    setsockopt(x, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    setsockopt(x, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    sendto(x, "c", 1, 0, (void*)&b, sizeof b);
    char control[256];
    struct iovec v = {block, 10};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    say("recvmsg %s", got(recvmsg(y, &m, 0)));
    for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo* info = (void*)CMSG_DATA(c);
            say("packet info: interface %d, %x, %x", info->ipi_ifindex, ntohl(info->ipi_spec_dst.s_addr), ntohl(info->ipi_addr.s_addr));
        } else {
            say("control %d %d: %d length %d", c->cmsg_level, c->cmsg_type, *CMSG_DATA(c), (int)c->cmsg_len);
        }
    }
    close(x), close(y);
}

/// The options of RFC 3542 and those of RFC 2292, which has the same under other numbers.
static void controls6(void) {
    static const int options[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT};
    struct sockaddr_in6 at = ip6("::1", 0);
    int x = socket(AF_INET6, SOCK_DGRAM, 0), y = socket(AF_INET6, SOCK_DGRAM, 0), on = 1, hops = 44;
    bind(y, (void*)&at, sizeof at);
    socklen_t length = sizeof at;
    getsockname(y, (void*)&at, &length);
    for (int i = 0; i < 4; i++) {
        int value = 9;
        say("option %d: %s", options[i], result(setsockopt(y, IPPROTO_IPV6, options[i], &on, sizeof on)));
        length = sizeof value;
        getsockopt(y, IPPROTO_IPV6, options[i], &value, &length);
        say("is %d", value);
    }
    for (int i = 0; i < 2; i++) {
        char space[CMSG_SPACE(sizeof hops)] = {0}, control[256];
        struct iovec v = {"c", 1}, w = {block, 10};
        struct msghdr m = {.msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        struct cmsghdr* c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = IPPROTO_IPV6, c->cmsg_type = i ? IPV6_2292HOPLIMIT : IPV6_HOPLIMIT, c->cmsg_len = CMSG_LEN(sizeof hops);
        memcpy(CMSG_DATA(c), &hops, sizeof hops);
        say("send %s", got(sendmsg(x, &m, 0)));
        struct msghdr r = {.msg_iov = &w, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        say("receive %s", got(recvmsg(y, &r, MSG_DONTWAIT)));
        int seen[4] = {0};
        for (c = CMSG_FIRSTHDR(&r); c; c = CMSG_NXTHDR(&r, c)) {
            const int info = c->cmsg_type == IPV6_PKTINFO || c->cmsg_type == IPV6_2292PKTINFO, old = c->cmsg_type == IPV6_2292PKTINFO || c->cmsg_type == IPV6_2292HOPLIMIT;
            seen[2 * old + !info] = info ? (int)((struct in6_pktinfo*)CMSG_DATA(c))->ipi6_ifindex : *(int*)CMSG_DATA(c);
        }
        say("interface %d, hop limit %d; as of old %d, %d", seen[0], seen[1], seen[2], seen[3]);
    }
    close(x), close(y);
}

static void queues(void) {
    struct sockaddr_in a, b;
    int x = udp4("127.0.0.1", &a), y = udp4("127.0.0.1", &b), sent = 0, received = 0;
    for (int i = 0; i < 2000; i++) sent += sendto(x, block, 1000, 0, (void*)&b, sizeof b) == 1000;
    while (recv(y, block, sizeof block, MSG_DONTWAIT) == 1000) received++;
    say("all are sent %d, not all are received %d", sent == 2000, received > 20 && received < 2000);
    struct timeval wait = {0, 20000};
    setsockopt(y, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    say("time-out %s", got(recv(y, block, 10, 0)));
    wait.tv_usec = 0;
    setsockopt(y, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    pid_t child = fork();
    if (child == 0) {
        int count = 0;
        for (char c = 0; count < 500 && recv(y, &c, 1, 0) == 1; count++) sendto(y, &c, 1, 0, (void*)&a, sizeof a);
        _exit(count == 500 ? 0 : 1);
    }
    int wrong = 0;
    for (int i = 0; i < 500; i++) {
        char c = (char)i;
        sendto(x, &c, 1, 0, (void*)&b, sizeof b);
        if (recv(x, &c, 1, 0) != 1 || c != (char)i) wrong++;
    }
    say("ping-pong: %d wrong", wrong);
    say_status("echo", child);
    close(x), close(y);
}

static void six(void) {
    struct sockaddr_in6 a = ip6("::1", 0), from;
    struct sockaddr_in b;
    char text[64];
    socklen_t length = sizeof a;
    int x = socket(AF_INET6, SOCK_DGRAM, 0), y = udp4("127.0.0.1", &b), both = socket(AF_INET6, SOCK_DGRAM, 0);
    say("bind %s", result(bind(x, (void*)&a, sizeof a)));
    getsockname(x, (void*)&a, &length);
    say("to itself %s", got(sendto(x, "6", 1, 0, (void*)&a, sizeof a)));
    length = sizeof from;
    say("from %s", got(recvfrom(x, block, 10, 0, (void*)&from, &length)));
    say("%s", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text));
    struct sockaddr_in6 mapped = ip6("::ffff:127.0.0.1", ntohs(b.sin_port));
    say("mapped %s", got(sendto(both, "m", 1, 0, (void*)&mapped, sizeof mapped)));
    struct sockaddr_in from4;
    length = sizeof from4;
    say("received %s", got(recvfrom(y, block, 10, 0, (void*)&from4, &length)));
    say("from %x", ntohl(from4.sin_addr.s_addr));
    sendto(y, "back", 4, 0, (void*)&from4, sizeof from4);
    length = sizeof from;
    say("back %s", got(recvfrom(both, block, 10, 0, (void*)&from, &length)));
    say("from %s", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text));
    say("mapped from one that is bound to ::1: %s", got(sendto(x, "m", 1, 0, (void*)&mapped, sizeof mapped)));
    close(x), close(y), close(both);
}

/// Datagrams go to one of those that share a port; all of one sender to the same.
static void shared(void) {
    struct sockaddr_in at = ip4("127.0.0.1", 0), a;
    int s[4], on = 1, total = 0, most = 0;
    for (int i = 0; i < 4; i++) {
        s[i] = socket(AF_INET, SOCK_DGRAM, 0);
        setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (bind(s[i], (void*)&at, sizeof at) != 0) say("bind %s", result(-1));
        socklen_t length = sizeof at;
        getsockname(s[i], (void*)&at, &length);
    }
    for (int i = 0; i < 64; i++) {
        int x = udp4("127.0.0.1", &a);
        sendto(x, "s", 1, 0, (void*)&at, sizeof at);
        sendto(x, "s", 1, 0, (void*)&at, sizeof at);
        close(x);
    }
    int odd = 0;
    for (int i = 0; i < 4; i++) {
        int count = 0;
        while (recv(s[i], block, 10, MSG_DONTWAIT) > 0) count++;
        total += count;
        odd += count % 2;
        if (count > most) most = count;
        close(s[i]);
    }
    say("shared: %d in all, spread %d, by sender %d", total, most < 100, odd == 0);
}

int main(void) {
    basics();
    connected();
    controls();
    controls6();
    queues();
    six();
    shared();
    return 0;
}
