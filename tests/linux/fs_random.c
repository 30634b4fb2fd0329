// SPDX-License-Identifier: MIT
// A file that is written, read, mapped, cut, extended and opened again at random, by several processes each with a file of its own: it always
// has what a copy of it in memory has. FS_RANDOM_STEPS makes it longer; divided by SCALE.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMost = 300000, kPage = 4096, kProcesses = 3 };

static uint8_t model[kMost + kPage], bytes[kMost + kPage];
static size_t size;
static int file;
static char name[32];
static uint64_t state;
static unsigned step;

static uint32_t next(uint32_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)((state >> 33) % below);
}

static void wrong(const char* what) {
    printf("%s: step %u: %s\n", name, step, what);
    fflush(stdout);
    _exit(1);
}

static void check(int fine, const char* what) {
    if (!fine) wrong(what);
}

/// A place: often at a page's edge, or at the end.
static size_t place(void) {
    const size_t at = next(4) == 0 ? size : next(kMost);
    return next(3) == 0 ? at & ~(size_t)(kPage - 1) : at < kMost ? at : kMost - 1;
}

static size_t length(size_t at) {
    const size_t most = kMost - at;
    size_t count = next(3) == 0 ? next(kMost) : next(3) == 0 ? kPage : next(3000);
    count = count == 0 ? 1 : count;
    return count < most ? count : most;
}

static void fill(uint8_t* to, size_t count) {
    const uint32_t seed = next(1u << 30);
    for (size_t i = 0; i < count; i++) to[i] = (uint8_t)((seed + i * 2654435761u) >> 13);
}

static void grow(size_t to) {
    if (to > size) size = to;
}

static void do_write(void) {
    size_t at = place(), count = length(at);
    fill(bytes, count);
    if (next(4) == 0) {
        const struct iovec parts[2] = {{bytes, count / 3}, {bytes + count / 3, count - count / 3}};
        check(pwritev(file, parts, 2, (off_t)at) == (ssize_t)count, "pwritev");
    } else {
        check(pwrite(file, bytes, count, (off_t)at) == (ssize_t)count, "pwrite");
    }
    memcpy(model + at, bytes, count);
    grow(at + count);
}

static void do_append(void) {
    const size_t count = next(2000) + 1;
    if (size + count > kMost) return;
    const int other = open(name, O_WRONLY | O_APPEND);
    fill(bytes, count);
    check(write(other, bytes, count) == (ssize_t)count, "append");
    close(other);
    memcpy(model + size, bytes, count);
    size += count;
}

static void do_read(void) {
    const size_t at = place(), count = length(at);
    const ssize_t wanted = at >= size ? 0 : size - at < count ? (ssize_t)(size - at) : (ssize_t)count;
    memset(bytes, 0xee, count);
    check(pread(file, bytes, count, (off_t)at) == wanted, "pread: length");
    check(memcmp(bytes, model + at, (size_t)wanted) == 0, "pread: content");
}

/// Writes or reads through a mapping.
static void do_map(int writes) {
    if (size == 0) return;
    const size_t at = next((uint32_t)size) & ~(size_t)(kPage - 1);
    size_t count = length(at);
    if (count > size - at) count = size - at;
    uint8_t* mapped = mmap(NULL, count, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                           next(3) == 0 && !writes ? MAP_PRIVATE : MAP_SHARED, file, (off_t)at);
    check(mapped != MAP_FAILED, "mmap");
    if (writes) {
        const size_t from = next((uint32_t)count), some = count - from < 9000 ? count - from : 9000;
        fill(mapped + from, some);
        memcpy(model + at + from, mapped + from, some);
        // What is written behind the end is not of the file.
        if (at + count == size && size % kPage != 0) mapped[count] = 0x55;
        if (next(4) == 0) check(msync(mapped, count, MS_SYNC) == 0, "msync");
    }
    check(memcmp(mapped, model + at, count) == 0, "mapped content");
    munmap(mapped, count);
}

static void do_truncate(void) {
    const size_t to = place();
    check(ftruncate(file, (off_t)to) == 0, "ftruncate");
    if (to < size) memset(model + to, 0, size - to);
    size = to;
}

static void do_allocate(void) {
    const size_t at = place(), count = length(at);
    const int keep = (int)next(2);
    if (fallocate(file, keep, (off_t)at, (off_t)count) != 0) return;
    if (!keep) grow(at + count);
}

static void do_reopen(void) {
    close(file);
    if (next(2) == 0) {
        char other[40];
        snprintf(other, sizeof other, "%s.new", name);
        check(rename(name, other) == 0 && rename(other, name) == 0, "rename");
    }
    file = open(name, O_RDWR);
    check(file >= 0, "open");
}

static void do_copy(void) {
    char other[40];
    snprintf(other, sizeof other, "%s.copy", name);
    const int copy = open(other, O_RDWR | O_CREAT | O_TRUNC, 0644);
    off_t at = 0;
    while ((size_t)at < size) check(sendfile(copy, file, &at, size) > 0, "sendfile");
    struct stat status;
    check(fstat(copy, &status) == 0 && (size_t)status.st_size == size, "copy: size");
    check(pread(copy, bytes, size, 0) == (ssize_t)size && memcmp(bytes, model, size) == 0, "copy: content");
    close(copy);
    check(unlink(other) == 0, "unlink");
}

static void check_all(void) {
    struct stat status;
    check(fstat(file, &status) == 0 && (size_t)status.st_size == size, "size");
    check(pread(file, bytes, kMost, 0) == (ssize_t)size && memcmp(bytes, model, size) == 0, "content");
}

static int run(unsigned number, unsigned steps) {
    state = number * 77 + 5;
    snprintf(name, sizeof name, "random%u", number);
    file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    check(file >= 0, "create");
    for (step = 0; step < steps; step++) {
        switch (next(16)) {
            case 0:
            case 1:
            case 2:
            case 3: do_write(); break;
            case 4:
            case 5:
            case 6: do_read(); break;
            case 7:
            case 8: do_map(1); break;
            case 9: do_map(0); break;
            case 10: do_truncate(); break;
            case 11: do_append(); break;
            case 12: do_allocate(); break;
            case 13: do_reopen(); break;
            case 14: check((next(2) == 0 ? fsync(file) : fdatasync(file)) == 0, "fsync"); break;
            default: next(4) == 0 ? do_copy() : check_all(); break;
        }
    }
    check_all();
    close(file);
    return 0;
}

int main(void) {
    const char* scale = getenv("SCALE");
    const char* wanted = getenv("FS_RANDOM_STEPS");
    const unsigned steps = (wanted != NULL ? (unsigned)atoi(wanted) : 3000) /
                           (scale != NULL ? (unsigned)atoi(scale) : 1);
    for (unsigned i = 0; i < kProcesses; i++)
        if (fork() == 0) _exit(run(i, steps));
    int good = 0, status;
    while (wait(&status) > 0) good += status == 0;
    printf("good: %d\n", good);
    for (unsigned i = 0; i < kProcesses; i++) {
        snprintf(name, sizeof name, "random%u", i);
        unlink(name);
    }
    return 0;
}
