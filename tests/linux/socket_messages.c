// SPDX-License-Identifier: MIT
// sendmsg, recvmsg, sendmmsg, recvmmsg: pieces, names, control messages, flags, many at once, timeouts.
#include "sockets.h"

static char b[8][100];
static struct iovec v[8];
static struct mmsghdr mm[8];

/// Eight messages to receive into, of `size` bytes each.
static void ready(size_t size) {
    memset(mm, 0, sizeof mm);
    memset(b, 0, sizeof b);
    for (int i = 0; i < 8; i++) {
        v[i] = (struct iovec){b[i], size};
        mm[i].msg_hdr.msg_iov = &v[i], mm[i].msg_hdr.msg_iovlen = 1;
    }
}

static void tell(const char* what, int n) {
    char line[300] = "";
    for (int i = 0; i < n; i++)
        sprintf(line + strlen(line), " %u:'%.*s'/%x", mm[i].msg_len, (int)(mm[i].msg_len < 20 ? mm[i].msg_len : 20), b[i],
                (unsigned)mm[i].msg_hdr.msg_flags);
    say("%s: %d%s%s", what, n, n < 0 ? strerrorname_np(errno) : "", line);
}

static void pieces(int type) {
    int s[2];
    char x[4][10];
    socketpair(AF_UNIX, type, 0, s);
    struct iovec out[4] = {{"one", 3}, {"", 0}, {"three", 5}, {"!", 1}};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 4};
    say("sendmsg %ld", (long)sendmsg(s[0], &m, 0));
    struct iovec in[4] = {{x[0], 2}, {x[1], 0}, {x[2], 4}, {x[3], 10}};
    struct msghdr r = {.msg_iov = in, .msg_iovlen = 4};
    memset(x, 0, sizeof x);
    say("recvmsg %ld '%s' '%s' '%s'", (long)recvmsg(s[1], &r, 0), x[0], x[2], x[3]);
    say("'%s' '%s' '%s'", x[0], x[2], x[3]);
    say("writev %ld", (long)writev(s[0], out, 4));
    memset(x, 0, sizeof x);
    long n = readv(s[1], in, 4);
    say("readv %ld '%s' '%s' '%s'", n, x[0], x[2], x[3]);
    struct sockaddr_un a;
    memset(&a, 0x11, sizeof a);
    write(s[0], "name?", 5);
    r.msg_name = &a, r.msg_namelen = sizeof a;
    recvmsg(s[1], &r, 0);
    say("name's length %d, flags %#x", (int)r.msg_namelen, (unsigned)r.msg_flags);
    close(s[0]), close(s[1]);
}

static void many(int type) {
    int s[2];
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
    ready(0);
    static const char* texts[] = {"first", "second", "", "fourth one"};
    for (int i = 0; i < 4; i++) v[i] = (struct iovec){(void*)texts[i], strlen(texts[i])};
    int n = sendmmsg(s[0], mm, 4, 0);
    say("sendmmsg %d: %u %u %u %u", n, mm[0].msg_len, mm[1].msg_len, mm[2].msg_len, mm[3].msg_len);
    ready(6);
    tell("two of them", recvmmsg(s[1], mm, 2, 0, 0));
    ready(6);
    tell("the rest", recvmmsg(s[1], mm, 8, 0, 0));
    tell("none", recvmmsg(s[1], mm, 8, 0, 0));
    say("none asked for %d", recvmmsg(s[1], mm, 0, 0, 0));
    say("none to send %d", sendmmsg(s[0], mm, 0, 0));
    // Not all can be sent.
    ready(0);
    for (int i = 0; i < 4; i++) v[i] = (struct iovec){(void*)texts[0], 5};
    v[2].iov_base = (void*)8;
    n = sendmmsg(s[0], mm, 4, 0);
    say("third is bad: %d", n);
    n = sendmmsg(s[0], mm + 2, 2, 0);
    say("only that: %d %s", n, n < 0 ? strerrorname_np(errno) : "");
    say("vector is bad: %s", result(sendmmsg(s[0], (struct mmsghdr*)8, 1, 0)));
    ready(100);
    tell("what came", recvmmsg(s[1], mm, type == SOCK_STREAM ? 1 : 8, 0, 0));
    close(s[1]);
    say("peer closed: %s", result(sendmmsg(s[0], mm, 1, MSG_NOSIGNAL)));
    close(s[0]);
}

static void waiting(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) {
            sleep_ms(20);
            write(s[0], "x", 1);
        }
        _exit(0);
    }
    ready(10);
    tell("waits for all three", recvmmsg(s[1], mm, 3, 0, 0));
    say_status("sender", pid);
    write(s[0], "one", 3), write(s[0], "two", 3);
    ready(10);
    tell("waits for one", recvmmsg(s[1], mm, 8, MSG_WAITFORONE, 0));
    struct timespec t = {0, 1000000000};
    say("bad time %s", result(recvmmsg(s[1], mm, 8, 0, &t)));
    t.tv_nsec = -1;
    say("negative time %s", result(recvmmsg(s[1], mm, 8, 0, &t)));
    say("time from nowhere %s", result(recvmmsg(s[1], mm, 8, 0, (struct timespec*)8)));
    write(s[0], "one", 3), write(s[0], "two", 3);
    t = (struct timespec){0, 0};
    ready(10);
    tell("no time: one", recvmmsg(s[1], mm, 8, 0, &t));
    say("left %ld", (long)t.tv_sec);
    t = (struct timespec){100, 0};
    ready(10);
    tell("not waiting", recvmmsg(s[1], mm, 8, MSG_DONTWAIT, &t));
    say("most is left %d", t.tv_sec >= 90 && t.tv_sec <= 100);
    shutdown(s[0], SHUT_RDWR);
    ready(10);
    tell("shut down", recvmmsg(s[0], mm, 2, 0, 0));
    close(s[0]), close(s[1]);
}

static void named(void) {
    int r = socket(AF_UNIX, SOCK_DGRAM, 0), q = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0);
    unix_bind(r, "r"), unix_bind(q, "@q"), unix_bind(s, "s");
    struct sockaddr_un to[4];
    socklen_t sizes[4] = {unix_address(to, "r"), unix_address(to + 1, "@q"), unix_address(to + 2, "nobody"), unix_address(to + 3, "r")};
    ready(0);
    for (int i = 0; i < 4; i++) {
        v[i] = (struct iovec){"text", 4};
        mm[i].msg_hdr.msg_name = to + i, mm[i].msg_hdr.msg_namelen = sizes[i];
    }
    say("two arrive: %d", sendmmsg(s, mm, 4, 0));
    struct sockaddr_un from[2];
    memset(from, 0, sizeof from);
    ready(10);
    mm[0].msg_hdr.msg_name = from, mm[0].msg_hdr.msg_namelen = sizeof from[0];
    tell("first", recvmmsg(r, mm, 1, 0, 0));
    say("from %s", show_address(from, mm[0].msg_hdr.msg_namelen));
    mm[0].msg_hdr.msg_name = from, mm[0].msg_hdr.msg_namelen = 3;
    tell("second", recvmmsg(q, mm, 1, 0, 0));
    say("name is cut, length %d", (int)mm[0].msg_hdr.msg_namelen);
    // A long name of a message is cut to what an address can have, and is then too long.
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 1, .msg_name = b, .msg_namelen = 500};
    b[0][0] = AF_UNIX, b[0][1] = 0;
    say("long name %s", result(sendmsg(s, &m, 0)));
    close(r), close(q), close(s);
    unlink("r"), unlink("s");
}

static void control(void) {
    int s[2], on = 1, zero = 0;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    static const size_t rooms[] = {100, 64, 56, 52, 48, 40, 32, 31, 28, 20, 16, 12, 0};
    for (unsigned i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        char buffer[200], line[200] = "";
        memset(buffer, 0, sizeof buffer);
        send_rights(s[0], "x", &zero, 1, 0);
        struct msghdr m = {.msg_iov = &(struct iovec){buffer + 150, 10}, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = rooms[i]};
        long n = recvmsg(s[1], &m, 0);
        for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            sprintf(line + strlen(line), " %d:%d/%d", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
            if (c->cmsg_type == SCM_RIGHTS) close(*(int*)CMSG_DATA(c));
        }
        say("room %d: %ld, left %d, flags %#x%s", (int)rooms[i], n, (int)m.msg_controllen, (unsigned)m.msg_flags, line);
    }
    say("open %d", open_count() > 0);
    // Two messages in one.
    char buffer[200] = {0};
    struct msghdr m = {.msg_iov = &(struct iovec){"y", 1}, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = CMSG_SPACE(4) + CMSG_SPACE(12)};
    struct cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
    *(int*)CMSG_DATA(c) = 0;
    c = CMSG_NXTHDR(&m, c);
    struct ucred u = {getpid(), getuid(), getgid()};
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof u);
    memcpy(CMSG_DATA(c), &u, sizeof u);
    say("rights and credentials %ld", (long)sendmsg(s[0], &m, 0));
    int fds[10], count, flags = 0;
    say("received %ld", receive_rights(s[1], b[0], 10, fds, 20, &count, &flags, 0));
    say("descriptors %d, flags %#x", count, (unsigned)flags);
    close(s[0]), close(s[1]);
}

/// When a message came.
static void times(void) {
    int s[2], on = 1;
    char buffer[200];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    for (int i = 0; i < 3; i++) {
        static const int options[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPNS};
        if (i < 2) setsockopt(s[1], SOL_SOCKET, options[i], &on, sizeof on);
        time_t before = time(0);
        write(s[0], "x", 1);
        if (i == 2) on = 0, setsockopt(s[1], SOL_SOCKET, options[i], &on, sizeof on);
        struct msghdr m = {.msg_iov = &(struct iovec){b[0], 10}, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = sizeof buffer};
        say("received %ld", (long)recvmsg(s[1], &m, 0));
        say("control %d", (int)m.msg_controllen);
        for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            int64_t t[2];
            memcpy(t, CMSG_DATA(c), sizeof t);
            say("type %d, size %d, right %d", c->cmsg_type, (int)c->cmsg_len, t[0] >= before - 1 && t[0] <= time(0) + 1);
        }
    }
    close(s[0]), close(s[1]);
}

int main(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        say("type %d", types[i]);
        pieces(types[i]);
        many(types[i]);
    }
    waiting();
    named();
    control();
    times();
    return 0;
}
