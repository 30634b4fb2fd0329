// SPDX-License-Identifier: MIT
// Options of level SOL_SOCKET on AF_UNIX sockets: defaults, what is set and told, limits, who may.
#include "sockets.h"

static int sock;

static void get(const char* name, int option) {
    int value = -77;
    socklen_t size = sizeof value;
    if (getsockopt(sock, SOL_SOCKET, option, &value, &size) != 0) say("%s: %s", name, strerrorname_np(errno));
    else say("%s: %d (%d)", name, value, (int)size);
}

static void set(const char* name, int option, int value) {
    say("%s = %d: %s", name, value, result(setsockopt(sock, SOL_SOCKET, option, &value, sizeof value)));
    get(name, option);
}

#define GET(option) get(#option, option)
#define SET(option, value) set(#option, option, value)

static void all(void) {
    GET(SO_DEBUG), GET(SO_REUSEADDR), GET(SO_TYPE), GET(SO_ERROR), GET(SO_DONTROUTE), GET(SO_BROADCAST);
    GET(SO_SNDBUF), GET(SO_RCVBUF), GET(SO_KEEPALIVE), GET(SO_OOBINLINE), GET(SO_NO_CHECK), GET(SO_PRIORITY);
    GET(SO_REUSEPORT), GET(SO_PASSCRED), GET(SO_RCVLOWAT), GET(SO_SNDLOWAT), GET(SO_TIMESTAMP);
    GET(SO_ACCEPTCONN), GET(SO_TIMESTAMPNS), GET(SO_MARK), GET(SO_PROTOCOL), GET(SO_DOMAIN), GET(SO_RXQ_OVFL);
    GET(SO_PEEK_OFF), GET(SO_BINDTODEVICE), GET(SO_ATTACH_FILTER);
}

static void setting(void) {
    SET(SO_REUSEADDR, 1);
    SET(SO_REUSEADDR, -5);
    SET(SO_REUSEADDR, 0);
    SET(SO_REUSEPORT, 1);
    SET(SO_REUSEPORT, 0);
    SET(SO_KEEPALIVE, 7);
    SET(SO_BROADCAST, 1);
    SET(SO_DONTROUTE, 1);
    SET(SO_OOBINLINE, 1);
    SET(SO_NO_CHECK, 1);
    SET(SO_PASSCRED, 1);
    SET(SO_RXQ_OVFL, 1);
    SET(SO_TIMESTAMP, 1);
    SET(SO_TIMESTAMPNS, 1);
    GET(SO_TIMESTAMP);
    SET(SO_TIMESTAMP, 1);
    GET(SO_TIMESTAMPNS);
    SET(SO_TIMESTAMP, 0);
    SET(SO_TYPE, 1);
    SET(SO_ERROR, 1);
    SET(SO_PROTOCOL, 1);
    SET(SO_DOMAIN, 1);
    SET(SO_ACCEPTCONN, 1);
    SET(SO_SNDLOWAT, 10);
    SET(SO_RCVLOWAT, 10);
    SET(SO_RCVLOWAT, 0);
    SET(SO_RCVLOWAT, -1);
    SET(SO_RCVLOWAT, 1);
    SET(SO_SNDBUF, 10000);
    SET(SO_SNDBUF, 0);
    SET(SO_SNDBUF, 150000);
    SET(SO_RCVBUF, 10000);
    SET(SO_RCVBUF, 0);
    SET(SO_RCVBUF, 150000);
    SET(SO_PRIORITY, 6);
    SET(SO_PEEK_OFF, 3);
    SET(SO_PEEK_OFF, -1);
    SET(SO_BSDCOMPAT, 1);
    SET(SO_DETACH_FILTER, 0);
}

static void timeouts(int option, const char* name) {
    struct timeval t = {-1, -1};
    socklen_t size = sizeof t;
    getsockopt(sock, SOL_SOCKET, option, &t, &size);
    say("%s: %ld.%06ld (%d)", name, (long)t.tv_sec, (long)t.tv_usec, (int)size);
    static const struct timeval given[] = {{1, 500000}, {0, 40000}, {0, 1000000}, {0, -1}, {100000000, 0}, {0, 0}};
    for (unsigned i = 0; i < sizeof given / sizeof given[0]; i++) {
        t = given[i];
        say("set %ld.%ld: %s", (long)t.tv_sec, (long)t.tv_usec, result(setsockopt(sock, SOL_SOCKET, option, &t, sizeof t)));
        getsockopt(sock, SOL_SOCKET, option, &t, &size);
        say("%ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
    }
    say("short %s", result(setsockopt(sock, SOL_SOCKET, option, &t, 8)));
    size = 8;
    say("short get %s", result(getsockopt(sock, SOL_SOCKET, option, &t, &size)));
}

static void structures(void) {
    struct linger l = {9, 9};
    socklen_t size = sizeof l;
    getsockopt(sock, SOL_SOCKET, SO_LINGER, &l, &size);
    say("linger %d %d (%d)", l.l_onoff, l.l_linger, (int)size);
    l.l_onoff = 5, l.l_linger = 10;
    say("set %s", result(setsockopt(sock, SOL_SOCKET, SO_LINGER, &l, sizeof l)));
    getsockopt(sock, SOL_SOCKET, SO_LINGER, &l, &size);
    say("linger %d %d", l.l_onoff, l.l_linger);
    say("short %s", result(setsockopt(sock, SOL_SOCKET, SO_LINGER, &l, 4)));
    l.l_onoff = 0, l.l_linger = 77;
    setsockopt(sock, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    getsockopt(sock, SOL_SOCKET, SO_LINGER, &l, &size);
    say("linger %d", l.l_onoff);
    struct ucred u = {-7, 7, 7};
    size = 100;
    say("peer's credentials %s", result(getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, &size)));
    say("%d %d %d (%d)", u.pid, (int)u.uid, (int)u.gid, (int)size);
    struct sockaddr_un a;
    size = sizeof a;
    say("peer's name %s", result(getsockopt(sock, SOL_SOCKET, SO_PEERNAME, &a, &size)));
    say("set credentials %s", result(setsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, sizeof u)));
}

static void credentials(void) {
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c, a;
    unix_bind(l, "@options");
    listen(l, 3);
    sock = l;
    GET(SO_ACCEPTCONN);
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && (setgid(4321) != 0 || setuid(1234) != 0)) _exit(1);
        c = socket(AF_UNIX, SOCK_STREAM, 0);
        unix_connect(c, "@options");
        struct ucred u = {0};
        socklen_t size = sizeof u;
        getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &size);
        char b;
        read(c, &b, 1);
        _exit(u.pid == getppid() && u.uid == 0 ? 0 : 2);
    }
    a = accept(l, 0, 0);
    struct ucred u = {0};
    socklen_t size = sizeof u;
    getsockopt(a, SOL_SOCKET, SO_PEERCRED, &u, &size);
    say("client: pid %d, uid %d, gid %d", u.pid == pid, (int)u.uid, (int)u.gid);
    struct sockaddr_un name;
    size = sizeof name;
    say("peer's name %s", result(getsockopt(a, SOL_SOCKET, SO_PEERNAME, &name, &size)));
    size = 2;
    say("exact %s", result(getsockopt(a, SOL_SOCKET, SO_PEERNAME, &name, &size)));
    say("family %d", name.sun_family);
    close(a);
    say_status("client", pid);
    close(l);
}

static void who_may(void) {
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && setuid(1234) != 0) _exit(1);
        sock = socket(AF_UNIX, SOCK_STREAM, 0);
        SET(SO_DEBUG, 1);
        SET(SO_DEBUG, 0);
        SET(SO_PRIORITY, 7);
        SET(SO_PRIORITY, -1);
        SET(SO_MARK, 1);
        set("SO_SNDBUFFORCE", SO_SNDBUFFORCE, 1000000);
        set("SO_RCVBUFFORCE", SO_RCVBUFFORCE, 1000000);
        _exit(0);
    }
    say_status("another user", pid);
    sock = socket(AF_UNIX, SOCK_STREAM, 0);
    SET(SO_PRIORITY, 7);
    SET(SO_MARK, 5);
    set("SO_SNDBUFFORCE", SO_SNDBUFFORCE, 1000000);
    GET(SO_SNDBUF);
    set("SO_RCVBUFFORCE", SO_RCVBUFFORCE, -1);
    GET(SO_RCVBUF);
    close(sock);
}

/// What the options do.
static void effects(void) {
    int s[2], value = 5;
    char b[100];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    pid_t pid = fork();
    if (pid == 0) {
        write(s[0], "abc", 3);
        sleep_ms(30);
        write(s[0], "def", 3);
        _exit(0);
    }
    say("low water 5: %ld", (long)read(s[1], b, 100));
    say_status("writer", pid);
    value = 1;
    setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    // SO_PEEK_OFF
    value = 0;
    setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value);
    write(s[0], "0123456789", 10);
    sock = s[1];
    for (int i = 0; i < 3; i++) {
        long n = recv(s[1], b, 4, MSG_PEEK | MSG_DONTWAIT);
        say("peek %ld '%.*s'", n, n > 0 ? (int)n : 0, b);
        GET(SO_PEEK_OFF);
    }
    say("beyond %s", result(recv(s[1], b, 4, MSG_PEEK | MSG_DONTWAIT)));
    say("read %ld", (long)recv(s[1], b, 3, 0));
    GET(SO_PEEK_OFF);
    write(s[0], "ab", 2);
    long n = recv(s[1], b, 10, MSG_PEEK);
    say("peek %ld '%.*s'", n, (int)n, b);
    close(s[0]), close(s[1]);
    // SO_ERROR is told once.
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[0], "x", 1);
    close(s[1]);
    sock = s[0];
    GET(SO_ERROR);
    GET(SO_ERROR);
    say("read %ld", (long)read(s[0], b, 1));
    close(s[0]);
    // An accepted socket takes SO_PASSCRED from its listener, and nothing else.
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), on = 1;
    unix_bind(l, "@inherit"), listen(l, 1);
    setsockopt(l, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    unix_connect(c, "@inherit");
    sock = accept(l, 0, 0);
    GET(SO_PASSCRED), GET(SO_KEEPALIVE);
    close(sock), close(l), close(c);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        sock = socket(AF_UNIX, types[i], 0);
        all();
        if (i == 0) setting();
        structures();
        close(sock);
    }
    sock = socket(AF_UNIX, SOCK_STREAM, 0);
    timeouts(SO_RCVTIMEO, "SO_RCVTIMEO");
    timeouts(SO_SNDTIMEO, "SO_SNDTIMEO");
    close(sock);
    credentials();
    who_may();
    effects();
    return 0;
}
