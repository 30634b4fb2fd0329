// SPDX-License-Identifier: MIT
// TCP over IPv6 and between the families: ::1, sockets of both families, mapped addresses, IPV6_V6ONLY; listeners that share a port.
#include "inet.h"

static char block[100];

static const char* name_of(int fd, int peer) {
    static char texts[4][80];
    static int next;
    char* text = texts[next++ % 4];
    struct sockaddr_in6 a;
    socklen_t length = sizeof a;
    if ((peer ? getpeername : getsockname)(fd, (void*)&a, &length) != 0) return result(-1);
    if (a.sin6_family == AF_INET) {
        inet_ntop(AF_INET, &((struct sockaddr_in*)&a)->sin_addr, text, sizeof texts[0]);
    } else {
        inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof texts[0]);
    }
    return text;
}

static int listen6(const char* text, int only, uint16_t* port) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = ip6(text, 0);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(fd, (void*)&a, sizeof a) != 0) say("bind %s", result(-1));
    socklen_t length = sizeof a;
    getsockname(fd, (void*)&a, &length);
    *port = ntohs(a.sin6_port);
    if (listen(fd, 4) != 0) say("listen %s", result(-1));
    return fd;
}

static void try(const char* what, int listener, int client, const void* to, socklen_t length) {
    const char* r = result(connect(client, to, length));
    say("%s: connect %s", what, r);
    if (strcmp(r, "ok") == 0) {
        int s = accept(listener, 0, 0);
        say("  client %s to %s", name_of(client, 0), name_of(client, 1));
        say("  server %s to %s", name_of(s, 0), name_of(s, 1));
        send(client, "hello", 5, 0);
        say("  recv %s", got(recv(s, block, sizeof block, 0)));
        close(s);
    }
    close(client);
}

static void both_families(void) {
    static const char* texts[] = {"::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
    for (int only = 0; only < 2; only++)
        for (int i = 0; i < (only ? 2 : 4); i++) {
            uint16_t port;
            int listener = listen6(texts[i], only, &port);
            say("listening at %s, only %d: %s", texts[i], only, name_of(listener, 0));
            struct sockaddr_in four = local4(port);
            struct sockaddr_in6 six = ip6("::1", port), mapped = ip6("::ffff:127.0.0.1", port), any = ip6("::", port);
            try("IPv4", listener, socket(AF_INET, SOCK_STREAM, 0), &four, sizeof four);
            try("IPv6", listener, socket(AF_INET6, SOCK_STREAM, 0), &six, sizeof six);
            try("mapped", listener, socket(AF_INET6, SOCK_STREAM, 0), &mapped, sizeof mapped);
            try("any", listener, socket(AF_INET6, SOCK_STREAM, 0), &any, sizeof any);
            close(listener);
        }
    int client = socket(AF_INET6, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in6 mapped = ip6("::ffff:127.0.0.1", 9);
    setsockopt(client, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    say("mapped from one of IPv6 only: %s", result(connect(client, (void*)&mapped, sizeof mapped)));
    struct sockaddr_in four = local4(9);
    say("an IPv4 address: %s", result(connect(client, (void*)&four, sizeof four)));
    struct sockaddr_in6 group = ip6("ff02::1", 9);
    say("a group: %s", result(connect(client, (void*)&group, sizeof group)));
    close(client);
}

/// Connections are shared out among listeners of one port, and a client's goes to one of them.
static void shared(void) {
    int s[4], on = 1, total = 0, most = 0;
    struct sockaddr_in at = local4(0);
    for (int i = 0; i < 4; i++) {
        s[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (bind(s[i], (void*)&at, sizeof at) != 0 || listen(s[i], 128) != 0) say("bind, listen %s", result(-1));
        socklen_t length = sizeof at;
        getsockname(s[i], (void*)&at, &length);
    }
    int clients[100];
    for (int i = 0; i < 100; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(clients[i], (void*)&at, sizeof at) != 0) say("connect %s", result(-1));
    }
    for (int i = 0; i < 4; i++) {
        int count = 0, fd;
        while ((fd = accept(s[i], 0, 0)) >= 0) close(fd), count++;
        total += count;
        if (count > most) most = count;
        close(s[i]);
    }
    say("shared: %d in all, spread %d", total, most < 90);
    for (int i = 0; i < 100; i++) close(clients[i]);
}

int main(void) {
    both_families();
    shared();
    return 0;
}
