// SPDX-License-Identifier: MIT
// Descriptors and credentials that go through AF_UNIX sockets: what arrives, what is closed and when, limits, circles of sockets in flight.
#include "sockets.h"

#include <sys/resource.h>

static char text[1000];

static int pair_of(int type, int s[2]) { return socketpair(AF_UNIX, type, 0, s); }

static void passing(int type) {
    int s[2], p[2], got[300], count, flags;
    pair_of(type, s);
    pipe(p);
    int before = open_count();
    say("send %ld", send_rights(s[0], "with", p, 2, 0));
    say("receive %ld", receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, MSG_CMSG_CLOEXEC));
    say("descriptors %d, flags %#x", count, (unsigned)flags);
    say("new ones %d, close on exec %d %d", open_count() - before, fcntl(got[0], F_GETFD), fcntl(got[1], F_GETFD));
    write(got[1], "through", 7);
    say("they work: %ld", (long)read(p[0], text, 100));
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    say("still open: %s", result(read(p[0], text, 100)));
    // The last writer goes into a message, and is read from there.
    send_rights(s[0], "only", got + 1, 1, 0);
    close(got[1]), close(got[0]);
    say("in flight: %s", result(read(p[0], text, 100)));
    say("dropped by read: %ld", (long)read(s[1], text, 100));
    say("closed: %ld", (long)read(p[0], text, 100));
    close(p[0]);
    say("open %d", open_count() - before + 2);
    // In flight, and the socket closes.
    pipe2(p, O_NONBLOCK);
    send_rights(s[0], "gone", p + 1, 1, 0);
    close(p[1]);
    say("in flight: %s", result(read(p[0], text, 100)));
    close(s[1]);
    say("closed with its socket: %ld", (long)read(p[0], text, 100));
    close(s[0]), close(p[0]);
}

static void truncation(int type) {
    int s[2], p[2], got[300], count, flags;
    pair_of(type, s);
    pipe2(p, O_NONBLOCK);
    int four[4] = {p[0], p[1], 0, 1};
    int before = open_count();
    send_rights(s[0], "four", four, 4, 0);
    receive_rights(s[1], text, sizeof text, got, 2, &count, &flags, 0);
    say("room for two: %d, flags %#x, open %d", count, (unsigned)flags, open_count() - before);
    close(got[0]), close(got[1]);
    send_rights(s[0], "four", four, 4, 0);
    receive_rights(s[1], text, sizeof text, got, 0, &count, &flags, 0);
    say("room for none: %d, flags %#x, open %d", count, (unsigned)flags, open_count() - before);
    send_rights(s[0], "four", four, 4, 0);
    say("peek %ld", receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, MSG_PEEK));
    say("%d, open %d", count, open_count() - before);
    for (int i = 0; i < count; i++) close(got[i]);
    say("receive %ld", receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, 0));
    say("%d, open %d", count, open_count() - before);
    for (int i = 0; i < count; i++) close(got[i]);
    say("none: %ld", send_rights(s[0], "none", four, 0, 0));
    receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, 0);
    say("%d, flags %#x", count, (unsigned)flags);
    // Descriptors are used up.
    struct rlimit old, few;
    getrlimit(RLIMIT_NOFILE, &old);
    send_rights(s[0], "four", four, 4, 0);
    int top = dup(0);
    close(top);
    few = old;
    few.rlim_cur = (rlim_t)top + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    say("limit: %ld", receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, 0));
    say("%d, flags %#x", count, (unsigned)flags);
    setrlimit(RLIMIT_NOFILE, &old);
    for (int i = 0; i < count; i++) close(got[i]);
    close(s[0]), close(s[1]), close(p[0]), close(p[1]);
}

static void errors(void) {
    int s[2], many[300];
    pair_of(SOCK_STREAM, s);
    for (int i = 0; i < 300; i++) many[i] = 0;
    say("253: %ld", send_rights(s[0], "many", many, 253, 0));
    say("254: %s", result(send_rights(s[0], "many", many, 254, 0)));
    int bad[2] = {0, 999};
    say("not open: %s", result(send_rights(s[0], "bad", bad, 2, 0)));
    bad[1] = -1;
    say("negative: %s", result(send_rights(s[0], "bad", bad, 2, 0)));
    int path = open(".", O_PATH);
    bad[1] = path;
    say("O_PATH: %ld", send_rights(s[0], "path", bad, 2, 0));
    close(path);
    char control[64] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 20};
    struct cmsghdr* c = (struct cmsghdr*)control;
    c->cmsg_len = 10, c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS;
    say("header too short: %s", result(sendmsg(s[0], &m, 0)));
    c->cmsg_len = 24;
    say("longer than all: %s", result(sendmsg(s[0], &m, 0)));
    c->cmsg_len = 20, c->cmsg_type = 77;
    say("unknown type: %s", result(sendmsg(s[0], &m, 0)));
    c->cmsg_level = 0;
    say("other level: %s", result(sendmsg(s[0], &m, 0)));
    m.msg_controllen = 8;
    say("shorter than a header: %s", result(sendmsg(s[0], &m, 0)));
    m.msg_control = 0, m.msg_controllen = 20;
    say("nowhere: %s", result(sendmsg(s[0], &m, 0)));
    close(s[0]), close(s[1]);
}

static void boundaries(void) {
    int s[2], got[300], count, flags, zero = 0;
    pair_of(SOCK_STREAM, s);
    write(s[0], "before", 6);
    send_rights(s[0], "first", &zero, 1, 0);
    send_rights(s[0], "second", &zero, 1, 0);
    write(s[0], "after", 5);
    write(s[0], "last", 4);
    for (int i = 0; i < 4; i++) {
        long n = receive_rights(s[1], text, sizeof text, got, 10, &count, &flags, MSG_DONTWAIT);
        say("%s: %d descriptors, '%.*s'", n < 0 ? result(n) : "piece", count, n > 0 ? (int)n : 0, text);
        for (int k = 0; k < count; k++) close(got[k]);
    }
    send_rights(s[0], "slowly", &zero, 1, 0);
    write(s[0], "more", 4);
    long n = receive_rights(s[1], text, 2, got, 10, &count, &flags, 0);
    say("first bytes %ld with %d", n, count);
    close(got[0]);
    n = receive_rights(s[1], text, 100, got, 10, &count, &flags, 0);
    say("rest %ld with %d", n, count);
    close(s[0]), close(s[1]);
}

static int credentials(int fd, struct ucred* out, int* flags) {
    char control[200];
    struct iovec v = {text, sizeof text};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &m, MSG_DONTWAIT) < 0) return -1;
    *flags = m.msg_flags;
    int found = 0;
    for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type != SCM_CREDENTIALS) continue;
        memcpy(out, CMSG_DATA(c), sizeof *out);
        found++;
    }
    return found;
}

static long claim(int fd, pid_t pid, uid_t uid, gid_t gid) {
    char control[CMSG_SPACE(sizeof(struct ucred))] = {0};
    struct iovec v = {"claim", 5};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr* c = CMSG_FIRSTHDR(&m);
    struct ucred u = {pid, uid, gid};
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof u);
    memcpy(CMSG_DATA(c), &u, sizeof u);
    return sendmsg(fd, &m, 0);
}

static void who(int type) {
    int s[2], on = 1, flags = 0, value;
    struct ucred u = {0};
    socklen_t size = sizeof u;
    pair_of(type, s);
    getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &size);
    say("peer is us: %d %d %d, size %d", u.pid == getpid(), u.uid == getuid(), u.gid == getgid(), (int)size);
    write(s[0], "a", 1);
    say("not asked for: %d", credentials(s[1], &u, &flags));
    write(s[0], "early", 5);
    say("set %s", result(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on)));
    size = sizeof value;
    getsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &value, &size);
    say("option %d", value);
    int n = credentials(s[1], &u, &flags);
    say("sent before: %d, pid %d uid %u", n, u.pid, u.uid);
    write(s[0], "b", 1);
    say("count %d", credentials(s[1], &u, &flags));
    say("is us %d %d, flags %#x", u.pid == getpid(), u.uid == getuid(), (unsigned)flags);
    pid_t pid = fork();
    if (pid == 0) {
        write(s[0], "child", 5);
        _exit(0);
    }
    waitpid(pid, 0, 0);
    write(s[0], "parent", 6);
    say("child's: %d", credentials(s[1], &u, &flags));
    say("is the child %d", u.pid == pid);
    say("parent's: %d", credentials(s[1], &u, &flags));
    say("is us %d", u.pid == getpid());
    say("claim what is so %ld", claim(s[0], getpid(), getuid(), getgid()));
    say("got %d", credentials(s[1], &u, &flags));
    write(s[0], "c", 1);
    struct iovec v = {text, 100};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    recvmsg(s[1], &m, 0);
    say("no room: flags %#x", (unsigned)m.msg_flags);
    pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && (setgid(1000) != 0 || setuid(1000) != 0)) _exit(9);
        int bad = 0;
        if (claim(s[0], 1, getuid(), getgid()) == -1 && errno == EPERM) bad |= 1;
        if (claim(s[0], getpid(), 0, getgid()) == -1 && errno == EPERM) bad |= 2;
        if (claim(s[0], getpid(), getuid(), 0) == -1 && errno == EPERM) bad |= 4;
        if (claim(s[0], getpid(), getuid(), getgid()) == 5) bad |= 8;
        _exit(bad);
    }
    say_status("claims of another user", pid);
    close(s[0]), close(s[1]);
}

static int watched[2];
/// A pipe whose writer is held only by what is sent: closed when that has gone.
static void watch(void) { pipe2(watched, O_NONBLOCK); }
static const char* alive(void) {
    long n = read(watched[0], text, 1);
    return n == 0 ? "gone" : result(n);
}

/// What is unreachable is looked for when a socket is closed, by Linux a little later.
static void collect(void) {
    int s[2];
    pair_of(SOCK_STREAM, s), close(s[0]), close(s[1]);
    sleep_ms(20);
}
static const char* collected(void) {
    const char* now = alive();
    for (int i = 0; i < 200 && strcmp(now, "gone") != 0; i++) {
        collect();
        now = alive();
    }
    return now;
}

static void circles(void) {
    int a[2], b[2], l;
    int before = open_count();
    // A socket in its own queue.
    watch();
    pair_of(SOCK_STREAM, a);
    send_rights(a[0], "w", watched + 1, 1, 0);
    send_rights(a[0], "self", a + 1, 1, 0);
    close(watched[1]);
    close(a[1]);
    say("held by its own queue, peer open: %s", alive());
    close(a[0]);
    collect();
    say("peer closed: %s", collected());
    close(watched[0]);
    // Both ends in each other's queue.
    watch();
    pair_of(SOCK_DGRAM, a);
    send_rights(a[0], "w", watched + 1, 1, 0);
    close(watched[1]);
    send_rights(a[0], "x", a, 1, 0);
    send_rights(a[1], "y", a + 1, 1, 0);
    close(a[0]), close(a[1]);
    collect();
    say("both in flight: %s", collected());
    close(watched[0]);
    // A circle of two pairs, one of which somebody holds.
    watch();
    pair_of(SOCK_STREAM, a), pair_of(SOCK_STREAM, b);
    send_rights(a[0], "w", watched + 1, 1, 0);
    close(watched[1]);
    send_rights(a[0], "b", b + 1, 1, 0);
    send_rights(b[0], "a", a + 1, 1, 0);
    close(a[0]), close(a[1]), close(b[1]);
    collect();
    say("b[0] held, which can't receive: %s", collected());
    close(b[0]);
    collect();
    say("not held: %s", collected());
    close(watched[0]);
    // Reachable in two steps.
    watch();
    pair_of(SOCK_STREAM, a), pair_of(SOCK_STREAM, b);
    send_rights(a[0], "w", watched + 1, 1, 0);
    close(watched[1]);
    send_rights(b[0], "a", a + 1, 1, 0);
    close(a[0]), close(a[1]), close(b[0]);
    collect();
    int got[10], count, flags;
    say("reachable: %s", alive());
    receive_rights(b[1], text, 100, got, 10, &count, &flags, 0);
    say("received %d", count);
    int inner = got[0];
    receive_rights(inner, text, 100, got, 10, &count, &flags, 0);
    say("and from it %d", count);
    close(got[0]), close(inner), close(b[1]);
    say("closed: %s", alive());
    close(watched[0]);
    // In the backlog of a listener that is in flight to itself.
    watch();
    l = socket(AF_UNIX, SOCK_STREAM, 0);
    unix_bind(l, "@circle"), listen(l, 5);
    a[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    unix_connect(a[0], "@circle");
    send_rights(a[0], "w", watched + 1, 1, 0);
    close(watched[1]);
    send_rights(a[0], "l", &l, 1, 0);
    close(l);
    say("listener held by what it has not accepted: %s", alive());
    close(a[0]);
    collect();
    say("client closed: %s", collected());
    close(watched[0]);
    // A long chain: each holds the next.
    watch();
    int last = watched[1], next[2];
    for (int i = 0; i < 3000; i++) {
        pair_of(SOCK_STREAM, next);
        send_rights(next[0], "c", &last, 1, 0);
        close(next[0]), close(last);
        last = next[1];
    }
    say("chain: %s", alive());
    close(last);
    sleep_ms(200);
    say("chain closed: %s", collected());
    close(watched[0]);
    say("open %d", open_count() - before);
}

static void too_many(void) {
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit few = {30, 30};
        if (getuid() == 0 && setuid(54321) != 0) _exit(1);
        setrlimit(RLIMIT_NOFILE, &few);
        int s[2], four[4] = {0, 0, 0, 0};
        pair_of(SOCK_STREAM, s);
        int sent = 0;
        while (sent < 100 && send_rights(s[0], "x", four, 4, MSG_DONTWAIT) == 1) sent++;
        say("messages of four: %d, then %s", sent, strerrorname_np(errno));
        while (recv(s[1], text, 1, MSG_DONTWAIT) == 1) {}
        say("read away: %ld", send_rights(s[0], "x", four, 4, MSG_DONTWAIT));
        _exit(0);
    }
    say_status("limit", pid);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        say("type %d", types[i]);
        passing(types[i]);
        truncation(types[i]);
        who(types[i]);
    }
    errors();
    boundaries();
    circles();
    too_many();
    return 0;
}
