// SPDX-License-Identifier: MIT
// files DIRECTORY [cold] [sqlite]: what working with files takes, on Linux and on Pith alike. It works in DIRECTORY, and leaves it
// as it was. With `cold`, also a read from the disk, for which it asks the system to forget what it has in memory. With `sqlite`, also
// DIRECTORY/usr/bin/sqlite3, in DIRECTORY as its root, with DIRECTORY/inserts.sql as its input.
//
// It prints, at the end, "row NAME MIN MEDIAN MAX N" in ticks of the time stamp counter; "marked NAME N" for a row whose
// rounds are between marks, too (marks.h), because they may wait for a disk; and "frequency HZ" of the counter.
#define _GNU_SOURCE
#include "bench/files/marks.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    kSize = 16 << 20,   // of the large file
    kPiece = 64 << 10,  // what one call reads or writes of it
    kPage = 4096,
    kFiles = 1000,
    kCalls = 1000,  // of a kind, each a round
    kWarmUp = 100,
    kRounds = 5,  // of what takes long
};

static char piece[kPiece];
static uint64_t overhead;  // ticks between two readings in a row
static uint64_t values[kCalls];
static unsigned count;

/// Ends the program unless `fine`.
static void check(int fine, const char* what) {
    if (fine) return;
    perror(what);
    exit(1);
}

static uint64_t ticks(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static void add(uint64_t value, uint64_t divisor) { values[count++] = value / divisor; }

/// The round that began at `start`.
static void add_since(uint64_t start, uint64_t divisor) {
    const uint64_t elapsed = ticks() - start;
    add(elapsed > overhead ? elapsed - overhead : 0, divisor);
}

static int compare(const void* left, const void* right) {
    const uint64_t a = *(const uint64_t*)left, b = *(const uint64_t*)right;
    return (a > b) - (a < b);
}

static void print_row(const char* name) {
    qsort(values, count, sizeof values[0], compare);
    printf("row %s %lu %lu %lu %u\n", name, values[0], values[count / 2], values[count - 1], count);
    count = 0;
}

/// A row whose rounds were between marks.
static void print_marked(const char* name) {
    printf("marked %s %u\n", name, count);
    print_row(name);
}

static int open_large(int flags) {
    const int file = open("large", flags, 0644);
    check(file >= 0, "large");
    return file;
}

static void read_large(void) {
    const int file = open_large(O_RDONLY);
    for (unsigned at = 0; at < kSize; at += kPiece) check(read(file, piece, kPiece) == kPiece, "read");
    close(file);
}

/// Begins the file anew, and ends when it is on the disk.
static void write_large(void) {
    const int file = open_large(O_WRONLY | O_CREAT);
    for (unsigned at = 0; at < kSize; at += kPiece) check(write(file, piece, kPiece) == kPiece, "write");
    check(fsync(file) == 0, "fsync");
    close(file);
}

static void measure_marked(const char* name, void (*prepare)(void), void (*round)(void)) {
    for (unsigned i = 0; i < kRounds; i++) {
        prepare();
        PITH_MARK(PITH_MARK_BEGIN);
        const uint64_t start = ticks();
        round();
        add_since(start, 1);
        PITH_MARK(PITH_MARK_END);
    }
    print_marked(name);
}

static void remove_large(void) {
    unlink("large");
    sync();
}

/// Linux's way to forget all pages that it can read again.
static void drop_caches(void) {
    sync();
    const int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
    check(file >= 0 && write(file, "3", 1) == 1, "drop_caches");
    close(file);
}

static void measure_cached(void) {
    read_large();
    for (unsigned i = 0; i < kRounds; i++) {
        const uint64_t start = ticks();
        read_large();
        add_since(start, 1);
    }
    print_row("read");

    const int file = open_large(O_RDONLY);
    uint64_t random = 1;
    for (unsigned i = 0; i < kWarmUp + kCalls; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const off_t at = (off_t)(random >> 33) % (kSize / kPage) * kPage;
        const uint64_t start = ticks();
        check(pread(file, piece, kPage, at) == kPage, "pread");
        if (i >= kWarmUp) add_since(start, 1);
    }
    close(file);
    print_row("read_4k");
}

static const char* name_of(unsigned number) {
    static char name[16];
    snprintf(name, sizeof name, "file%04u", number);
    return name;
}

/// A page of it.
static void create_file(const char* name) {
    const int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    check(file >= 0 && write(file, piece, kPage) == kPage && close(file) == 0, name);
}

/// Each round is the mean of so many files, since what they take depends on how many there are. The files are on the disk
/// before they are deleted.
static void measure_names(void) {
    static uint64_t deletes[kRounds];
    for (unsigned round = 0; round < kRounds; round++) {
        uint64_t creating = 0, deleting = 0;
        for (unsigned i = 0; i < kFiles; i++) {
            const char* name = name_of(i);
            const uint64_t start = ticks();
            create_file(name);
            creating += ticks() - start - overhead;
        }
        sync();
        for (unsigned i = 0; i < kFiles; i++) {
            const char* name = name_of(i);
            const uint64_t start = ticks();
            check(unlink(name) == 0, name);
            deleting += ticks() - start - overhead;
        }
        add(creating, kFiles);
        deletes[round] = deleting / kFiles;
    }
    print_row("create");
    for (unsigned round = 0; round < kRounds; round++) add(deletes[round], 1);
    print_row("delete");
}

static void measure_calls(void) {
    create_file("one");
    for (unsigned i = 0; i < kWarmUp + kCalls; i++) {
        const uint64_t start = ticks();
        const int file = open("one", O_RDONLY);
        check(file >= 0 && close(file) == 0, "open and close");
        if (i >= kWarmUp) add_since(start, 1);
    }
    print_row("open_close");
    for (unsigned i = 0; i < kWarmUp + kCalls; i++) {
        struct stat status;
        const uint64_t start = ticks();
        check(stat("one", &status) == 0, "stat");
        if (i >= kWarmUp) add_since(start, 1);
    }
    print_row("stat");
    check(unlink("one") == 0, "one");
}

static void remove_database(void) {
    unlink("db");
    sync();
}

static void run_sqlite(void) {
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        check(chroot(".") == 0 && chdir("/") == 0, "chroot");
        const int input = open("inserts.sql", O_RDONLY);
        check(input >= 0 && dup2(input, 0) == 0, "inserts.sql");
        execl("/usr/bin/sqlite3", "sqlite3", "/db", (char*)0);
        check(0, "sqlite3");
    }
    int status;
    check(waitpid(child, &status, 0) == child && status == 0, "sqlite3");
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void find_overhead(void) {
    overhead = ~(uint64_t)0;
    for (unsigned i = 0; i < kWarmUp; i++) {
        const uint64_t start = ticks(), elapsed = ticks() - start;
        if (elapsed < overhead) overhead = elapsed;
    }
}

int main(int argc, char** argv) {
    static char output[kPage];
    int cold = 0, sqlite = 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "cold") == 0) cold = 1;
        else if (strcmp(argv[i], "sqlite") == 0) sqlite = 1;
        else return 2;
    }
    if (argc < 2) return 2;
    check(chdir(argv[1]) == 0, argv[1]);
    setvbuf(stdout, output, _IOFBF, sizeof output);
    memset(piece, 'x', sizeof piece);
    find_overhead();
    const uint64_t start = ticks(), time = now();
    measure_marked("write_fsync", remove_large, write_large);
    if (cold) measure_marked("read_cold", drop_caches, read_large);
    measure_cached();
    remove_large();
    if (sqlite) {
        measure_marked("sqlite", remove_database, run_sqlite);
        remove_database();
    }
    measure_names();
    measure_calls();
    printf("frequency %.0f\n", (double)(ticks() - start) * 1e9 / (double)(now() - time));
    return 0;
}
