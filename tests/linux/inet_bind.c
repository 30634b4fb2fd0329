// SPDX-License-Identifier: MIT
// Who may be bound beside whom: wildcard and specific addresses, both families, SO_REUSEADDR, SO_REUSEPORT, listening or not; for TCP and UDP. Names
// of what is bound, and what bind refuses.
#include "inet.h"

enum { kNone, kAddress, kPort, kBoth };
static const char* kOptions[] = {"none", "addr", "port", "both"};

struct place {
    const char* text;
    int six, only;
};
static const struct place places[] = {{"0.0.0.0", 0, 0}, {"127.0.0.1", 0, 0}, {"127.0.0.2", 0, 0},          {"::", 1, 0},
                                      {"::", 1, 1},      {"::1", 1, 0},       {"::ffff:127.0.0.1", 1, 0}};
enum { kPlaces = sizeof places / sizeof places[0] };

static int bind_at(int type, const struct place* p, int options, uint16_t port, int listens) {
    int fd = socket(p->six ? AF_INET6 : AF_INET, type, 0), on = 1, r;
    if (options & kAddress) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options & kPort) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (p->only) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (p->six) {
        struct sockaddr_in6 a = ip6(p->text, port);
        r = bind(fd, (void*)&a, sizeof a);
    } else {
        struct sockaddr_in a = ip4(p->text, port);
        r = bind(fd, (void*)&a, sizeof a);
    }
    if (r == 0 && listens) r = listen(fd, 1);
    if (r == 0) return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t port_of(int fd) {
    struct sockaddr_in6 a;
    socklen_t length = sizeof a;
    getsockname(fd, (void*)&a, &length);
    return ntohs(a.sin6_port);
}

/// A port that nobody has, in any family.
static uint16_t free_port(int type) {
    int fd = bind_at(type, &places[3], kNone, 0, 0);
    const uint16_t port = port_of(fd);
    close(fd);
    return port;
}

static void matrix(int type, const char* name, int first_listens, int second_listens) {
    const uint16_t port = free_port(type);
    for (int i = 0; i < kPlaces; i++) {
        char line[512];
        int n = snprintf(line, sizeof line, "%s %d%d %s%s:", name, first_listens, second_listens, places[i].text, places[i].only ? " only" : "");
        for (int first = kNone; first <= kBoth; first++) {
            n += snprintf(line + n, sizeof line - (size_t)n, " %s", kOptions[first]);
            for (int second = kNone; second <= kBoth; second++) {
                n += snprintf(line + n, sizeof line - (size_t)n, "/");
                for (int j = 0; j < kPlaces; j++) {
                    // Anew each time: Linux remembers of a port what others were allowed before.
                    int a = bind_at(type, &places[i], first, port, first_listens);
                    int b = bind_at(type, &places[j], second, port, second_listens);
                    n += snprintf(line + n, sizeof line - (size_t)n, "%c", a < 0 ? '!' : b >= 0 ? '+' : errno == EADDRINUSE ? '-' : '?');
                    if (b >= 0) close(b);
                    if (a >= 0) close(a);
                }
            }
        }
        say("%s", line);
    }
}

static void refusals(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = ip4("192.0.2.77", 0);
    say("not ours: %s", result(bind(fd, (void*)&a, sizeof a)));
    a = ip4("224.0.0.5", 0);
    say("a group, stream: %s", result(bind(fd, (void*)&a, sizeof a)));
    a = ip4("127.0.0.1", 0);
    say("short: %s, empty: %s, bad address: %s", result(bind(fd, (void*)&a, 8)), result(bind(fd, (void*)&a, 0)), result(bind(fd, (void*)8, sizeof a)));
    a.sin_family = AF_INET6;
    say("wrong family: %s", result(bind(fd, (void*)&a, sizeof a)));
    a = ip4("0.0.0.0", 0);
    a.sin_family = AF_UNSPEC;
    say("AF_UNSPEC and any: %s", result(bind(fd, (void*)&a, sizeof a)));
    a.sin_family = AF_INET;
    say("twice: %s", result(bind(fd, (void*)&a, sizeof a)));
    const uint16_t port = port_of(fd);
    say("an ephemeral port: %d", port >= 1024);
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    a = ip4("224.0.0.5", 0);
    say("a group, datagrams: %s", result(bind(fd, (void*)&a, sizeof a)));
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 b = ip6("::1", 0);
    say("short: %s", result(bind(fd, (void*)&b, 20)));
    int on = 1;
    say("only: %s", result(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)));
    struct sockaddr_in6 mapped = ip6("::ffff:127.0.0.1", 0);
    say("mapped: %s", result(bind(fd, (void*)&mapped, sizeof mapped)));
    say("::1 %s", result(bind(fd, (void*)&b, sizeof b)));
    say("only, later: %s", result(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)));
    close(fd);
    say("types: %s %s %s %s", result(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)), result(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP)),
        result(socket(AF_INET, SOCK_RAW, 0)), result(socket(AF_INET, SOCK_SEQPACKET, 0)));
    say("names");
    static const char* texts[] = {"::", "::1", "::ffff:127.0.0.1"};
    for (int i = 0; i < 3; i++) {
        fd = socket(AF_INET6, SOCK_DGRAM, 0);
        b = ip6(texts[i], 0);
        say("  %s", result(bind(fd, (void*)&b, sizeof b)));
        socklen_t length = sizeof b;
        char text[64];
        getsockname(fd, (void*)&b, &length);
        say("  %s length %d port %d", inet_ntop(AF_INET6, &b.sin6_addr, text, sizeof text), (int)length, b.sin6_port != 0);
        close(fd);
    }
}

/// A connection that was accepted holds the port of its listener.
static void after_listening(void) {
    int on = 1;
    for (int reuse = 0; reuse < 2; reuse++) {
        struct sockaddr_in at;
        int listener = make_listener(1, &at), client = socket(AF_INET, SOCK_STREAM, 0);
        if (reuse) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        connect(client, (void*)&at, sizeof at);
        int accepted = accept(listener, 0, 0);
        close(listener);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        say("accepted, reuse %d: bind %s", reuse, result(bind(fd, (void*)&at, sizeof at)));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        say("accepted, reuse %d: bind with reuse %s", reuse, result(bind(fd, (void*)&at, sizeof at)));
        close(fd), close(client), close(accepted);
    }
}

int main(void) {
    matrix(SOCK_STREAM, "tcp", 0, 0);
    matrix(SOCK_STREAM, "tcp", 1, 0);
    matrix(SOCK_STREAM, "tcp", 1, 1);
    matrix(SOCK_DGRAM, "udp", 0, 0);
    refusals();
    after_listening();
    return 0;
}
