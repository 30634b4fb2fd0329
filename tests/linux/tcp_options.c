// SPDX-License-Identifier: MIT
// Options of TCP, IP and IPv6 on stream and datagram sockets: what is there at first, what may be set, what is told then, what a connection inherits.
#include "inet.h"

static const char* value(int fd, int level, int name) {
    static char texts[4][32];
    static int next;
    char* text = texts[next++ % 4];
    int number = 0;
    socklen_t length = sizeof number;
    if (getsockopt(fd, level, name, &number, &length) != 0) return result(-1);
    snprintf(text, sizeof texts[0], "%d", number);
    return text;
}

static void try(int fd, const char* what, int level, int name, int first, int second, int third) {
    const int numbers[] = {first, second, third};
    char line[256];
    int n = snprintf(line, sizeof line, "%s: %s", what, value(fd, level, name));
    for (int i = 0; i < 3; i++) {
        const char* r = result(setsockopt(fd, level, name, &numbers[i], sizeof numbers[i]));
        n += snprintf(line + n, sizeof line - (size_t)n, ", %d %s %s", numbers[i], r, value(fd, level, name));
    }
    say("%s", line);
}

/// What a file of /proc/sys/net/ipv4 says, without the newline.
static const char* setting(const char* file) {
    static char texts[2][128];
    static int next;
    char* text = texts[next++ % 2];
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", file);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof texts[0] - 1);
    close(fd);
    text[n > 0 ? n - 1 : 0] = 0;
    return text;
}

/// The congestion control of a new socket is what the setting says, and one that is available.
static void congestion(int fd) {
    char name[32] = {0};
    socklen_t length = sizeof name;
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length);
    say("as set %d, available %d, all of these:", strcmp(name, setting("tcp_congestion_control")) == 0,
        strstr(setting("tcp_available_congestion_control"), name) != 0);
    char all[128];
    strcpy(all, setting("tcp_available_congestion_control"));
    int refused = 0;
    for (char* one = strtok(all, " "); one; one = strtok(0, " ")) refused += setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, one, (socklen_t)strlen(one)) != 0;
    say("  refused %d", refused);
}

int main(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_STREAM, 0), d6 = socket(AF_INET6, SOCK_DGRAM, 0);
    try(s, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1, 0, 7);
    try(s, "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1, 0, 7);
    try(s, "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 1000, 10, 40000);
    try(s, "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 10, 0, 32768);
    try(s, "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 10, 0, 32768);
    try(s, "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 10, 0, 128);
    try(s, "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 10, 0, 128);
    try(s, "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 10, -5, 121);
    try(s, "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, 5, 0);
    try(s, "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 3000, -1, 0);
    try(s, "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 100, 10000, 0);
    try(s, "unknown", IPPROTO_TCP, 99, 1, 2, 3);
    char name[32] = {0};
    socklen_t length = sizeof name;
    say("congestion unknown %s, empty %s", result(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "none such", 9)), result(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "", 0)));
    congestion(s);
    say("reno %s", result(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4)));
    getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &length);
    say("%s %d", name, (int)length);
    int one = 1;
    say("too short %s", result(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, 2)));
    say("TCP on UDP: %s %s", result(setsockopt(d, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)), value(d, IPPROTO_TCP, TCP_NODELAY));
    try(s, "IP_TTL", IPPROTO_IP, IP_TTL, 33, 0, 256);
    try(s, "IP_TOS", IPPROTO_IP, IP_TOS, 0x10, 0xff, 0);
    try(d, "IP_TOS", IPPROTO_IP, IP_TOS, 0x10, 0xff, 0);
    try(d, "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 1, 7, 0);
    try(d, "IP_RECVERR", IPPROTO_IP, IP_RECVERR, 1, 7, 0);
    try(d, "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, 5, 256, -1);
    try(d, "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP, 0, 1, 2);
    try(d, "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, 2, 6, 0);
    say("IP_MTU %s", value(d, IPPROTO_IP, IP_MTU));
    say("IPv6 on IPv4: %s %s", result(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one)), value(s, IPPROTO_IPV6, IPV6_V6ONLY));
    try(s6, "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33, 256, -1);
    try(d6, "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 33, 256, -1);
    try(s6, "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1, 0, 7);
    try(d6, "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 0, 7);
    try(s, "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1, 0, 7);
    try(s, "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1, 0, 7);
    try(s, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1, 0, 7);
    try(s, "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1, 0, 7);
    say("types: %s %s %s %s", value(s, SOL_SOCKET, SO_TYPE), value(d, SOL_SOCKET, SO_PROTOCOL), value(s6, SOL_SOCKET, SO_DOMAIN), value(s, SOL_SOCKET, SO_ACCEPTCONN));
    close(s), close(d), close(s6), close(d6);

    struct sockaddr_in at;
    int listener = make_listener(1, &at), client = socket(AF_INET, SOCK_STREAM, 0), idle = 99;
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    say("listens %s", value(listener, SOL_SOCKET, SO_ACCEPTCONN));
    connect(client, (void*)&at, sizeof at);
    int accepted = accept(listener, 0, 0);
    say("inherited: %s %s %s", value(accepted, IPPROTO_TCP, TCP_NODELAY), value(accepted, IPPROTO_TCP, TCP_KEEPIDLE), value(accepted, SOL_SOCKET, SO_KEEPALIVE));
    say("IP_MTU %s", value(client, IPPROTO_IP, IP_MTU));
    struct tcp_info info;
    length = sizeof info;
    say("TCP_INFO %s", result(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length)));
    say("state %d", info.tcpi_state);
    close(client), close(accepted), close(listener);
    return 0;
}
