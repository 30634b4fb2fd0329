// SPDX-License-Identifier: MIT
// The calls on a block device, for /dev/vda of 16 MiB and its partitions: disk_calls calls, disk_calls gpt, disk_calls read_only.
// Prints "ok" at the end, and a line for what is not as on Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISK "/dev/vda"
static const off_t size = 16 << 20;
static int failed;
static void* volatile nowhere = (void*)16;

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            failed = 1;                                                                         \
            printf("line %d: not so (errno %d %s): %s\n", __LINE__, errno, strerror(errno), #condition); \
        }                                                                                       \
    } while (0)
#define FAILS(call, error)                  \
    do {                                    \
        errno = 0;                          \
        CHECK((call) == -1 && errno == (error)); \
    } while (0)

static int open_disk(int flags) {
    const int fd = open(DISK, flags);
    if (fd < 0) {
        printf("cannot open " DISK "\n");
        exit(1);
    }
    return fd;
}

static void fill(char* to, size_t count, unsigned seed) {
    for (size_t i = 0; i < count; i++) to[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
}

/// Writes and reads of any alignment against a model in memory.
static void model(void) {
    enum { kArea = 40000, kFirst = 1000000 };
    static char known[kArea], buffer[kArea];
    const int fd = open_disk(O_RDWR);
    fill(known, kArea, 1);
    CHECK(pwrite(fd, known, kArea, kFirst) == kArea);
    unsigned random = 7;
    for (int i = 0; i < 200; i++) {
        random = random * 1103515245 + 12345;
        const size_t at = (random >> 8) % kArea;
        random = random * 1103515245 + 12345;
        size_t count = i % 4 == 0 ? 512 : (random >> 8) % (i % 3 == 0 ? 9000 : 600);
        if (count > kArea - at) count = kArea - at;
        if (i % 2 == 0) {
            fill(known + at, count, random);
            if (i % 4 == 0) {
                const struct iovec parts[] = {{known + at, count / 3}, {0, 0}, {known + at + count / 3, count - count / 3}};
                CHECK(pwritev(fd, parts, 3, kFirst + (off_t)at) == (ssize_t)count);
            } else {
                CHECK(pwrite(fd, known + at, count, kFirst + (off_t)at) == (ssize_t)count);
            }
        } else {
            const struct iovec parts[] = {{buffer, count / 2}, {buffer + count / 2, count - count / 2}};
            CHECK(preadv(fd, parts, 2, kFirst + (off_t)at) == (ssize_t)count);
            CHECK(memcmp(buffer, known + at, count) == 0);
        }
    }
    CHECK(pread(fd, buffer, kArea, kFirst) == kArea && memcmp(buffer, known, kArea) == 0);
    close(fd);
}

/// Processes that write parts of the same sectors do not undo each other's work.
static void neighbours(void) {
    enum { kWriters = 4, kRounds = 24 };
    const off_t first = 2 << 20;
    int fd = open_disk(O_RDWR);
    static char zeros[4096];
    CHECK(pwrite(fd, zeros, sizeof zeros, first) == sizeof zeros);
    for (int writer = 0; writer < kWriters; writer++) {
        if (fork() != 0) continue;
        for (int i = 0; i < kRounds; i++) {
            char mark[10];
            memset(mark, 'a' + writer, sizeof mark);
            if (pwrite(fd, mark, 10, first + (i * kWriters + writer) * 10) != 10) _exit(1);
        }
        _exit(0);
    }
    for (int writer = 0; writer < kWriters; writer++) {
        int status;
        CHECK(wait(&status) > 0 && status == 0);
    }
    char all[kWriters * kRounds * 10];
    CHECK(pread(fd, all, sizeof all, first) == sizeof all);
    for (size_t i = 0; i < sizeof all; i++) {
        if (all[i] == (char)('a' + i / 10 % kWriters)) continue;
        printf("byte %zu is %d\n", i, all[i]);
        failed = 1;
        break;
    }
    close(fd);
}

static void ends(void) {
    int fd = open_disk(O_RDWR);
    char buffer[2048] = "end";
    CHECK(lseek(fd, 0, SEEK_END) == size);
    CHECK(read(fd, buffer, 10) == 0);
    FAILS(write(fd, buffer, 10), ENOSPC);
    CHECK(write(fd, buffer, 0) == 0);
    CHECK(lseek(fd, -700, SEEK_END) == size - 700);
    CHECK(write(fd, buffer, 2048) == 700);
    CHECK(lseek(fd, 0, SEEK_CUR) == size);
    CHECK(lseek(fd, -1000, SEEK_CUR) == size - 1000);
    CHECK(read(fd, buffer, 2048) == 1000);
    CHECK(memcmp(buffer + 300, "end", 3) == 0);
    CHECK(pread(fd, buffer, 10, size + 5) == 0);
    FAILS(lseek(fd, size + 1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(pread(fd, buffer, 10, -1), EINVAL);
    FAILS(pread(fd, nowhere, 512, 0), EFAULT);
    FAILS(pwrite(fd, nowhere, 512, 0), EFAULT);
    FAILS(pwrite(fd, nowhere, 5, 0), EFAULT);
    FAILS(ftruncate(fd, 0), EINVAL);
    CHECK(fallocate(fd, 0, 0, 512) == -1);
    close(fd);
    fd = open(DISK, O_WRONLY | O_APPEND | O_TRUNC | O_CREAT, 0666);
    CHECK(fd >= 0);
    FAILS(write(fd, buffer, 10), ENOSPC);
    FAILS(read(fd, buffer, 10), EBADF);
    close(fd);
    fd = open_disk(O_RDONLY);
    FAILS(write(fd, buffer, 10), EBADF);
    close(fd);
}

static void modes(void) {
    int fd = open_disk(O_RDWR | O_DIRECT);
    char* aligned = NULL;
    CHECK(posix_memalign((void**)&aligned, 4096, 8192) == 0);
    memset(aligned, 'd', 8192);
    CHECK(pwrite(fd, aligned, 8192, 4096) == 8192);
    CHECK(pread(fd, aligned, 512, 512) == 512);
    FAILS(pread(fd, aligned, 100, 0), EINVAL);
    FAILS(pread(fd, aligned, 512, 100), EINVAL);
    close(fd);
    const int sync_flags[] = {O_SYNC, O_DSYNC};
    for (int i = 0; i < 2; i++) {
        fd = open_disk(O_RDWR | sync_flags[i]);
        CHECK(write(fd, "synchronous", 11) == 11);
        CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0);
        close(fd);
    }
    sync();
    fd = open_disk(O_RDWR);
    struct pollfd polled = {fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&polled, 1, 0) == 1 && polled.revents == (POLLIN | POLLOUT));
    const int set = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {0}};
    FAILS(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), EPERM);
    close(set);
    close(fd);
}

static void commands(void) {
    const int fd = open_disk(O_RDWR);
    uint64_t bytes = 0;
    unsigned long sectors = 0;
    int number = -1;
    unsigned physical = 0;
    CHECK(ioctl(fd, BLKGETSIZE64, &bytes) == 0 && bytes == (uint64_t)size);
    CHECK(ioctl(fd, BLKGETSIZE, &sectors) == 0 && sectors == (unsigned long)size / 512);
    CHECK(ioctl(fd, BLKSSZGET, &number) == 0 && number == 512);
    CHECK(ioctl(fd, BLKPBSZGET, &physical) == 0 && physical == 512);
    CHECK(ioctl(fd, BLKROGET, &number) == 0 && number == 0);
    CHECK(ioctl(fd, BLKBSZGET, &number) == 0 && number == 4096);
    CHECK(ioctl(fd, BLKFLSBUF, 0) == 0);
    FAILS(ioctl(fd, BLKGETSIZE64, nowhere), EFAULT);
    FAILS(ioctl(fd, 0x12ff, 0), ENOTTY);
    struct stat about;
    CHECK(fstat(fd, &about) == 0 && S_ISBLK(about.st_mode) && about.st_size == 0 &&
          major(about.st_rdev) == 254 && minor(about.st_rdev) == 0);
    // A device is its number, and not its name.
    CHECK(mknod("disk", S_IFBLK | 0600, makedev(254, 0)) == 0);
    int other = open("disk", O_RDONLY);
    CHECK(other >= 0 && lseek(other, 0, SEEK_END) == size);
    close(other);
    unlink("disk");
    CHECK(mknod("none", S_IFBLK | 0600, makedev(254, 200)) == 0);
    FAILS(open("none", O_RDONLY), ENXIO);
    unlink("none");
    if (fork() == 0) {
        failed = 0;
        CHECK(setuid(1000) == 0);
        FAILS(open(DISK, O_RDONLY), EACCES);
        FAILS(ioctl(fd, BLKRRPART, 0), EACCES);
        FAILS(ioctl(fd, BLKFLSBUF, 0), EACCES);
        exit(failed);
    }
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    close(fd);
}

static void read_only(void) {
    const int fd = open_disk(O_RDWR);
    int on = 1, off = 0, now = -1;
    CHECK(ioctl(fd, BLKROSET, &on) == 0);
    CHECK(ioctl(fd, BLKROGET, &now) == 0 && now == 1);
    FAILS(pwrite(fd, "x", 1, 0), EPERM);
    char byte;
    CHECK(pread(fd, &byte, 1, 0) == 1);
    CHECK(ioctl(fd, BLKROSET, &off) == 0);
    CHECK(pwrite(fd, &byte, 1, 0) == 1);
    close(fd);
}

static uint32_t crc32(const uint8_t* data, size_t count) {
    uint32_t sum = ~0u;
    while (count-- != 0) {
        sum ^= *data++;
        for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

static void put(uint8_t* to, uint64_t value, int count) {
    for (int i = 0; i < count; i++) to[i] = (uint8_t)(value >> 8 * i);
}

/// A GPT of 20 partitions of 100 sectors; the later ones have numbers of another major.
static void gpt(void) {
    static uint8_t table[34 * 512];
    const int fd = open_disk(O_RDWR);
    table[510] = 0x55, table[511] = 0xaa;
    table[450] = 0xee;
    put(table + 454, 1, 4);
    put(table + 458, 32767, 4);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t* entry = table + 1024 + i * 128;
        memset(entry, 0x42, 32);
        put(entry + 32, 100 + i * 100, 8);
        put(entry + 40, 199 + i * 100, 8);
    }
    uint8_t* header = table + 512;
    memcpy(header, "EFI PART\0\0\1\0", 12);
    put(header + 12, 92, 4);
    put(header + 24, 1, 8);
    put(header + 32, 32767, 8);
    put(header + 40, 34, 8);
    put(header + 48, 32767 - 33, 8);
    put(header + 72, 2, 8);
    put(header + 80, 128, 4);
    put(header + 84, 128, 4);
    put(header + 88, crc32(table + 1024, 128 * 128), 4);
    put(header + 16, crc32(header, 92), 4);
    CHECK(pwrite(fd, table, sizeof table, 0) == sizeof table);
    CHECK(ioctl(fd, BLKRRPART, 0) == 0);
    const int part = open("/dev/vda20", O_RDWR);
    CHECK(part >= 0);
    char text[20] = {0};
    CHECK(pwrite(part, "the last", 8, 100 * 512 - 8) == 8);
    CHECK(pread(fd, text, 8, 2100 * 512 - 8) == 8 && memcmp(text, "the last", 8) == 0);
    CHECK(pread(part, text, 20, 100 * 512 - 8) == 8);
    FAILS(pwrite(part, "x", 1, 100 * 512), ENOSPC);
    FAILS(ioctl(part, BLKRRPART, 0), EINVAL);
    FAILS(ioctl(fd, BLKRRPART, 0), EBUSY);
    struct hd_geometry geometry;
    CHECK(ioctl(part, HDIO_GETGEO, &geometry) == 0 && geometry.start == 2000);
    struct stat about;
    CHECK(fstat(part, &about) == 0 && major(about.st_rdev) == 259);
    close(part);
    // Damaged entries: there is nothing at the disk's end to fall back on.
    CHECK(pwrite(fd, "\x43", 1, 1024) == 1);
    CHECK(ioctl(fd, BLKRRPART, 0) == 0);
    CHECK(access("/dev/vda1", F_OK) == -1 && access("/dev/vda20", F_OK) == -1);
    close(fd);
}

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "calls") == 0) {
        model();
        neighbours();
        ends();
        modes();
        commands();
    } else if (strcmp(what, "gpt") == 0) {
        gpt();
    } else if (strcmp(what, "read_only") == 0) {
        read_only();
    }
    if (!failed) printf("ok\n");
    return failed;
}
