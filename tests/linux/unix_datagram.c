// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_DGRAM: sending and receiving, peers, what is full, what is gone, sizes, shutdown, waiting.
#include "sockets.h"

static char block[1 << 18];

static int bound(const char* name) {
    int s = socket(AF_UNIX, SOCK_DGRAM, 0);
    unix_bind(s, name);
    return s;
}

static long receive(int fd, char* to, size_t size, int flags, char* from) {
    struct sockaddr_un a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    long n = recvfrom(fd, to, size, flags, (struct sockaddr*)&a, &length);
    strcpy(from, n < 0 ? strerrorname_np(errno) : show_address(&a, length));
    return n;
}

static void basics(void) {
    char b[100], from[200];
    int a = bound("a"), s = socket(AF_UNIX, SOCK_DGRAM, 0), n;
    say("bits of new %s", bits_of(s));
    say("write without peer %s", result(write(s, "x", 1)));
    say("read of empty %s", result(recv(s, b, 1, MSG_DONTWAIT)));
    say("send to %ld", unix_send_to(s, "hello", "a", 0));
    say("bits %s", bits_of(a));
    say("received %ld", receive(a, b, sizeof b, 0, from));
    say("from %s", from);
    int c = bound("@c");
    unix_send_to(c, "one", "a", 0), unix_send_to(c, "three", "a", 0), unix_send_to(s, "", "a", 0);
    ioctl(a, FIONREAD, &n);
    say("FIONREAD %d", n);
    say("cut %ld '%.2s'", receive(a, b, 2, 0, from), b);
    say("from %s", from);
    say("peek, truncated: %ld", receive(a, b, 2, MSG_PEEK | MSG_TRUNC, from));
    say("again: %ld", receive(a, b, 0, MSG_TRUNC, from));
    say("empty message: %ld", receive(a, b, 10, 0, from));
    say("then %ld", receive(a, b, 10, MSG_DONTWAIT, from));
    say("to nobody %s", result(unix_send_to(s, "x", "nothing", 0)));
    say("to an abstract nobody %s", result(unix_send_to(s, "x", "@nothing", 0)));
    int t = socket(AF_UNIX, SOCK_STREAM, 0);
    unix_bind(t, "t");
    say("to a stream %s", result(unix_send_to(s, "x", "t", 0)));
    say("listen %s", result(listen(a, 1)));
    say("accept %s", result(accept(a, 0, 0)));
    say("out of band %s", result(send(s, "x", 1, MSG_OOB)));
    close(a);
    say("to one that is gone %s", result(unix_send_to(s, "x", "a", 0)));
    close(s), close(c), close(t);
    unlink("a"), unlink("t");
}

static void peers(void) {
    char b[100], from[200];
    int a = bound("@a"), c = bound("@b"), d = bound("@d");
    say("connect %s", result(unix_connect(a, "@b")));
    say("peer %s", name_of(a, 1));
    say("write %ld", (long)write(a, "to b", 4));
    say("another address %ld", unix_send_to(a, "to d", "@d", 0));
    say("received %ld", receive(c, b, 100, MSG_DONTWAIT, from));
    say("received %ld", receive(d, b, 100, MSG_DONTWAIT, from));
    say("connected otherwise: %s", result(unix_send_to(d, "x", "@a", 0)));
    say("connect to it: %s", result(unix_connect(d, "@a")));
    say("its peer may: %ld", unix_send_to(c, "x", "@a", 0));
    say("connect back %s", result(unix_connect(c, "@a")));
    write(a, "queued", 6);
    say("connect to another %s", result(unix_connect(c, "@d")));
    say("queue %ld", receive(c, b, 100, MSG_DONTWAIT, from));
    say("%s", from);
    say("bits of old peer %s", bits_of(a));
    say("its error %s", result(write(a, "x", 1)));
    say("then %s", result(write(a, "x", 1)));
    struct sockaddr_un none = {.sun_family = AF_UNSPEC};
    say("disconnect %s", result(connect(c, (struct sockaddr*)&none, sizeof none.sun_family)));
    say("write %s", result(write(c, "x", 1)));
    say("peer %s", name_of(c, 1));
    say("connect to itself %s", result(unix_connect(c, "@b")));
    say("write %ld", (long)write(c, "self", 4));
    say("read %ld", (long)read(c, b, 10));
    close(c);
    say("write to who is gone %s", result(write(a, "x", 1)));
    say("again %s", result(write(a, "x", 1)));
    close(a), close(d);
    int s[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    write(s[1], "left", 4);
    close(s[1]);
    say("pair, bits after close %s", bits_of(s[0]));
    say("read %ld", (long)read(s[0], b, 10));
    say("then %s", result(recv(s[0], b, 10, MSG_DONTWAIT)));
    signals_seen = 0;
    say("write %s", result(write(s[0], "x", 1)));
    say("again %s", result(write(s[0], "x", 1)));
    say("signals %d", signals_seen);
    close(s[0]);
}

static void full(void) {
    char b[100];
    int r = bound("@r"), s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), n = 0;
    while (unix_send_to(s, "x", "@r", 0) == 1) n++;
    say("fit %d, then %s", n, strerrorname_np(errno));
    unix_connect(s, "@r");
    say("bits when connected %s", bits_of(s));
    read(r, b, 1);
    say("bits after one is read %s", bits_of(s));
    say("one more %ld", (long)write(s, "x", 1));
    say("and no more %s", result(write(s, "x", 1)));
    // Who waits goes on when there is room.
    pid_t pid = fork();
    if (pid == 0) {
        int w = socket(AF_UNIX, SOCK_DGRAM, 0);
        _exit(unix_send_to(w, "waited", "@r", 0) == 6 ? 0 : 1);
    }
    sleep_ms(50);
    int seen = 0;
    while (seen < 12 && read(r, b, 100) > 0) seen += b[0] == 'x' ? 1 : 100;
    say("read %d", seen);
    say_status("waiting sender", pid);
    int fill = 0;
    while (unix_send_to(s, "x", "@r", 0) == 1) fill++;
    pid = fork();
    if (pid == 0) {
        close(r);
        int w = socket(AF_UNIX, SOCK_DGRAM, 0);
        _exit(unix_send_to(w, "waited", "@r", 0) == -1 && errno == ECONNREFUSED ? 0 : 1);
    }
    sleep_ms(50);
    close(r);
    say_status("receiver closes", pid);
    close(s);
    // Of a pair only SO_SNDBUF counts.
    int p[2];
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    for (n = 0; write(p[0], "x", 1) == 1;) n++;
    say("pair: %d, then %s", n, strerrorname_np(errno));
    say("bits %s", bits_of(p[0]));
    while (read(p[1], b, 1) == 1 && --n > 0) {
        if (strstr(bits_of(p[0]), "OUT") == 0) continue;
        say("writable again with %d left", n);
        break;
    }
    close(p[0]), close(p[1]);
    int small = 2000;
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    say("too long %s", result(write(p[0], block, 4577)));
    say("just so %ld", (long)write(p[0], block, 4576));
    for (n = 0; write(p[0], "x", 1) == 1;) n++;
    say("small: %d, then %s", n, strerrorname_np(errno));
    close(p[0]), close(p[1]);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    say("200000: %ld", (long)write(p[0], block, 200000));
    say("read %ld", (long)read(p[1], block, sizeof block));
    say("212961: %s", result(write(p[0], block, 212961)));
    close(p[0]), close(p[1]);
}

static void closing(void) {
    int p[2];
    char b[10];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    write(p[0], "x", 1);
    say("shutdown %s", result(shutdown(p[0], SHUT_WR)));
    say("write %s", result(write(p[0], "x", 1)));
    say("bits %s | %s", bits_of(p[0]), bits_of(p[1]));
    say("the other reads %ld", (long)read(p[1], b, 1));
    say("then %s", result(recv(p[1], b, 1, MSG_DONTWAIT)));
    say("shutdown %s", result(shutdown(p[1], SHUT_RD)));
    say("bits %s | %s", bits_of(p[0]), bits_of(p[1]));
    say("read %ld", (long)read(p[1], b, 1));
    say("not blocking %s", result(recv(p[1], b, 1, MSG_DONTWAIT)));
    close(p[0]), close(p[1]);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    shutdown(p[1], SHUT_RD);
    say("write to who does not receive %s", result(write(p[0], "x", 1)));
    shutdown(p[0], SHUT_RDWR);
    say("bits %s", bits_of(p[0]));
    say("how 3 %s", result(shutdown(p[0], 3)));
    close(p[0]), close(p[1]);
    int s = socket(AF_UNIX, SOCK_DGRAM, 0);
    say("shutdown without peer %s", result(shutdown(s, SHUT_RDWR)));
    close(s);
    say("raw is datagram: %s", result(s = socket(AF_UNIX, SOCK_RAW, 0)));
    int type;
    socklen_t size = sizeof type;
    getsockopt(s, SOL_SOCKET, SO_TYPE, &type, &size);
    say("type %d", type);
    close(s);
}

static void bad_memory(void) {
    int p[2];
    char b[10];
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    say("from nowhere %s", result(write(p[0], (void*)8, 5)));
    char* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    say("half from nowhere %s", result(write(p[0], page + 4090, 20)));
    say("nothing came %s", result(read(p[1], b, 10)));
    write(p[0], "lost", 4), write(p[0], "kept", 4);
    say("to nowhere %s", result(read(p[1], (void*)8, 5)));
    say("next %ld '%.4s'", (long)read(p[1], b, 10), b);
    close(p[0]), close(p[1]);
}

int main(void) {
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGPIPE, &action, 0);
    basics();
    peers();
    full();
    closing();
    bad_memory();
    return 0;
}
