// SPDX-License-Identifier: MIT
// MAP_POPULATE: all pages are there when the call ends, with the right bytes; and while a large mapping is populated another program goes on, with
// calls of its own.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kPage = 4096, kLarge = 32 << 20, kRounds = 200 };

static char* map(size_t size, int protection, int flags, int file) {
    char* at = mmap(NULL, size, protection, flags | MAP_POPULATE, file, 0);
    if (at == MAP_FAILED) perror("mmap"), exit(1);
    return at;
}

static size_t resident(char* at, size_t size) {
    static unsigned char pages[kLarge / kPage];
    size_t count = 0;
    if (mincore(at, size, pages) != 0) perror("mincore"), exit(1);
    for (size_t i = 0; i < size / kPage; i++) count += pages[i] & 1;
    return count;
}

/// Touches every page; how many of them were faults.
static long faults_of(volatile char* at, size_t size, int write) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < size; i += kPage) {
        if (write) at[i] = 1;
        else (void)at[i];
    }
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
}

static void whole(void) {
    char* at = map(kLarge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    printf("anonymous: %zu pages, %s\n", resident(at, kLarge), faults_of(at, kLarge, 1) < 64 ? "hardly a fault" : "faults");
    munmap(at, kLarge);
    at = map(3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    printf("none: %zu pages\n", resident(at, 3 * kPage));
    int file = open("populated", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 700; i++) {
        char page[kPage];
        memset(page, 'a' + i % 26, kPage);
        if (write(file, page, kPage) != kPage) perror("write"), exit(1);
    }
    at = map(700 * kPage, PROT_READ, MAP_SHARED, file);
    int wrong = 0;
    for (int i = 0; i < 700; i++) wrong += at[i * kPage + 17] != 'a' + i % 26;
    printf("file: %zu pages, %d wrong\n", resident(at, 700 * kPage), wrong);
    unlink("populated");
}

/// Pages of a process that are in memory, as another sees it.
static long pages_of(const char* statm) {
    char text[128];
    int file = open(statm, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    close(file);
    long all, in_memory;
    if (length < 0) return -1;
    text[length] = 0;
    return sscanf(text, "%ld %ld", &all, &in_memory) == 2 ? in_memory : -1;
}

/// Another program looks on, with calls of its own, until it has seen a mapping of ours that had some of its pages and not all.
static void beside(void) {
    char statm[40];
    snprintf(statm, sizeof(statm), "/proc/%d/statm", getpid());
    long few = pages_of(statm) + 1000, many = few - 2000 + kLarge / kPage;
    pid_t other = fork();
    if (other == 0) {
        for (;;) {
            long now = pages_of(statm);
            if (now < 0) _exit(1);
            if (now > few && now < many) _exit(0);
        }
    }
    int status = -1, seen = 0;
    for (int round = 0; round < kRounds && !seen; round++) {
        munmap(map(kLarge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), kLarge);
        seen = waitpid(other, &status, WNOHANG) == other;
    }
    printf("beside: the other %s\n", seen && status == 0 ? "went on" : "stood still");
    if (seen) return;
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

/// Killed in the middle of it.
static void killed(void) {
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (;;) munmap(map(kLarge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), kLarge);
        }
        usleep(3000 + 7000 * round);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        printf("killed: %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    }
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    whole();
    beside();
    killed();
    return 0;
}
