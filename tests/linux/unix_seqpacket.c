// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_SEQPACKET: connections that keep messages apart.
#include "sockets.h"

static char block[1 << 16];

static void pairs(void) {
    int s[2];
    char b[100];
    say("pair %s", result(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s)));
    write(s[0], "one", 3), write(s[0], "two and", 7), write(s[0], "", 0), send(s[0], "end", 3, MSG_EOR);
    say("bits %s", bits_of(s[1]));
    int n;
    ioctl(s[1], FIONREAD, &n);
    say("FIONREAD %d", n);
    struct iovec v = {b, 4};
    for (int i = 0; i < 4; i++) {
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        long got = recvmsg(s[1], &m, 0);
        say("received %ld, flags %#x", got, (unsigned)m.msg_flags);
    }
    say("empty %s", result(recv(s[1], b, 1, MSG_DONTWAIT)));
    write(s[0], "12345", 5);
    say("peek %ld", (long)recv(s[1], b, 2, MSG_PEEK));
    say("whole length %ld", (long)recv(s[1], b, 2, MSG_TRUNC));
    say("wait for all does not: %ld", (write(s[0], "123", 3), (long)recv(s[1], b, 10, MSG_WAITALL)));
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, "@ignored");
    say("address is ignored: %ld", (long)sendto(s[0], "x", 1, 0, (struct sockaddr*)&a, length));
    read(s[1], b, 1);
    write(s[0], "left", 4);
    close(s[0]);
    say("bits %s", bits_of(s[1]));
    say("read %ld", (long)read(s[1], b, 10));
    say("end %ld", (long)read(s[1], b, 10));
    say("end, not blocking %ld", (long)recv(s[1], b, 10, MSG_DONTWAIT));
    signals_seen = 0;
    say("write %s", result(write(s[1], "x", 1)));
    say("signals %d", signals_seen);
    close(s[1]);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    write(s[0], "unread", 6);
    close(s[1]);
    say("bits %s", bits_of(s[0]));
    say("read %s", result(read(s[0], b, 1)));
    say("write %s", result(write(s[0], "x", 1)));
    close(s[0]);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    say("half closed %s", result(shutdown(s[0], SHUT_WR)));
    say("bits %s | %s", bits_of(s[0]), bits_of(s[1]));
    say("write %s", result(write(s[0], "x", 1)));
    say("end %ld", (long)read(s[1], b, 1));
    say("the other way %ld", (long)write(s[1], "back", 4));
    say("read %ld", (long)read(s[0], b, 10));
    close(s[0]), close(s[1]);
}

static void connections(void) {
    char b[100];
    int l = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    say("bits of new %s", bits_of(c));
    say("write %s", result(write(c, "x", 1)));
    say("read %s", result(read(c, b, 1)));
    unix_bind(l, "@seq");
    say("listen %s", result(listen(l, 2)));
    say("bits of listener %s", bits_of(l));
    say("connect %s", result(unix_connect(c, "@seq")));
    say("bits of listener %s", bits_of(l));
    say("early %ld", (long)write(c, "early", 5));
    int a = accept(l, 0, 0);
    say("names %s", name_of(a, 0));
    say("and %s", name_of(a, 1));
    say("read %ld", (long)read(a, b, 100));
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    write(a, "answer", 6);
    say("received %ld", (long)recvfrom(c, b, 100, 0, (struct sockaddr*)&from, &length));
    say("from %s", show_address(&from, length));
    say("stream to it %s", result(unix_connect(socket(AF_UNIX, SOCK_STREAM, 0), "@seq")));
    say("read of the listener %s", result(read(l, b, 1)));
    close(a);
    say("end %ld", (long)read(c, b, 1));
    close(c), close(l);
    // Many, with a waiting sender.
    int s[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    pid_t pid = fork();
    if (pid == 0) {
        close(s[0]);
        for (int i = 1; i <= 2000; i++) {
            memset(block, i, sizeof block);
            if (write(s[1], block, (size_t)(i * 7 % 30000)) != i * 7 % 30000) _exit(1);
        }
        _exit(0);
    }
    close(s[1]);
    int good = 0;
    for (int i = 1; i <= 2000; i++) {
        long n = read(s[0], block, sizeof block);
        good += n == i * 7 % 30000 && (n == 0 || (block[0] == (char)i && block[n - 1] == (char)i));
    }
    say("good %d, end %ld", good, (long)read(s[0], block, 1));
    say_status("sender", pid);
    close(s[0]);
}

int main(void) {
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGPIPE, &action, 0);
    pairs();
    connections();
    return 0;
}
