// SPDX-License-Identifier: MIT
// Mapped files: one copy for read, write and maps; private copies; truncation and SIGBUS; writing a running program; exec of
// what is open for writing.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"

#include <setjmp.h>
#include <sys/stat.h>

static sigjmp_buf jump;
static void on_signal(int number) { siglongjmp(jump, number); }
static void touch_at(const char* what, volatile char* at, int write_it) {
    int number = sigsetjmp(jump, 1);
    if (number == 0) {
        char c = *at;
        if (write_it) *at = c;
        say("%s: fine", what);
    } else {
        say("%s: SIG%s", what, sigabbrev_np(number));
    }
}

int main(void) {
    char text[16] = {0};
    signal(SIGBUS, on_signal), signal(SIGSEGV, on_signal);
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ftruncate(fd, 3 * 4096);
    pwrite(fd, "zero", 4, 0), pwrite(fd, "one", 3, 4096);
    char* shared = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char* private = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    say("%.4s %.3s %d", shared, private + 4096, shared[8192]);
    pwrite(fd, "ZERO", 4, 0);
    say("a write shows in the map: %.4s %.4s", shared, private);
    memcpy(shared + 4096, "ONE", 3);
    pread(fd, text, 3, 4096);
    say("the map shows in a read: %s, in the private map: %.3s", text, private + 4096);
    memcpy(private, "mine", 4);
    pwrite(fd, "THEN", 4, 0);
    say("a private copy stays: %.4s, shared %.4s", private, shared);
    shared[8192] = 'h';
    pread(fd, text, 1, 8192);
    say("a hole is filled: %c %c", text[0], private[8192]);
    touch_at("behind the end", shared + 3 * 4096, 0);
    touch_at("last page", shared + 3 * 4096 - 1, 1);
    if (fork() == 0) {
        memcpy(shared, "kid!", 4), memcpy(private, "kidp", 4);
        _exit(0);
    }
    wait(NULL);
    say("after the child: %.4s %.4s", shared, private);
    ftruncate(fd, 4096 + 10);
    memset(shared + 4096 + 10, 'x', 5);
    touch_at("cut off", shared + 8192, 0);
    touch_at("cut off, private and untouched", private + 8192, 0);
    touch_at("private copy", private, 1);
    ftruncate(fd, 8192);
    say("behind the cut: %d", shared[4096 + 9] == 0);
    ftruncate(fd, 3 * 4096);
    touch_at("back again", shared + 8192, 1);
    say("with zeros %d", shared[8192]);
    unlink("f");
    memcpy(shared, "gone", 4);
    pread(fd, text, 4, 0);
    text[4] = 0;
    say("unlinked: %s", text);
    close(fd);
    say("closed: %.4s", shared);

    fd = open("g", O_CREAT | O_RDWR, 0600);
    write(fd, "abc", 3);
    int reader = open("g", O_RDONLY);
    say("shared writable of a reader: %s", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED ? strerrorname_np(errno) : "ok");
    char* p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);
    say("then mprotect: %s", result(mprotect(p, 4096, PROT_READ | PROT_WRITE)));
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
    p[0] = 'X';
    say("private writable: %.3s", p);
    int writer = open("g", O_WRONLY);
    say("of a writer %s", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, writer, 0) == MAP_FAILED ? strerrorname_np(errno) : "ok");
    int pipes[2];
    pipe(pipes);
    say("of a pipe %s, a directory %s", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, pipes[0], 0) == MAP_FAILED ? strerrorname_np(errno) : "ok",
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0) == MAP_FAILED ? strerrorname_np(errno) : "ok");
    int zero = open("/dev/zero", O_RDWR);
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    say("of /dev/zero %d", p != MAP_FAILED && p[5000] == 0);
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
    if (fork() == 0) p[0] = 'c', _exit(0);
    wait(NULL);
    say("shared of /dev/zero %c", p[0]);
    // The map tells write() from its own pages.
    ftruncate(fd, 20000);
    p = mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(p, 'p', 5000);
    say("write from the map into the file %ld", (long)pwrite(fd, p, 5000, 10000));
    say("%c %c", p[10000], p[14999]);

    int self = open("/proc/self/exe", O_WRONLY);
    say("write a running program: %s, truncate it: %s", result(self), result(truncate("/proc/self/exe", 0)));
    int script = open("prog", O_CREAT | O_RDWR, 0755);
    write(script, "#!/bin/true\n", 12);
    if (fork() == 0) {
        execl("./prog", "prog", NULL);
        say("exec of what is open for writing: %s", strerrorname_np(errno));
        _exit(0);
    }
    wait(NULL);
    return 0;
}
