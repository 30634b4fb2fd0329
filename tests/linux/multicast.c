// SPDX-License-Identifier: MIT
// Multicast within the machine, by lo: joining and leaving groups, whom a datagram for one reaches, by which interface and how far one goes, and what
// control messages say of it.
#include "inet.h"

#include <net/if.h>

static char block[2000];
static const char* const groups[] = {"239.77.1.1", "239.77.1.2", "ff05::7:1", "ff05::7:2"};

static int bound4(const char* text, uint16_t* port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = ip4(text, *port);
    if (bind(fd, (void*)&at, sizeof at) != 0) say("bind %s", result(-1));
    socklen_t length = sizeof at;
    getsockname(fd, (void*)&at, &length);
    *port = ntohs(at.sin_port);
    return fd;
}

static int member4(int fd, int name, const char* group, const char* by, int index) {
    struct ip_mreqn m = {.imr_ifindex = index};
    inet_pton(AF_INET, group, &m.imr_multiaddr);
    inet_pton(AF_INET, by, &m.imr_address);
    return setsockopt(fd, IPPROTO_IP, name, &m, index ? sizeof m : sizeof(struct ip_mreq));
}

static int number4(int fd, int name, int value) {
    return setsockopt(fd, IPPROTO_IP, name, &value, sizeof value);
}

static int by_lo(int fd) {
    struct in_addr lo = {htonl(INADDR_LOOPBACK)};
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo);
}

static const char* send4(int fd, const char* group, uint16_t port, const char* text) {
    struct sockaddr_in to = ip4(group, port);
    return got(sendto(fd, text, strlen(text), 0, (void*)&to, sizeof to));
}

static const char* next(int fd) {
    static char texts[4][32];
    static int at;
    char* text = texts[at++ % 4];
    long n = recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0) return result(n);
    snprintf(text, sizeof texts[0], "'%.*s'", (int)n, block);
    return text;
}

/// How many sockets are in it by lo, as /proc/net/igmp and igmp6 say.
static int users(const char* group) {
    const int six = strchr(group, ':') != 0;
    unsigned char bytes[16];
    char wanted[40] = {0}, line[256];
    inet_pton(six ? AF_INET6 : AF_INET, group, bytes);
    for (int i = 0; i < (six ? 16 : 4); i++) sprintf(wanted + 2 * i, six ? "%02x" : "%02X", bytes[six ? i : 3 - i]);
    FILE* f = fopen(six ? "/proc/net/igmp6" : "/proc/net/igmp", "r");
    int found = 0, lo = six;
    while (f && fgets(line, sizeof line, f)) {
        if (!six && line[0] != '\t') lo = strstr(line, "\tlo ") != 0;
        if (lo && (!six || strstr(line, " lo ")) && strstr(line, wanted)) found = atoi(strstr(line, wanted) + strlen(wanted));
    }
    if (f) fclose(f);
    return found;
}

static void joining(void) {
    uint16_t port = 0;
    int x = bound4("0.0.0.0", &port), tcp = socket(AF_INET, SOCK_STREAM, 0);
    say("no group %s", result(member4(x, IP_ADD_MEMBERSHIP, "127.0.0.1", "127.0.0.1", 0)));
    say("no such address %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "203.0.113.9", 0)));
    say("no such interface %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 999)));
    say("short %s", result(setsockopt(x, IPPROTO_IP, IP_ADD_MEMBERSHIP, block, 7)));
    say("TCP %s", result(member4(tcp, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    say("leave before %s", result(member4(x, IP_DROP_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    say("leave what is none %s", result(member4(x, IP_DROP_MEMBERSHIP, "10.0.0.1", "127.0.0.1", 0)));
    say("join %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    say("again %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    say("by index %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "0.0.0.0", 1)));
    say("another by index %s", result(member4(x, IP_ADD_MEMBERSHIP, groups[1], "0.0.0.0", 1)));
    say("leave by another interface %s", result(member4(x, IP_DROP_MEMBERSHIP, groups[0], "127.0.0.1", 999)));
    say("leave by address %s", result(member4(x, IP_DROP_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    say("leave the other by address %s", result(member4(x, IP_DROP_MEMBERSHIP, groups[1], "127.0.0.1", 0)));
    say("by index %s", result(member4(x, IP_DROP_MEMBERSHIP, groups[1], "0.0.0.0", 1)));
    int joined = 0;
    for (int i = 1; i < 40; i++) {
        char text[32];
        snprintf(text, sizeof text, "239.77.2.%d", i);
        if (member4(x, IP_ADD_MEMBERSHIP, text, "127.0.0.1", 0) != 0) break;
        joined++;
    }
    say("at most %d, then %s", joined, result(member4(x, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0)));
    close(x), close(tcp);
}

static void which_interface(void) {
    uint16_t port = 0;
    int x = bound4("0.0.0.0", &port), tcp = socket(AF_INET, SOCK_STREAM, 0);
    struct in_addr address = {1};
    socklen_t length = sizeof address;
    getsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, &length);
    say("at first %s, %d bytes", inet_ntoa(address), (int)length);
    say("lo %s", result(by_lo(x)));
    getsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, &length);
    say("then %s", inet_ntoa(address));
    inet_pton(AF_INET, "203.0.113.9", &address);
    say("not ours %s", result(setsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof address)));
    say("short %s", result(setsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, 3)));
    struct ip_mreqn m = {.imr_ifindex = 999};
    say("no such %s", result(setsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m)));
    m.imr_ifindex = 1;
    say("by index %s", result(setsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m)));
    getsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, &length);
    say("then %s", inet_ntoa(address));
    address.s_addr = 0;
    say("none %s", result(setsockopt(x, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof address)));
    say("TCP %s", result(by_lo(tcp)));
    int value = 999;
    int six = socket(AF_INET6, SOCK_DGRAM, 0);
    say("IPv6: no such %s", result(setsockopt(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof value)));
    value = 1;
    say("lo %s", result(setsockopt(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof value)));
    value = 7, length = sizeof value;
    getsockopt(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, &length);
    say("then %d", value);
    close(x), close(tcp), close(six);
}

static void who_gets_it(void) {
    uint16_t port = 0, other = 0;
    int a = bound4("0.0.0.0", &port), b = bound4("0.0.0.0", &port), c = bound4(groups[0], &port),
        d = bound4("127.0.0.1", &port);
    int e = bound4("0.0.0.0", &other), sender = socket(AF_INET, SOCK_DGRAM, 0);
    number4(b, IP_MULTICAST_ALL, 0);
    by_lo(sender);
    say("nobody is in it: %s", send4(sender, groups[0], port, "0"));
    say("a %s, c %s", next(a), next(c));
    member4(e, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0);
    say("somebody is: %s", send4(sender, groups[0], port, "1"));
    say("a %s, b %s, c %s, d %s, e %s", next(a), next(b), next(c), next(d), next(e));
    member4(b, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0);
    send4(sender, groups[0], port, "2");
    say("b too: a %s, b %s, c %s", next(a), next(b), next(c));
    member4(b, IP_ADD_MEMBERSHIP, groups[1], "127.0.0.1", 0);
    send4(sender, groups[1], port, "3");
    say("another group: a %s, b %s, c %s", next(a), next(b), next(c));
    number4(sender, IP_MULTICAST_LOOP, 0);
    send4(sender, groups[1], port, "4");
    say("not looped: a %s, b %s", next(a), next(b));
    number4(sender, IP_MULTICAST_LOOP, 1);
    number4(sender, IP_MULTICAST_TTL, 0);
    say("TTL 0: %s", send4(sender, groups[1], port, "5"));
    say("a %s, b %s", next(a), next(b));
    say("users %d %d, all hosts %d", users(groups[0]), users(groups[1]), users("224.0.0.1"));
    close(b);
    say("then %d %d", users(groups[0]), users(groups[1]));
    send4(sender, groups[1], port, "6");
    say("its member is gone: a %s", next(a));
    send4(sender, groups[0], port, "7");
    say("the other is there: a %s, c %s", next(a), next(c));
    member4(e, IP_DROP_MEMBERSHIP, groups[0], "127.0.0.1", 0);
    send4(sender, groups[0], port, "8");
    say("it has left: a %s, c %s", next(a), next(c));
    send4(sender, "224.0.0.1", port, "9");
    say("all hosts: a %s, c %s", next(a), next(c));
    struct sockaddr_in to = ip4(groups[0], port);
    member4(a, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0);
    by_lo(a);
    say("to itself: %s", send4(a, groups[0], port, "10"));
    say("a %s, c %s", next(a), next(c));
    say("connect %s", result(connect(sender, (void*)&to, sizeof to)));
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    getsockname(sender, (void*)&name, &length);
    say("from %s", inet_ntoa(name.sin_addr));
    say("send %s", got(send(sender, "11", 2, 0)));
    say("a %s, c %s", next(a), next(c));
    say("c answers: %s", send4(c, "127.0.0.1", port, "12"));
    say("d %s", next(d));
    struct sockaddr_in stranger = ip4("127.0.0.1", 9);
    connect(a, (void*)&stranger, sizeof stranger);
    send(sender, "13", 2, 0);
    say("a of another peer %s", next(a));
    close(a), close(c), close(d), close(e), close(sender);
}

static void control(void) {
    uint16_t port = 0;
    int x = bound4("0.0.0.0", &port), y = socket(AF_INET, SOCK_DGRAM, 0);
    member4(x, IP_ADD_MEMBERSHIP, groups[0], "127.0.0.1", 0);
    number4(x, IP_PKTINFO, 1), number4(x, IP_RECVTTL, 1);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in to = ip4(groups[0], port);
        struct iovec v = {"abc", 3};
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
        struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1};
        if (i == 0) by_lo(y);
        if (i == 1) number4(y, IP_MULTICAST_TTL, 5);
        if (i == 2) {  // by what the message says
            close(y);
            y = socket(AF_INET, SOCK_DGRAM, 0);
            m.msg_control = space, m.msg_controllen = sizeof space;
            struct cmsghdr* c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO,
            c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
            ((struct in_pktinfo*)CMSG_DATA(c))->ipi_ifindex = 1;
        }
        say("send %s", got(sendmsg(y, &m, 0)));
        char told[200];
        struct sockaddr_in from;
        struct iovec w = {block, sizeof block};
        struct msghdr r = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &w,
                           .msg_iovlen = 1,
                           .msg_control = told,
                           .msg_controllen = sizeof told};
        say("receive %s", got(recvmsg(x, &r, MSG_DONTWAIT)));
        for (struct cmsghdr* c = CMSG_FIRSTHDR(&r); c; c = CMSG_NXTHDR(&r, c)) {
            struct in_pktinfo* info = (void*)CMSG_DATA(c);
            if (c->cmsg_type == IP_PKTINFO) {
                char one[32], two[32];
                say("interface %d, to %s", info->ipi_ifindex,
                    inet_ntop(AF_INET, &info->ipi_addr, one, sizeof one));
                // Without an address it is that of any interface.
                if (i < 2) say("own %s", inet_ntop(AF_INET, &info->ipi_spec_dst, two, sizeof two));
            } else if (c->cmsg_type == IP_TTL) {
                say("TTL %d", *(int*)CMSG_DATA(c));
            }
        }
        if (i < 2) say("from %s", inet_ntoa(from.sin_addr));
    }
    close(x), close(y);
}

static int member6(int fd, int name, const char* group, int index) {
    struct ipv6_mreq m = {.ipv6mr_interface = (unsigned)index};
    inet_pton(AF_INET6, group, &m.ipv6mr_multiaddr);
    return setsockopt(fd, IPPROTO_IPV6, name, &m, sizeof m);
}

static int member_any(int fd, int level, int name, void* group, size_t length) {
    struct group_req m = {.gr_interface = 1};
    memcpy(&m.gr_group, group, length);
    return setsockopt(fd, level, name, &m, sizeof m);
}

static void version6(void) {
    int x = socket(AF_INET6, SOCK_DGRAM, 0), off = 0, tcp = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 at = ip6("::", 0);
    setsockopt(x, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    say("bind %s", result(bind(x, (void*)&at, sizeof at)));
    socklen_t length = sizeof at;
    getsockname(x, (void*)&at, &length);
    const uint16_t port = ntohs(at.sin6_port);
    say("no group %s", result(member6(x, IPV6_JOIN_GROUP, "::1", 1)));
    say("no such interface %s", result(member6(x, IPV6_JOIN_GROUP, groups[2], 999)));
    say("short %s", result(setsockopt(x, IPPROTO_IPV6, IPV6_JOIN_GROUP, block, 19)));
    say("TCP %s", result(member6(tcp, IPV6_JOIN_GROUP, groups[2], 1)));
    say("leave before %s", result(member6(x, IPV6_LEAVE_GROUP, groups[2], 1)));
    say("join %s", result(member6(x, IPV6_JOIN_GROUP, groups[2], 1)));
    say("again %s", result(member6(x, IPV6_JOIN_GROUP, groups[2], 1)));
    say("users %d, %d, all hosts %d", users(groups[2]), users(groups[3]), users("ff02::1"));
    say("leave %s", result(member6(x, IPV6_LEAVE_GROUP, groups[2], 0)));
    say("leave again %s", result(member6(x, IPV6_LEAVE_GROUP, groups[2], 1)));
    struct sockaddr_in6 to = ip6(groups[3], port);
    say("any join: %s", result(member_any(x, IPPROTO_IPV6, MCAST_JOIN_GROUP, &to, sizeof to)));
    say("any leave: %s", result(member_any(x, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &to, sizeof to)));
    struct sockaddr_in to4 = ip4(groups[0], port);
    say("of IPv4, any join: %s", result(member_any(x, IPPROTO_IP, MCAST_JOIN_GROUP, &to4, sizeof to4)));
    say("another family: %s", result(member_any(x, IPPROTO_IPV6, MCAST_JOIN_GROUP, &to4, sizeof to4)));
    int z = socket(AF_INET, SOCK_DGRAM, 0);
    by_lo(z);
    say("send %s", send4(z, groups[0], port, "4"));
    say("receive %s", next(x));
    close(x), close(z), close(tcp);
}

int main(void) {
    joining();
    which_interface();
    who_gets_it();
    control();
    version6();
    return 0;
}
