// SPDX-License-Identifier: MIT
// Sockets of AF_NETLINK: names, ports, errors; what NETLINK_ROUTE answers, where every Linux answers the same: about lo.
#include "say.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

struct request {
    struct nlmsghdr header;
    union {
        struct rtgenmsg any;
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
        char bytes[64];
    };
    char attributes[64];
};

static char buffer[65536];

/// getsockname or getpeername: says how it ended, and gives the name.
static struct sockaddr_nl name_of(const char* what, int s, int (*call)(int, struct sockaddr*, socklen_t*)) {
    struct sockaddr_nl name = {0};
    socklen_t size = sizeof name;
    int value = call(s, (void*)&name, &size);
    say("%s: %s, family %d, groups %#x, length %d", what, result(value), name.nl_family, name.nl_groups,
        (int)size);
    return name;
}

static int option(const char* what, int s, int level, int number) {
    int value = -1;
    socklen_t size = sizeof value;
    int got = getsockopt(s, level, number, &value, &size);
    say("%s: %s, %d, length %d", what, result(got), value, (int)size);
    return value;
}

static int new_socket(int type, int protocol) {
    int s = socket(AF_NETLINK, type, protocol);
    if (s < 0) say("socket(%d, %d): %s", type & 0xf, protocol, result(s));
    return s;
}

static void add_attribute(struct request* r, unsigned short type, const void* data, unsigned short size) {
    struct rtattr* a = (struct rtattr*)((char*)&r->header + NLMSG_ALIGN(r->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(a), data, size);
    r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static ssize_t ask(int s, struct request* r, unsigned short type, unsigned short flags, size_t body) {
    static unsigned sequence;
    r->header.nlmsg_type = type;
    r->header.nlmsg_flags = NLM_F_REQUEST | flags;
    r->header.nlmsg_seq = ++sequence;
    if (r->header.nlmsg_len == 0) r->header.nlmsg_len = NLMSG_LENGTH(body);
    return send(s, r, r->header.nlmsg_len, 0);
}

static const char* error_of(const struct nlmsghdr* m) {
    int error = -((const struct nlmsgerr*)NLMSG_DATA(m))->error;
    return error == 0 ? "acknowledged" : strerrorname_np(error);
}

/// Takes all messages up to an error or the end of a dump (or one, where it is none), and calls `each` for the others.
static void take(const char* what, int s, void (*each)(struct nlmsghdr*)) {
    int others = 0;
    for (;;) {
        struct sockaddr_nl from;
        struct iovec vector = {buffer, sizeof buffer};
        struct msghdr message = {&from, sizeof from, &vector, 1, 0, 0, 0};
        ssize_t size = recvmsg(s, &message, 0);
        if (size < 0) {
            say("%s: recvmsg: %s", what, result(size));
            return;
        }
        if (from.nl_family != AF_NETLINK || from.nl_pid != 0 || message.msg_namelen != sizeof from)
            say("%s: from whom?", what);
        unsigned left = (unsigned)size;
        for (struct nlmsghdr* m = (struct nlmsghdr*)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_ERROR) {
                say("%s: %s", what, error_of(m));
                return;
            }
            if (m->nlmsg_type == NLMSG_DONE) {
                say("%s: done%s", what, others ? "" : " (nothing)");
                return;
            }
            ++others;
            if (each) each(m);
            if (!(m->nlmsg_flags & NLM_F_MULTI)) {
                say("%s: one of type %d", what, m->nlmsg_type);
                return;
            }
        }
    }
}

static void say_link(struct nlmsghdr* m) {
    struct ifinfomsg* link = NLMSG_DATA(m);
    if (link->ifi_index != 1) return;
    say("link 1: type %d, hardware %d, flags%s%s%s", m->nlmsg_type, link->ifi_type,
        link->ifi_flags & IFF_UP ? " up" : "", link->ifi_flags & IFF_LOOPBACK ? " loopback" : "",
        link->ifi_flags & IFF_BROADCAST ? " broadcast" : "");
    unsigned left = IFLA_PAYLOAD(m);
    for (struct rtattr* a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFLA_IFNAME) say("  name %s", (char*)RTA_DATA(a));
        if (a->rta_type == IFLA_MTU) say("  mtu %u", *(unsigned*)RTA_DATA(a));
        if (a->rta_type == IFLA_ADDRESS) say("  hardware address of %d bytes", (int)RTA_PAYLOAD(a));
        if (a->rta_type == IFLA_STATS64)
            say("  %s", RTA_PAYLOAD(a) >= 23 * 8 ? "statistics" : "too few statistics");
    }
}

static void say_address(struct nlmsghdr* m) {
    struct ifaddrmsg* address = NLMSG_DATA(m);
    if (address->ifa_index != 1) return;
    char text[64] = "";
    unsigned left = IFA_PAYLOAD(m);
    for (struct rtattr* a = IFA_RTA(address); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == IFA_ADDRESS) inet_ntop(address->ifa_family, RTA_DATA(a), text, sizeof text);
    if (address->ifa_family == AF_INET)
        say("address %s/%d, scope %d", text, address->ifa_prefixlen, address->ifa_scope);
}

static void say_route(struct nlmsghdr* m) {
    struct rtmsg* route = NLMSG_DATA(m);
    char text[64] = "", source[64] = "";
    unsigned out = 0, left = RTM_PAYLOAD(m);
    for (struct rtattr* a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == RTA_DST) inet_ntop(route->rtm_family, RTA_DATA(a), text, sizeof text);
        if (a->rta_type == RTA_PREFSRC) inet_ntop(route->rtm_family, RTA_DATA(a), source, sizeof source);
        if (a->rta_type == RTA_OIF) out = *(unsigned*)RTA_DATA(a);
    }
    if (out == 1)
        say("route %s/%d from %s, table %d, type %d, scope %d", text, route->rtm_dst_len, source,
            route->rtm_table, route->rtm_type, route->rtm_scope);
}

static void names(void) {
    int s = new_socket(SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), t = new_socket(SOCK_DGRAM, NETLINK_ROUTE);
    struct sockaddr_nl name = name_of("no name yet", s, getsockname);
    say("port %s", name.nl_pid ? "some" : "none");
    say("bind, too short: %s", result(bind(s, (void*)&name, 4)));
    name.nl_family = AF_UNIX;
    say("bind, other family: %s", result(bind(s, (void*)&name, sizeof name)));
    name.nl_family = AF_NETLINK;
    name.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR;
    say("bind: %s", result(bind(s, (void*)&name, sizeof name)));
    name = name_of("bound", s, getsockname);
    say("port: %s", name.nl_pid == (unsigned)getpid() ? "the process's number" : "another");
    unsigned port = name.nl_pid;
    say("the same port again: %s", result(bind(s, (void*)&name, sizeof name)));
    name.nl_pid = port + 1;
    say("another port: %s", result(bind(s, (void*)&name, sizeof name)));
    name.nl_pid = port;
    say("the second socket, the first's port: %s", result(bind(t, (void*)&name, sizeof name)));
    name.nl_pid = name.nl_groups = 0;
    say("the second socket: %s", result(bind(t, (void*)&name, sizeof name)));
    name = name_of("the second", t, getsockname);
    say("its port is %s", name.nl_pid == port ? "the same" : name.nl_pid == 0 ? "none" : "another");
    name = name_of("its peer", t, getpeername);
    say("port %u", name.nl_pid);
    say("connect: %s", result(connect(t, (void*)&name, sizeof name)));
    say("listen: %s", result(listen(t, 1)));
    say("accept: %s", result(accept(t, 0, 0)));
    say("shutdown: %s", result(shutdown(t, SHUT_RDWR)));
    close(s);
    close(t);
    say("stream: %s", result(socket(AF_NETLINK, SOCK_STREAM, 0)));
    say("protocol 99: %s", result(socket(AF_NETLINK, SOCK_RAW, 99)));
    say("protocol -1: %s", result(socket(AF_NETLINK, SOCK_RAW, -1)));
    s = new_socket(SOCK_RAW | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    say("events: %s", result(recv(s, buffer, sizeof buffer, 0)));
    close(s);
}

static void dumps(void) {
    int s = new_socket(SOCK_RAW, NETLINK_ROUTE);
    struct request r = {0};
    r.any.rtgen_family = AF_UNSPEC;
    say("ask: %s", ask(s, &r, RTM_GETLINK, NLM_F_DUMP, sizeof r.link) == (ssize_t)NLMSG_LENGTH(sizeof r.link)
                       ? "all sent"
                       : "not");
    struct pollfd p = {s, POLLIN | POLLOUT, 0};
    int ready = poll(&p, 1, 0);
    say("poll: %d, %#x", ready, (unsigned)p.revents);
    // As iproute2 does: the size first.
    ssize_t peeked = recv(s, 0, 0, MSG_PEEK | MSG_TRUNC);
    char small[20];
    struct iovec vector = {small, sizeof small};
    struct msghdr message = {0, 0, &vector, 1, 0, 0, 0};
    ssize_t size = recvmsg(s, &message, MSG_PEEK | MSG_TRUNC);
    say("peeked: %s, %s, flags %#x", peeked > (ssize_t)sizeof small ? "its size" : "less",
        size == peeked ? "the same again" : "another size", (unsigned)message.msg_flags);
    take("links", s, say_link);
    memset(&r, 0, sizeof r);
    r.any.rtgen_family = AF_INET;
    ask(s, &r, RTM_GETADDR, NLM_F_DUMP, sizeof r.address);
    take("addresses", s, say_address);
    memset(&r, 0, sizeof r);
    ask(s, &r, 4000, NLM_F_DUMP, sizeof r.any);
    take("no such type", s, 0);
    say("nothing more: %s", result(recv(s, buffer, sizeof buffer, MSG_DONTWAIT)));
    close(s);
}

static void single(void) {
    int s = new_socket(SOCK_RAW, NETLINK_ROUTE);
    struct request r = {0};
    r.link.ifi_index = 1;
    ask(s, &r, RTM_GETLINK, 0, sizeof r.link);
    take("link 1", s, say_link);
    memset(&r, 0, sizeof r);
    r.header.nlmsg_len = NLMSG_LENGTH(sizeof r.link);
    add_attribute(&r, IFLA_IFNAME, "lo", 3);
    ask(s, &r, RTM_GETLINK, 0, 0);
    take("link lo", s, say_link);
    memset(&r, 0, sizeof r);
    r.link.ifi_index = 99999;
    ask(s, &r, RTM_GETLINK, 0, sizeof r.link);
    take("link 99999", s, 0);
    memset(&r, 0, sizeof r);
    ask(s, &r, RTM_GETLINK, 0, sizeof r.link);
    take("no link", s, 0);
    memset(&r, 0, sizeof r);
    r.link.ifi_index = 1;
    ask(s, &r, RTM_GETLINK, NLM_F_ACK, sizeof r.link);
    take("link, and", s, 0);
    take("acknowledgement", s, 0);
    memset(&r, 0, sizeof r);
    struct in_addr to;
    inet_aton("127.0.0.5", &to);
    r.route.rtm_family = AF_INET;
    r.route.rtm_dst_len = 32;
    r.header.nlmsg_len = NLMSG_LENGTH(sizeof r.route);
    add_attribute(&r, RTA_DST, &to, sizeof to);
    ask(s, &r, RTM_GETROUTE, 0, 0);
    take("route", s, say_route);
    // Two requests at a time, the second broken off.
    memset(&r, 0, sizeof r);
    r.link.ifi_index = 1;
    ask(s, &r, RTM_GETLINK, 0, sizeof r.link);
    r.header.nlmsg_len = 1000;
    say("too long: %zd", send(s, &r, 40, 0));
    take("only the first", s, 0);
    say("nothing more: %s", result(recv(s, buffer, sizeof buffer, MSG_DONTWAIT)));
    say("no bytes: %s", result(send(s, &r, 0, 0)));
    say("less than a header: %zd", send(s, &r, 5, 0));
    say("out of band: %s", result(send(s, &r, 40, MSG_OOB)));
    struct sockaddr_nl nobody = {AF_NETLINK, 0, 0x12345, 0};
    r.header.nlmsg_len = 32;
    int error = sendto(s, &r, 32, 0, (void*)&nobody, sizeof nobody) == -1 ? errno : 0;
    say("to another port: %s", error == ECONNREFUSED || error == EPERM ? "refused" : strerrorname_np(error));
    close(s);
}

static void options(void) {
    int s = new_socket(SOCK_RAW, NETLINK_ROUTE), value = 1;
    say("EXT_ACK: %s", result(setsockopt(s, SOL_NETLINK, 11, &value, sizeof value)));
    option("EXT_ACK", s, SOL_NETLINK, 11);
    say("too short: %s", result(setsockopt(s, SOL_NETLINK, 11, &value, 1)));
    option("EXT_ACK", s, SOL_NETLINK, 11);
    say("strict: %s", result(setsockopt(s, SOL_NETLINK, 12, &value, sizeof value)));
    say("unknown: %s", result(setsockopt(s, SOL_NETLINK, 77, &value, sizeof value)));
    option("unknown", s, SOL_NETLINK, 77);
    value = RTNLGRP_LINK;
    say("group: %s", result(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof value)));
    name_of("in it", s, getsockname);
    value = 0;
    say("group 0: %s", result(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof value)));
    option("type", s, SOL_SOCKET, SO_TYPE);
    option("domain", s, SOL_SOCKET, SO_DOMAIN);
    option("protocol", s, SOL_SOCKET, SO_PROTOCOL);
    // Strict: only what was named.
    struct request r = {0};
    r.address.ifa_family = AF_INET;
    r.address.ifa_index = 1;
    ask(s, &r, RTM_GETADDR, NLM_F_DUMP, sizeof r.address);
    take("addresses of lo", s, say_address);
    // Capped acknowledgements have no copy of the request.
    value = 1;
    setsockopt(s, SOL_NETLINK, 10, &value, sizeof value);
    memset(&r, 0, sizeof r);
    r.link.ifi_index = 99999;
    ask(s, &r, RTM_GETLINK, 0, sizeof r.link);
    ssize_t got = recv(s, buffer, sizeof buffer, 0);
    say("capped error of %zd bytes, flags %#x", got > 36 ? 36 : got, ((struct nlmsghdr*)buffer)->nlmsg_flags);
    close(s);
}

/// The C library's own users of it.
static void library(void) {
    struct ifaddrs* list;
    say("getifaddrs: %s", result(getifaddrs(&list)));
    for (struct ifaddrs* i = list; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "lo") || !i->ifa_addr || i->ifa_addr->sa_family != AF_INET) continue;
        say("lo: %s", inet_ntoa(((struct sockaddr_in*)(void*)i->ifa_addr)->sin_addr));
        say("  mask %s", inet_ntoa(((struct sockaddr_in*)(void*)i->ifa_netmask)->sin_addr));
    }
    freeifaddrs(list);
    struct addrinfo hints = {AI_ADDRCONFIG | AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM, 0, 0, 0, 0, 0}, *found;
    int status = getaddrinfo("127.0.0.1", "80", &hints, &found);
    say("getaddrinfo: %d, family %d", status, status ? 0 : found->ai_family);
    // The C library asks by a socket of any family.
    char name[IF_NAMESIZE];
    say("lo is %u, 1 is %s", if_nametoindex("lo"), if_indextoname(1, name));
    say("no such: %u %s", if_nametoindex("none"), result(-1));
    status = getaddrinfo("fe80::1%lo", "80", &hints, &found);
    say("getaddrinfo: %d, scope %u", status, status ? 0 : ((struct sockaddr_in6*)(void*)found->ai_addr)->sin6_scope_id);
    for (int i = 0; i < 3; i++) {
        static const int families[] = {AF_UNIX, AF_NETLINK, AF_INET6};
        int s = socket(families[i], SOCK_DGRAM, 0);
        struct ifreq r = {.ifr_name = "lo"};
        say("index %s", result(ioctl(s, SIOCGIFINDEX, &r)));
        say("MTU %s", result(ioctl(s, SIOCGIFMTU, &r)));
        r.ifr_ifindex = 1;
        say("name %s", result(ioctl(s, SIOCGIFNAME, &r)));
        close(s);
    }
}

static void stranger(void) {
    pid_t child = fork();
    if (child == 0) {
        if (setresuid(1000, 1000, 1000) == -1) _exit(0);
        int s = new_socket(SOCK_RAW, NETLINK_ROUTE);
        struct request r = {0};
        r.link.ifi_index = 1;
        ask(s, &r, RTM_NEWLINK, NLM_F_ACK, sizeof r.link);
        take("a change by a user", s, 0);
        _exit(0);
    }
    say_status("stranger", child);
}

int main(void) {
    names();
    dumps();
    single();
    options();
    library();
    stranger();
    return 0;
}
