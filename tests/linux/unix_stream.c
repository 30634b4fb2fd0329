// SPDX-License-Identifier: MIT
// AF_UNIX, SOCK_STREAM: pairs, connections, backlog, end of stream, broken pipes, resets, flags, timeouts, interruption, big transfers.
#include "sockets.h"

static char block[1 << 18];

static void pairs(void) {
    int s[2], n;
    char b[100];
    say("pair: %s", result(socketpair(AF_UNIX, SOCK_STREAM, 0, s)));
    say("bits %s", bits_of(s[0]));
    say("write %ld", (long)write(s[0], "hello", 5));
    say("bits of the other %s", bits_of(s[1]));
    ioctl(s[1], FIONREAD, &n);
    say("FIONREAD %d", n);
    say("peek %ld", (long)recv(s[1], b, 3, MSG_PEEK));
    say("read %ld '%.5s'", (long)read(s[1], b, sizeof b), b);
    write(s[1], "ab", 2), write(s[1], "cd", 2);
    say("two writes, one read %ld", (long)recv(s[0], b, sizeof b, 0));
    say("empty: %s", result(recv(s[0], b, 1, MSG_DONTWAIT)));
    say("write of 0: %ld, read of 0: %ld", (long)write(s[0], "", 0), (long)read(s[1], b, 0));
    say("seek %s, pread %s, pwrite %s", result(lseek(s[0], 0, SEEK_SET)), result(pread(s[0], b, 1, 0)), result(pwrite(s[0], b, 1, 0)));
    say("names %s, %s", name_of(s[0], 0), name_of(s[0], 1));
    struct stat st;
    fstat(s[0], &st);
    say("mode %o, blocks %ld", st.st_mode, (long)st.st_blocks);
    write(s[0], "left", 4);
    close(s[0]);
    say("bits after close with data %s", bits_of(s[1]));
    say("read %ld", (long)read(s[1], b, sizeof b));
    say("then %ld", (long)read(s[1], b, sizeof b));
    say("bits %s", bits_of(s[1]));
    signals_seen = 0;
    say("write %s", result(write(s[1], "x", 1)));
    say("signals %d", signals_seen);
    say("send without signal %s", result(send(s[1], "x", 1, MSG_NOSIGNAL)));
    say("signals %d", signals_seen);
    say("peer's name %s", name_of(s[1], 1));
    close(s[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[1], "never read", 10);
    close(s[1]);
    say("data first %ld", (long)read(s[0], b, sizeof b));
    close(s[0]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[0], "never read", 10);
    close(s[1]);
    say("bits after close of who did not read %s", bits_of(s[0]));
    say("read %s", result(read(s[0], b, sizeof b)));
    say("then %ld", (long)read(s[0], b, sizeof b));
    close(s[0]);
}

static void halves(void) {
    int s[2];
    char b[10];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[0], "last", 4);
    say("shutdown of sending %s", result(shutdown(s[0], SHUT_WR)));
    say("bits %s | %s", bits_of(s[0]), bits_of(s[1]));
    say("read %ld", (long)read(s[1], b, 10));
    say("end %ld", (long)read(s[1], b, 10));
    say("the other way: %ld", (long)write(s[1], "back", 4));
    say("read %ld", (long)read(s[0], b, 10));
    signals_seen = 0;
    say("write %s", result(write(s[0], "x", 1)));
    say("signals %d", signals_seen);
    say("shutdown of receiving %s", result(shutdown(s[0], SHUT_RD)));
    say("bits %s | %s", bits_of(s[0]), bits_of(s[1]));
    say("write %s", result(write(s[1], "x", 1)));
    say("read %ld", (long)read(s[0], b, 10));
    close(s[0]), close(s[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[1], "there", 5);
    shutdown(s[0], SHUT_RD);
    say("what was there before %ld", (long)read(s[0], b, 10));
    say("then %ld", (long)read(s[0], b, 10));
    close(s[0]), close(s[1]);
}

static void connections(void) {
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bits of new %s", bits_of(l));
    say("listen without name %s", result(listen(l, 1)));
    say("bind %s", result(unix_bind(l, "s")));
    int c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("connect before listen %s", result(unix_connect(c, "s")));
    say("read %s, write %s", result(read(c, block, 1)), result(write(c, block, 1)));
    say("listen %s", result(listen(l, 1)));
    say("bits of listener %s", bits_of(l));
    say("accept with nothing there: %s", (fcntl(l, F_SETFL, O_NONBLOCK), result(accept(l, 0, 0))));
    say("connect %s", result(unix_connect(c, "s")));
    say("again %s", result(unix_connect(c, "s")));
    say("bits of listener %s, of client %s", bits_of(l), bits_of(c));
    say("write before accept %ld", (long)write(c, "early", 5));
    int d = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), e = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("second %s", result(unix_connect(d, "s")));
    say("third %s", result(unix_connect(e, "s")));
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    int a = accept4(l, (struct sockaddr*)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    say("accept %s, from %s", result(a), show_address(&from, length));
    say("flags %d %#o", fcntl(a, F_GETFD), (unsigned)fcntl(a, F_GETFL));
    say("names %s, %s", name_of(a, 0), name_of(a, 1));
    say("names of client %s, %s", name_of(c, 0), name_of(c, 1));
    say("read %ld", (long)read(a, block, 100));
    say("third again %s", result(unix_connect(e, "s")));
    say("client is no listener: accept %s, listen %s", result(accept(c, 0, 0)), result(listen(c, 1)));
    say("read from listener %s, write %s", result(read(l, block, 1)), result(write(l, block, 1)));
    say("connect a listener %s", result(unix_connect(l, "s")));
    int b = accept(l, 0, 0);
    close(l);
    say("not accepted: bits %s", bits_of(e));
    say("read %s", result(read(e, block, 1)));
    say("then %ld", (long)read(e, block, 1));
    say("connect when closed %s", result(unix_connect(socket(AF_UNIX, SOCK_STREAM, 0), "s")));
    close(a), close(b), close(c), close(d), close(e);
    unlink("s");
}

static void blocking(void) {
    int l = socket(AF_UNIX, SOCK_STREAM, 0), status;
    unix_bind(l, "@blocking");
    listen(l, 0);
    // Three clients, one place: they wait for their turn.
    for (int i = 0; i < 3; i++) {
        if (fork() != 0) continue;
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        if (unix_connect(c, "@blocking") != 0) _exit(1);
        char n = (char)(i + 1), got;
        write(c, &n, 1);
        if (read(c, &got, 1) != 1) _exit(2);
        _exit(got == n * 2 ? 0 : 3);
    }
    int sum = 0;
    for (int i = 0; i < 3; i++) {
        int a = accept(l, 0, 0);
        char n = 0;
        read(a, &n, 1);
        sum += n;
        n = (char)(n * 2);
        write(a, &n, 1);
        close(a);
    }
    int good = 0;
    while (wait(&status) > 0) good += status == 0;
    say("sum %d, good %d", sum, good);
    // A client that waits when the listener goes.
    int c1 = socket(AF_UNIX, SOCK_STREAM, 0);
    unix_connect(c1, "@blocking");
    pid_t pid = fork();
    if (pid == 0) {
        close(l);
        _exit(unix_connect(socket(AF_UNIX, SOCK_STREAM, 0), "@blocking") == -1 && errno == ECONNREFUSED ? 0 : 1);
    }
    sleep_ms(50);
    close(l);
    say_status("waiting client", pid);
    // accept that waits for its client.
    l = socket(AF_UNIX, SOCK_STREAM, 0);
    unix_bind(l, "@blocking");
    listen(l, 5);
    pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        _exit(unix_connect(socket(AF_UNIX, SOCK_STREAM, 0), "@blocking") != 0);
    }
    int a = accept(l, 0, 0);
    say("accepted %s", result(a));
    say_status("client", pid);
    say("its end: %ld", (long)read(a, block, 1));
    // shutdown wakes accept
    pid = fork();
    if (pid == 0) _exit(accept(l, 0, 0) == -1 ? errno : 0);
    sleep_ms(50);
    shutdown(l, SHUT_RD);
    say_status("accept after shutdown", pid);
    say("connect then %s", result(unix_connect(socket(AF_UNIX, SOCK_STREAM, 0), "@blocking")));
    close(l);
}

static void alarmed(int number) { (void)number; }

static void waiting(void) {
    int s[2];
    char b[100];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    struct timeval t = {0, 20000};
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    say("read that times out %s", result(read(s[0], b, 1)));
    long total = 0, n;
    while ((n = write(s[0], block, 65536)) > 0) total += n;
    say("write that times out %s, something was written %d", result(n), total > 0);
    while (recv(s[1], block, sizeof block, MSG_DONTWAIT) > 0) {}
    signal(SIGALRM, alarmed);
    struct itimerval timer = {{0, 20000}, {0, 20000}}, none = {{0, 0}, {0, 0}};
    // With a timeout there is no restart.
    t.tv_sec = 10;
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setitimer(ITIMER_REAL, &timer, 0);
    say("interrupted with timeout %s", result(read(s[0], b, 1)));
    struct sigaction action = {.sa_handler = alarmed};
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &timer, 0);
    say("interrupted %s", result(read(s[1], b, 1)));
    setitimer(ITIMER_REAL, &none, 0);
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(100);
        write(s[0], "r", 1);
        _exit(0);
    }
    setitimer(ITIMER_REAL, &timer, 0);
    say("restarted %ld", (long)read(s[1], b, 1));
    setitimer(ITIMER_REAL, &none, 0);
    say_status("writer", pid);
    // MSG_WAITALL
    pid = fork();
    if (pid == 0) {
        write(s[0], "abc", 3);
        sleep_ms(20);
        write(s[0], "defg", 4);
        sleep_ms(20);
        write(s[0], "hij", 3);
        _exit(0);
    }
    memset(b, 0, sizeof b);
    say("wait for all %ld", (long)recv(s[1], b, 9, MSG_WAITALL));
    say("'%s'", b);
    say_status("writer", pid);
    say("rest %ld", (long)recv(s[1], b, 9, 0));
    pid = fork();
    if (pid == 0) {
        write(s[0], "abc", 3);
        shutdown(s[0], SHUT_WR);
        _exit(0);
    }
    say("wait for all, to the end %ld", (long)recv(s[1], b, 9, MSG_WAITALL));
    say_status("writer", pid);
    close(s[0]), close(s[1]);
}

static void transfer(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid_t pid = fork();
    if (pid == 0) {
        close(s[0]);
        unsigned x = 1;
        size_t left = 4000000, at = 0;
        while (left > 0) {
            size_t n = 1 + (x = x * 1103515245 + 12345) % 70000;
            if (n > left) n = left;
            for (size_t i = 0; i < n; i++) block[i] = (char)((at + i) * 7 + (at + i) / 251);
            if (write(s[1], block, n) != (long)n) _exit(1);
            at += n, left -= n;
        }
        _exit(0);
    }
    close(s[1]);
    size_t at = 0, wrong = 0;
    long n;
    unsigned x = 7;
    while ((n = read(s[0], block, 1 + (x = x * 1103515245 + 12345) % 100000)) > 0) {
        for (long i = 0; i < n; i++, at++) wrong += block[i] != (char)(at * 7 + at / 251);
    }
    say("transferred %ld, wrong %ld, end %ld", (long)at, (long)wrong, n);
    say_status("sender", pid);
    close(s[0]);
    // A reader that waits for one byte, and a write of more than fits.
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid = fork();
    if (pid == 0) {
        close(s[0]);
        long total = read(s[1], block, 1);
        sleep_ms(20);
        while ((n = read(s[1], block, sizeof block)) > 0) total += n;
        _exit(total == 260000 ? 0 : 1);
    }
    close(s[1]);
    sleep_ms(20);
    say("one write %ld", (long)write(s[0], block, 260000));
    close(s[0]);
    say_status("reader", pid);
    // Ping-pong, byte by byte.
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid = fork();
    char c;
    if (pid == 0) {
        close(s[0]);
        while (read(s[1], &c, 1) == 1) {
            c++;
            write(s[1], &c, 1);
        }
        _exit(0);
    }
    close(s[1]);
    int good = 0;
    for (int i = 0; i < 1000; i++) {
        c = (char)i;
        write(s[0], &c, 1);
        good += read(s[0], &c, 1) == 1 && c == (char)(i + 1);
    }
    say("ping-pong %d", good);
    close(s[0]);
    say_status("partner", pid);
}

static void bad_memory(void) {
    int s[2];
    char b[10];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    say("write from nowhere %s", result(write(s[0], (void*)8, 5)));
    write(s[0], "data", 4);
    say("read to nowhere %s", result(read(s[1], (void*)8, 5)));
    say("still there %ld", (long)read(s[1], b, 10));
    char* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    memset(page, 'x', 4096);
    say("one good piece, read back %ld", (write(s[0], page + 4090, 6), (long)read(s[1], page + 4000, 96)));
    close(s[0]), close(s[1]);
}

int main(void) {
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGPIPE, &action, 0);
    pairs();
    halves();
    connections();
    blocking();
    waiting();
    transfer();
    bad_memory();
    return 0;
}
