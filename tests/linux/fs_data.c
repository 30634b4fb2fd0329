// SPDX-License-Identifier: MIT
// Contents: reads and writes with and without a position, vectors, appending, holes, truncation, unlinked files, bad
// buffers, limits, fallocate, copies between files.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <sys/sendfile.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void size_of(const char* what, int fd) {
    struct stat s;
    fstat(fd, &s);
    say("%s: size %ld, at %ld", what, (long)s.st_size, (long)lseek(fd, 0, SEEK_CUR));
}

static unsigned sum(int fd) {
    unsigned char buffer[8192];
    unsigned value = 1;
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, buffer, sizeof buffer, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++) value = value * 31 + buffer[i];
    return value;
}

static void positions(int fd) {
    char text[32] = {0};
    say("write %ld", (long)write(fd, "0123456789", 10));
    size_of("after it", fd);
    long n = pread(fd, text, 4, 3);
    say("pread %ld %s", n, text);
    say("pwrite %ld", (long)pwrite(fd, "XY", 2, 12));
    size_of("after pwrite", fd);
    lseek(fd, 0, SEEK_SET);
    say("read %ld", (long)read(fd, text, 31));
    for (int i = 0; i < 14; i++) if (text[i] == 0) text[i] = '_';
    say("%s", text);
    say("at the end %ld", (long)read(fd, text, 5));
    say("seek -1: %s", result(lseek(fd, -1, SEEK_SET)));
    say("seek from the end %ld", (long)lseek(fd, -4, SEEK_END));
    say("seek back %s", result(lseek(fd, -100, SEEK_CUR)));
    say("seek with a bad whence %s", result(lseek(fd, 0, 99)));
    say("beyond the end %ld", (long)lseek(fd, 100, SEEK_END));
    say("read there %ld", (long)read(fd, text, 5));
    say("pread at -1: %s", result(pread(fd, text, 1, -1)));
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    lseek(fd, 0, SEEK_SET);
    say("writev %ld", (long)writev(fd, out, 3));
    char x[2] = {0}, y[4] = {0};
    struct iovec in[2] = {{x, 1}, {y, 3}};
    n = preadv(fd, in, 2, 1);
    say("preadv %ld %s %s", n, x, y);
    say("writev of none %ld, of too many %s", (long)writev(fd, out, 0), result(writev(fd, out, 2000)));
    struct iovec bad[1] = {{x, (size_t)-1}};
    say("negative length %s", result(writev(fd, bad, 1)));
    say("read into nowhere %s", result(pread(fd, (void*)8, 4, 0)));
    say("write from nowhere %s", result(write(fd, (void*)8, 4)));
    say("read of 0 into nowhere %ld", (long)read(fd, (void*)8, 0));
}

static void holes(int fd) {
    ftruncate(fd, 0);
    pwrite(fd, "a", 1, 0), pwrite(fd, "b", 1, 1 << 20);
    size_of("sparse", fd);
    say("data at 0: %ld, hole %d, data behind the hole %ld", (long)lseek(fd, 0, SEEK_DATA), lseek(fd, 0, SEEK_HOLE) >= 4096,
        (long)lseek(fd, 300000, SEEK_DATA) >> 12);
    say("last hole %ld, behind the end %s", (long)lseek(fd, 1 << 20, SEEK_HOLE), result(lseek(fd, 2 << 20, SEEK_DATA)));
    say("sum %u", sum(fd));
    say("shorter %s", result(ftruncate(fd, 3)));
    say("longer %s", result(ftruncate(fd, 5000)));
    say("sum %u", sum(fd));
    say("negative %s", result(ftruncate(fd, -1)));
    pwrite(fd, "0123456789", 10, 4090);
    ftruncate(fd, 4095), ftruncate(fd, 8192);
    char text[16] = {0};
    pread(fd, text, 10, 4090);
    say("cut text %s", text);
    say("fallocate %s", result(fallocate(fd, 0, 8192, 10000)));
    size_of("then", fd);
    say("keep size %s", result(fallocate(fd, 1, 0, 100000)));
    size_of("then", fd);
    for (int i = 0; i < 20000; i += 8) pwrite(fd, "AAAAAAAA", 8, i);
    say("punch %s", result(fallocate(fd, 3, 100, 9000)));
    say("sum %u", sum(fd));
    say("fallocate errors %s %s %s", result(fallocate(fd, 0, -1, 5)), result(fallocate(fd, 0, 0, 0)), result(fallocate(fd, 2, 0, 5)));
}

static void appending(void) {
    int fd = open("log", O_CREAT | O_RDWR | O_APPEND, 0644);
    write(fd, "one", 3);
    lseek(fd, 0, SEEK_SET);
    write(fd, "two", 3);
    size_of("append", fd);
    say("pwrite appends: %ld", (long)pwrite(fd, "three", 5, 0));
    size_of("append", fd);
    int other = open("log", O_WRONLY);
    write(other, "ONE", 3);
    char text[32] = {0};
    pread(fd, text, 31, 0);
    say("%s", text);
    fcntl(fd, F_SETFL, 0);
    lseek(fd, 3, SEEK_SET), write(fd, "TWO", 3);
    pread(fd, text, 31, 0);
    say("%s", text);
    say("truncate by name %s, a directory %s, nothing %s", result(truncate("log", 2)), result(truncate(".", 2)), result(truncate("no", 2)));
    say("ftruncate of a reader %s", result(ftruncate(open("log", O_RDONLY), 0)));
    say("write of a reader %s, read of a writer %s", result(write(open("log", O_RDONLY), "x", 1)), result(read(other, text, 1)));
    unlink("log");
    struct stat s;
    fstat(fd, &s);
    say("unlinked: links %ld size %ld, write %ld", (long)s.st_nlink, (long)s.st_size, (long)write(fd, "still", 5));
    say("truncate the name %s", result(truncate("log", 0)));
}

static void copies(void) {
    int a = open("a", O_CREAT | O_RDWR, 0644), b = open("b", O_CREAT | O_RDWR, 0644);
    char block[1000];
    for (int i = 0; i < 100; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        write(a, block, sizeof block);
    }
    off_t from = 500;
    long n = sendfile(b, a, &from, 70000);
    say("sendfile %ld, offset %ld", n, (long)from);
    size_of("a", a), size_of("b", b);
    lseek(a, 99000, SEEK_SET);
    say("sendfile to the end %ld", (long)sendfile(b, a, NULL, 70000));
    say("sum %u", sum(b));
    off_t to = 10;
    from = 20;
    say("copy_file_range %ld", (long)copy_file_range(a, &from, b, &to, 50000, 0));
    say("offsets %ld %ld sum %u", (long)from, (long)to, sum(b));
    from = 0, to = 100;
    say("overlapping %s", result(copy_file_range(a, &from, a, &to, 1000, 0)));
    int fds[2];
    pipe(fds);
    from = 0;
    say("splice in %ld", (long)splice(a, &from, fds[1], NULL, 5000, 0));
    say("splice out %ld", (long)splice(fds[0], NULL, b, NULL, 5000, 0));
    size_of("b", b);
    say("sendfile to a pipe %ld", (long)sendfile(fds[1], a, &from, 3000));
    say("splice without a pipe %s", result(splice(a, NULL, b, NULL, 10, 0)));
    say("sendfile from a pipe %s", result(sendfile(b, fds[0], NULL, 10)));
}

int main(void) {
    int fd = open("file", O_CREAT | O_RDWR, 0644);
    positions(fd);
    holes(fd);
    appending();
    copies();
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {10000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    ftruncate(fd, 0);
    char block[4096] = {0};
    for (int i = 0; i < 3; i++) say("to the limit %ld", (long)pwrite(fd, block, 4096, i * 4096));
    say("behind it %s, truncate %s", result(pwrite(fd, block, 1, 10000)), result(ftruncate(fd, 10001)));
    int dir = open(".", O_RDONLY);
    say("read a directory %s, bad descriptor %s", result(read(dir, block, 1)), result(read(555, block, 1)));
    return 0;
}
