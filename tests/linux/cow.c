// SPDX-License-Identifier: MIT
// Copy-on-write: after fork each process has its own 8 MiB, through generations; shared memory stays shared; a child's
// writes, protections and unmappings are its own; the parent's writes are not seen by the child.
#include "say.h"

enum { kSize = 8 << 20, kWords = kSize / 4 };

static uint32_t sum(const uint32_t* words) {
    uint32_t total = 0;
    for (int i = 0; i < kWords; i++) total = total * 31 + words[i];
    return total;
}

static void fill(uint32_t* words, uint32_t seed) {
    for (int i = 0; i < kWords; i++) words[i] = seed = seed * 1664525 + 1013904223 + (seed >> 16);
}

static uint32_t data_word = 5;
static uint32_t* words;
static volatile uint32_t* shared;

static void generation(int n, uint32_t expected) {
    if (sum(words) != expected) _exit(100 + n);
    for (int i = n; i < kWords; i += 1024) words[i] = (uint32_t)n;  // one word of each page
    uint32_t mine = sum(words);
    if (n < 4) {
        pid_t pid = fork();
        if (pid == 0) {
            generation(n + 1, mine);
            _exit(0);
        }
        for (int i = 0; i < kWords; i += 2048) words[i]++;  // while the child works
        int status;
        waitpid(pid, &status, 0);
        if (status != 0) _exit(WEXITSTATUS(status));
        for (int i = 0; i < kWords; i += 2048) words[i]--;
        if (sum(words) != mine) _exit(50 + n);
    }
    shared[n] = mine;
}

int main(void) {
    words = mmap(NULL, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fill(words, 1);
    uint32_t expected = sum(words);
    say("sum %08x", expected);
    pid_t pid = fork();
    if (pid == 0) {
        generation(0, expected);
        _exit(0);
    }
    say_status("generations", pid);
    for (int i = 0; i < 5; i++) say("generation %d: %08x", i, shared[i]);
    say("mine is as it was: %d", sum(words) == expected);

    uint32_t stack_word = 6;
    uint32_t* heap_word = malloc(4);
    *heap_word = 7;
    pid = fork();
    if (pid == 0) {
        data_word = stack_word = *heap_word = 1;
        munmap(words, kSize);
        shared[10] = 10;
        _exit(0);
    }
    say_status("child", pid);
    say("data %u stack %u heap %u shared %u mapped %08x", data_word, stack_word, *heap_word, shared[10], sum(words));

    pid_t pids[8];  // siblings of one parent, each with its own copy of the same pages
    for (int i = 0; i < 8; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            fill(words, (uint32_t)i);
            shared[20 + i] = sum(words);
            _exit(0);
        }
    }
    for (int i = 0; i < 8; i++) waitpid(pids[i], NULL, 0);
    for (int i = 0; i < 8; i++) say("sibling %d: %08x", i, shared[20 + i]);
    say("mine is as it was: %d", sum(words) == expected);
    mprotect(words, kSize, PROT_READ);
    pid = fork();
    if (pid == 0) {
        mprotect(words, kSize, PROT_READ | PROT_WRITE);
        words[0] = 1;
        _exit(0);
    }
    say_status("child writes what was read-only", pid);
    pid = fork();
    if (pid == 0) {
        words[0] = 1;
        _exit(0);
    }
    say_status("read-only stays so", pid);
    int fds[2];
    if (pipe(fds) == -1) return 1;
    mprotect(words, kSize, PROT_READ | PROT_WRITE);
    pid = fork();
    if (pid == 0) {  // the kernel writes into a page that is shared copy-on-write
        if (read(fds[0], words, 4) != 4) _exit(1);
        _exit(words[0] == 0x64636261 ? 0 : 2);
    }
    if (write(fds[1], "abcd", 4) != 4) return 1;
    say_status("read() into a shared page", pid);
    say("mine is as it was: %d", sum(words) == expected);
    return 0;
}
