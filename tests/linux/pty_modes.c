// SPDX-License-Identifier: MIT
// Pseudo-terminals without job control: canonical editing, echo, raw mode with VMIN and VTIME, end of file, output
// processing, sizes, flushing, closing either side, locks, names, polling.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static int master, slave;
static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void type(const char* text) {
    write(master, text, strlen(text));
    sleep_ms(20);  // Linux hands it to the line discipline in its own time
}
static const char* quote(const char* text, long n) {
    static char out[1024];
    out[0] = 0;
    for (long i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        sprintf(out + strlen(out), c >= 32 && c < 127 ? "%c" : "\\%02x", c);
    }
    return out;
}
static void screen(const char* what) {
    char text[512];
    long n = 0, got;
    struct pollfd p = {master, POLLIN, 0};
    while (n < 500 && poll(&p, 1, 20) == 1 && (p.revents & POLLIN) && (got = read(master, text + n, 512 - (size_t)n)) > 0) n += got;
    say("%s shows [%s]", what, quote(text, n));
}
static void line(const char* what) {
    char text[512];
    long n = read(slave, text, sizeof text);
    if (n < 0) say("%s: %s", what, strerrorname_np(errno));
    else say("%s: %ld [%s]", what, n, quote(text, n));
}
static int bits(int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents;
}
static void mode(int canonical, int echo, int min, int time) {
    struct termios t;
    tcgetattr(slave, &t);
    t.c_lflag = (t.c_lflag & ~(tcflag_t)(ICANON | ECHO)) | (canonical ? ICANON : 0) | (echo ? ECHO : 0);
    t.c_cc[VMIN] = (cc_t)min, t.c_cc[VTIME] = (cc_t)time;
    tcsetattr(slave, TCSANOW, &t);
}

static void canonical(void) {
    fcntl(slave, F_SETFL, O_NONBLOCK);
    type("hel");
    line("half a line");
    say("bits %d", bits(slave));
    type("lo\n");
    say("bits %d", bits(slave));
    line("a line");
    screen("typing");
    type("wrong\177\177\177\177\177right\n"), line("erase"), screen("erase");
    type("kill me\025kept\n"), line("kill"), screen("kill");
    type("two words\027one\n"), line("word erase"), screen("word erase");
    type("a\026\003b\n"), line("literal"), screen("literal");
    type("first\nsecond\n"), line("two lines"), line("the second"), line("no third"), screen("two lines");
    type("partial\004"), line("partial by ^D"), type("\004"), line("end of file"), line("and again nothing"), screen("^D");
    char text[4];
    type("abcdef\n");
    long n = read(slave, text, 4);
    say("piece %ld [%s]", n, quote(text, n));
    line("rest");
    screen("pieces");
    type("cr\r"), line("carriage return"), screen("carriage return");
    int waiting;
    type("count\n");
    ioctl(slave, FIONREAD, &waiting);
    say("FIONREAD %d", waiting);
    tcflush(slave, TCIFLUSH);
    line("flushed");
    screen("flushed");
    write(slave, "out\nput\ttab", 11), screen("output");
    struct termios t;
    tcgetattr(slave, &t);
    t.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(slave, TCSADRAIN, &t);
    write(slave, "raw\n", 4), screen("raw output");
    t.c_oflag |= OPOST, t.c_iflag &= ~(tcflag_t)ICRNL;
    tcsetattr(slave, TCSAFLUSH, &t);
    type("x\ry\n"), line("no ICRNL"), screen("no ICRNL");
    t.c_iflag |= ICRNL, t.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(slave, TCSANOW, &t);
    type("secret\n"), line("no echo"), screen("no echo");
    t.c_lflag |= ECHO;
    tcsetattr(slave, TCSANOW, &t);
    type("\023stopped");
    write(slave, "held", 4), screen("stopped by ^S");
    type("\021"), screen("going on");
    type("\n"), line("typed meanwhile");
    write(slave, "held", 4), screen("then");
}

static void raw(void) {
    char text[16];
    fcntl(slave, F_SETFL, 0);
    mode(0, 0, 1, 0);
    type("k"), line("one key"), type("abc"), line("three");
    mode(0, 0, 3, 0);
    type("xy");
    say("bits with two of three %d", bits(slave) & POLLIN);
    if (fork() == 0) {
        sleep_ms(30);
        type("z");
        _exit(0);
    }
    line("three at least");
    wait(NULL);
    mode(0, 0, 0, 0);
    line("no waiting");
    mode(0, 0, 0, 1);
    long start = now_ms();
    line("a tenth");
    say("waited %d", now_ms() - start >= 90 && now_ms() - start < 1000);
    type("q"), line("within it");
    mode(0, 0, 5, 1);
    type("ab");
    start = now_ms();
    line("between bytes");
    say("waited %d", now_ms() - start >= 90 && now_ms() - start < 1000);
    mode(0, 0, 1, 0);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    line("nothing");
    type("\003\004\n");
    long n = read(slave, text, 1);
    say("with ISIG off or nobody there: %ld", n);
    tcflush(slave, TCIFLUSH);
    screen("raw");
}

int main(void) {
    char name[64];
    struct winsize size;
    struct stat s;
    master = posix_openpt(O_RDWR | O_NOCTTY);
    say("locked slave %s", result(open(ptsname_r(master, name, sizeof name) == 0 ? name : "", O_RDWR | O_NOCTTY)));
    grantpt(master), unlockpt(master);
    slave = open(name, O_RDWR | O_NOCTTY);
    stat(name, &s);
    say("slave %s, is a tty %d %d, char device %d major %d", result(slave), isatty(slave), isatty(master), S_ISCHR(s.st_mode), (int)(s.st_rdev >> 8));
    struct termios t;
    tcgetattr(slave, &t);
    say("modes %o %o %o %o", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    say("keys [%s]", quote((char*)t.c_cc, 19));
    say("speed %d", cfgetospeed(&t) == B38400);
    ioctl(slave, TIOCGWINSZ, &size);
    say("size %d %d", size.ws_row, size.ws_col);
    size = (struct winsize){25, 80, 1, 2};
    ioctl(master, TIOCSWINSZ, &size);
    memset(&size, 0, sizeof size);
    ioctl(slave, TIOCGWINSZ, &size);
    say("size %d %d %d %d", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
    int pgrp;
    say("not my terminal: %s %s %s", result(ioctl(slave, TIOCGPGRP, &pgrp)), result(ioctl(slave, TIOCGSID, &pgrp)), result(tcsetpgrp(slave, getpgrp())));
    say("unknown ioctl %s, of a file %s, of a pipe %s", result(ioctl(slave, 0x5499, 0)), result(tcgetattr(open("f", O_CREAT | O_RDWR, 0600), &t)),
        result(ioctl(open("/dev/null", O_RDWR), TIOCGWINSZ, &size)));
    say("seek %s", result(lseek(slave, 0, SEEK_SET)));
    canonical();
    raw();
    mode(1, 1, 1, 0);
    say("bits %d %d", bits(slave), bits(master));
    close(slave);
    say("without slave: bits %d, read %s", bits(master), result(read(master, name + 40, 1)));
    slave = open(name, O_RDWR | O_NOCTTY);
    say("again %s, bits %d", result(slave), bits(master));
    write(slave, "left", 4);
    close(slave);
    screen("left behind");
    slave = open(name, O_RDWR | O_NOCTTY);
    close(master);
    say("without master: bits %d, read %ld, write %s", bits(slave), (long)read(slave, name + 40, 1), result(write(slave, "x", 1)));
    say("ioctl %s", result(tcgetattr(slave, &t)));
    say("opening it %s", result(open(name, O_RDWR | O_NOCTTY)));
    int m1 = posix_openpt(O_RDWR | O_NOCTTY), m2 = posix_openpt(O_RDWR | O_NOCTTY);
    char n1[64], n2[64];
    ptsname_r(m1, n1, 64), ptsname_r(m2, n2, 64);
    say("two are different: %d, exist %d", strcmp(n1, n2) != 0, access(n1, F_OK) == 0 && access(n2, F_OK) == 0);
    close(m1);
    say("gone with its master: %s", result(access(n1, F_OK)));
    return 0;
}
