// SPDX-License-Identifier: MIT
// Descriptors: numbers, dup and its relatives, close-on-exec, limits, close_range, shared offsets, /proc/self/fd, the
// devices.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void open_ones(const char* what) {
    char line[256] = "";
    for (int i = 0; i < 100; i++)
        if (fcntl(i, F_GETFD) != -1) sprintf(line + strlen(line), " %d%s", i, fcntl(i, F_GETFD) ? "e" : "");
    say("%s:%s", what, line);
}
static void link_of(int fd) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    long n = readlink(path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    char* digits = strpbrk(text, "[");
    if (strncmp(text, "pipe:", 5) == 0 && digits) *digits = 0;
    struct stat s;
    lstat(path, &s);
    char* last = strrchr(text, '/');
    say("fd %d -> %s mode %o", fd, strncmp(text, "/dev", 4) == 0 || !last ? text : last, s.st_mode);
}

int main(int argc, char** argv) {
    if (argc > 1) {
        open_ones("after exec");
        char c = 0;
        say("offset is shared: %ld %c", (long)read(atoi(argv[1]), &c, 1), c);
        return 0;
    }
    int f = open("f", O_CREAT | O_RDWR, 0600);
    write(f, "0123456789", 10);
    lseek(f, 0, SEEK_SET);
    say("first %d, dup %d, dup2 %d, same %d", f, dup(f), dup2(f, 10), dup2(f, f));
    say("dup2 of nothing %s, to -1 %s, too high %s", result(dup2(77, 5)), result(dup2(f, -1)), result(dup2(f, 1 << 24)));
    say("dup2 of nothing to itself %s", result(dup2(77, 77)));
    say("dup3 to itself %s, flags %s, cloexec %d", result(dup3(f, f, 0)), result(dup3(f, 11, 1)), dup3(f, 11, O_CLOEXEC));
    int e = open("f", O_RDONLY | O_CLOEXEC);
    say("lowest free %d", e);
    open_ones("open");
    char c;
    read(f, &c, 1);
    int other = open("f", O_RDONLY);
    say("offsets: dup %ld, other %ld", (long)lseek(10, 0, SEEK_CUR), (long)lseek(other, 0, SEEK_CUR));
    close(4);
    say("hole is filled %d, close twice %s", dup(f), result(close(50)));
    struct rlimit limit = {20, 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    int n = 0, fd;
    while ((fd = dup(f)) >= 0) n++;
    say("until %s: open %s, pipe %s, to the limit %s", strerrorname_np(errno), result(open("f", O_RDONLY)), result(pipe(&n)), result(dup2(f, 20)));
    say("create at the limit %s, made it %s", result(open("not_made", O_CREAT | O_RDWR, 0600)), result(access("not_made", F_OK)));
    limit.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &limit);
    say("close_range %s", result(syscall(SYS_close_range, 12, 60, 0)));
    open_ones("after it");
    dup2(f, 30), dup2(f, 31);
    say("cloexec range %s, bad %s %s", result(syscall(SYS_close_range, 31, ~0u, 4)), result(syscall(SYS_close_range, 5, 4, 0)), result(syscall(SYS_close_range, 1, 2, 64)));
    open_ones("now");
    ioctl(30, FIOCLEX);
    say("FIOCLEX %d", fcntl(30, F_GETFD));
    pid_t pid = fork();
    if (pid == 0) {
        read(f, &c, 1);
        char number[12];
        sprintf(number, "%d", f);
        execl("/proc/self/exe", "self", number, NULL);
        _exit(1);
    }
    say_status("exec", pid);
    say("offset moved by the child: %ld", (long)lseek(f, 0, SEEK_CUR));

    int p[2];
    pipe(p);
    link_of(f), link_of(e), link_of(p[0]), link_of(p[1]);
    link_of(open("/dev/null", O_RDWR));
    link_of(open("f", O_WRONLY));
    unlink("f");
    link_of(f);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    fd = open(path, O_RDONLY);
    read(fd, &c, 1);
    say("reopened deleted file: %c", c);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    fd = open(path, O_WRONLY);
    write(fd, "w", 1);
    read(p[0], &c, 1);
    say("reopened pipe the other way: %c", c);
    DIR* d = opendir("/proc/self/fd");
    int count = 0, known = 0;
    for (struct dirent* x; (x = readdir(d)) != NULL;)
        if (x->d_name[0] != '.') count++, known += fcntl(atoi(x->d_name), F_GETFD) != -1;
    say("all listed are open: %d", count == known && count > 5);
    say("no such descriptor: %s", result(access("/proc/self/fd/999", F_OK)));

    char buffer[64];
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR), random = open("/dev/urandom", O_RDWR);
    say("null: read %ld write %ld seek %ld", (long)read(null, buffer, 9), (long)write(null, buffer, 9), (long)lseek(null, 100, SEEK_SET));
    memset(buffer, 1, 64);
    long r = read(zero, buffer, 64);
    say("zero: read %ld all zero %d write %ld, pread %ld", r, buffer[0] == 0 && buffer[63] == 0, (long)write(zero, buffer, 9), (long)pread(zero, buffer, 4, 50));
    say("full: read %ld write %s", (long)read(full, buffer, 9), result(write(full, buffer, 9)));
    memset(buffer, 0, 64);
    r = read(random, buffer, 64);
    int zeros = 0;
    for (int i = 0; i < 64; i++) zeros += buffer[i] == 0;
    say("urandom: read %ld random %d write %ld", r, zeros < 10, (long)write(random, buffer, 9));
    setsid();
    say("/dev/tty without a terminal: %s", result(open("/dev/tty", O_RDWR)));
    struct stat s;
    stat("/dev/null", &s);
    say("null's number %lx, truncating it %s", (long)s.st_rdev, result(open("/dev/null", O_WRONLY | O_TRUNC)));
    say("a link to the standard input: %d", access("/dev/stdin", F_OK) == 0);
    return 0;
}
