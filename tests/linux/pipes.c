// SPDX-License-Identifier: MIT
// Pipes and FIFOs: capacity, atomic writes, non-blocking ends, SIGPIPE, hang-ups, interruption, sizes, tee and splice,
// the ways a FIFO is opened.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char block[1 << 17];
static volatile int signals;
static void count(int number) { (void)number, signals++; }

static int bits(int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents;
}

static void basics(void) {
    int p[2], n;
    pipe2(p, O_NONBLOCK);
    say("bits of empty: %d %d", bits(p[0]), bits(p[1]));
    say("read of empty: %s", result(read(p[0], block, 1)));
    long total = 0, got;
    while ((got = write(p[1], block, 4096)) > 0) total += got;
    say("capacity %ld, then %s", total, strerrorname_np(errno));
    say("bits of full: %d %d", bits(p[0]), bits(p[1]));
    ioctl(p[0], FIONREAD, &n);
    say("FIONREAD %d", n);
    read(p[0], block, 4095);
    say("after 4095: write of 1 %s, bits %d", result(write(p[1], block, 1)), bits(p[1]));
    read(p[0], block, 1);
    say("after 4096: write of 4096 %ld", (long)write(p[1], block, 4096));
    read(p[0], block, 8192);
    say("big write %ld", (long)write(p[1], block, 100000));
    say("pipe size %d", fcntl(p[0], F_GETPIPE_SZ));
    say("new size %d", fcntl(p[0], F_SETPIPE_SZ, 70000));
    say("seen at the other end %d", fcntl(p[1], F_GETPIPE_SZ));
    say("too small for what is in it: %s", result(fcntl(p[0], F_SETPIPE_SZ, 4096)));
    while (read(p[0], block, sizeof block) > 0) {}
    say("shrink %d", fcntl(p[0], F_SETPIPE_SZ, 100));
    say("now full at %ld", (long)write(p[1], block, 10000));
    while (read(p[0], block, sizeof block) > 0) {}
    say("write of 0 %ld, read of 0 %ld", (long)write(p[1], "", 0), (long)read(p[0], block, 0));
    say("seek %s, pread %s", result(lseek(p[0], 0, SEEK_SET)), result(pread(p[0], block, 1, 0)));
    say("read the write end %s, write the read end %s", result(read(p[1], block, 1)), result(write(p[0], block, 1)));
    write(p[1], "last", 4);
    close(p[1]);
    say("bits without writer: %d", bits(p[0]));
    say("read %ld", (long)read(p[0], block, 10));
    say("then %ld", (long)read(p[0], block, 10));
    say("bits at the end: %d", bits(p[0]));
    say("pipe2 with bad flags %s, bad address %s", result(pipe2(p, O_APPEND)), result(pipe((int*)8)));
    pipe(p);
    struct stat s;
    fstat(p[0], &s);
    say("mode %o size %ld", s.st_mode, (long)s.st_size);
}

static void broken(void) {
    int p[2];
    pipe(p);
    close(p[0]);
    signal(SIGPIPE, count);
    long n = write(p[1], "x", 1);
    say("write %s, signals %d, bits %d", result(n), signals, bits(p[1]));
    signal(SIGPIPE, SIG_IGN);
    say("ignored: %s", result(write(p[1], "x", 1)));
    close(p[1]);
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        close(p[0]);
        for (;;) write(p[1], block, 65536);
    }
    close(p[1]);
    read(p[0], block, 1);
    close(p[0]);
    say_status("writer", pid);
}

static void blocking(void) {
    int p[2], done[2];
    pipe(p), pipe(done);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < (int)sizeof block; i++) block[i] = (char)(i * 7);
        long n = write(p[1], block, sizeof block);
        say("long write %ld", n);
        _exit(0);
    }
    close(p[1]);
    long total = 0, n;
    int wrong = 0;
    while ((n = read(p[0], block, 1000)) > 0) {
        for (long i = 0; i < n; i++) wrong += block[i] != (char)((total + i) * 7);
        total += n;
    }
    say_status("writer", pid);
    say("read %ld, wrong %d", total, wrong);
    // Atomic: pieces of two writers do not mix.
    pipe(p);
    for (int w = 0; w < 4; w++) {
        if (fork() == 0) {
            memset(block, 'a' + w, 4096);
            for (int i = 0; i < 100; i++) write(p[1], block, 3000);
            _exit(0);
        }
    }
    close(p[1]);
    int counts[4] = {0}, mixed = 0;
    char piece[3000];
    for (;;) {
        size_t have = 0;
        while (have < sizeof piece && (n = read(p[0], piece + have, sizeof piece - have)) > 0) have += (size_t)n;
        if (have < sizeof piece) break;
        for (size_t i = 1; i < sizeof piece; i++) mixed += piece[i] != piece[0];
        counts[piece[0] - 'a']++;
    }
    while (wait(NULL) > 0) {}
    say("pieces %d %d %d %d, mixed %d", counts[0], counts[1], counts[2], counts[3], mixed);
    // A signal ends a wait, or not.
    pipe(p);
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    say("interrupted read %s", result(read(p[0], block, 1)));
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    pid = fork();
    if (pid == 0) {
        sleep_ms(60);
        write(p[1], "R", 1);
        _exit(0);
    }
    ualarm(20000, 0);
    long restarted = read(p[0], block, 1);
    say("restarted read %ld %c", restarted, block[0]);
    wait(NULL);
    action.sa_flags = 0;
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    say("interrupted write %ld", (long)write(p[1], block, sizeof block));
}

static void fifos(void) {
    mkfifo("f", 0600);
    int r = open("f", O_RDONLY | O_NONBLOCK);
    say("reader alone: read %ld, bits %d", (long)read(r, block, 1), bits(r));
    int w = open("f", O_WRONLY | O_NONBLOCK);
    say("writer %s, read %s", result(w), result(read(r, block, 1)));
    write(w, "abc", 3);
    say("bits %d, read %ld", bits(r), (long)read(r, block, 10));
    close(w);
    say("bits after the writer %d, read %ld", bits(r), (long)read(r, block, 1));
    close(r);
    say("writer alone %s", result(open("f", O_WRONLY | O_NONBLOCK)));
    int both = open("f", O_RDWR);
    write(both, "xyz", 3);
    say("both ways %ld", (long)read(both, block, 10));
    close(both);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("f", O_WRONLY);
        write(fd, "through", 7);
        _exit(0);
    }
    r = open("f", O_RDONLY);
    memset(block, 0, 20);
    long n = 0, got;
    while ((got = read(r, block + n, 20)) > 0) n += got;
    say("blocking open: %ld %s", n, block);
    wait(NULL);
    close(r);
    pid = fork();
    if (pid == 0) {
        int fd = open("f", O_RDONLY);
        read(fd, block, 3);
        say("child reads %c%c%c", block[0], block[1], block[2]);
        _exit(0);
    }
    w = open("f", O_WRONLY);
    write(w, "123", 3);
    say_status("reader", pid);
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGALRM, &action, NULL);
    close(w);
    ualarm(20000, 0);
    say("interrupted open %s", result(open("f", O_RDONLY)));
    struct stat s;
    stat("f", &s);
    say("a fifo: %d, truncate %s", S_ISFIFO(s.st_mode), result(truncate("f", 0)));
}

static void splicing(void) {
    int a[2], b[2];
    pipe(a), pipe(b);
    write(a[1], "0123456789", 10);
    say("tee %ld", (long)tee(a[0], b[1], 4, 0));
    memset(block, 0, 20);
    long copied = read(b[0], block, 20);
    say("copied %ld %s", copied, block);
    say("splice %ld", (long)splice(a[0], NULL, b[1], NULL, 6, 0));
    memset(block, 0, 20);
    read(b[0], block, 20);
    say("moved %s", block);
    memset(block, 0, 20);
    read(a[0], block, 20);
    say("left %s", block);
    say("nothing there: %s %s", result(tee(a[0], b[1], 4, SPLICE_F_NONBLOCK)), result(splice(a[0], NULL, b[1], NULL, 6, SPLICE_F_NONBLOCK)));
    say("same pipe %s", result(tee(a[0], a[1], 4, 0)));
}

int main(void) {
    basics();
    broken();
    blocking();
    fifos();
    splicing();
    return 0;
}
