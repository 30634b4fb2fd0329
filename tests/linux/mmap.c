// SPDX-License-Identifier: MIT
// mmap, munmap, mprotect, mremap, brk, madvise, msync: anonymous and of files, private and shared, fixed, errors.
#include "say.h"

#include <setjmp.h>
#include <sys/syscall.h>

enum { kPage = 4096 };
static sigjmp_buf jump;
static void handler(int number) { siglongjmp(jump, number); }

/// 'r' if the byte can be read, 'w' if it can be written too, '-' neither.
static char access_of(volatile char* p) {
    static volatile char answer;
    answer = '-';
    if (sigsetjmp(jump, 1) == 0) {
        char c = *p;
        answer = 'r';
        *p = c;
        answer = 'w';
    }
    return answer;
}

static void say_access(const char* what, char* p, int first, int last) {
    char text[32] = {0};
    for (int i = first; i <= last; i++) text[i - first] = access_of(p + i * kPage);
    say("%s: %s", what, text);
}

static void* map(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
    void* p = mmap(at, size, protection, flags, fd, offset);
    return p;
}

static const char* map_error(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
    void* p = mmap(at, size, protection, flags, fd, offset);
    return p == MAP_FAILED ? strerrorname_np(errno) : "ok";
}

static void anonymous(void) {
    int rw = PROT_READ | PROT_WRITE, private = MAP_PRIVATE | MAP_ANONYMOUS;
    char* p = map(NULL, 16 * kPage, rw, private, -1, 0);
    long sum = 0;
    for (int i = 0; i < 16 * kPage; i++) sum += p[i];
    say("zeros: %ld, aligned %d", sum, (uintptr_t)p % kPage == 0);
    memset(p, 1, 16 * kPage);
    munmap(p + 4 * kPage, 2 * kPage);
    say_access("hole", p, 3, 6);
    mprotect(p + 8 * kPage, kPage, PROT_READ);
    mprotect(p + 9 * kPage, kPage, PROT_NONE);
    say_access("protected", p, 7, 10);
    mprotect(p + 9 * kPage, kPage, rw);
    say("contents kept: %d", p[9 * kPage]);
    say("protect over a hole: %s", result(mprotect(p, 16 * kPage, PROT_READ)));
    say("what came before it: %c", access_of(p));
    char* fixed = map(p + 4 * kPage, kPage, rw, private | MAP_FIXED, -1, 0);
    say("MAP_FIXED: there %d, zero %d", fixed == p + 4 * kPage, fixed[0]);
    say("MAP_FIXED_NOREPLACE: %s", map_error(p + 4 * kPage, kPage, rw, private | MAP_FIXED_NOREPLACE, -1, 0));
    char* hint = map(p + 5 * kPage, kPage, rw, private, -1, 0);
    say("free hint taken: %d", hint == p + 5 * kPage);
    hint = map(p, kPage, rw, private, -1, 0);
    say("used hint not taken: %d", hint != p && hint != MAP_FAILED);
    say("munmap: %s", result(munmap(p, 16 * kPage)));
    say("again: %s", result(munmap(p, 16 * kPage)));
    say("size 0: %s", map_error(NULL, 0, rw, private, -1, 0));
    say("misaligned fixed: %s", map_error((void*)0x100001, kPage, rw, private | MAP_FIXED, -1, 0));
    say("too big: %s", map_error(NULL, (size_t)1 << 62, rw, private, -1, 0));
    say("neither private nor shared: %s", map_error(NULL, kPage, rw, MAP_ANONYMOUS, -1, 0));
    say("bad fd: %s", map_error(NULL, kPage, rw, MAP_PRIVATE, 77, 0));
    say("munmap misaligned: %s", result(munmap(p + 1, kPage)));
    say("mprotect misaligned: %s", result(mprotect(p + 1, kPage, rw)));
    char* big = map(NULL, (size_t)1 << 30, rw, private | MAP_NORESERVE, -1, 0);
    big[0] = big[(1 << 30) - 1] = 5;
    say("1 GiB, two pages of it: %d", big[0] + big[(1 << 30) - 1] + big[1 << 29]);
    munmap(big, (size_t)1 << 30);
    p = map(NULL, 4 * kPage, rw, private, -1, 0);
    memset(p, 3, 4 * kPage);
    madvise(p + kPage, kPage, MADV_DONTNEED);
    say("madvise, contents %d %d %d", p[0], p[kPage], p[2 * kPage]);
    munmap(p, 4 * kPage);
}

static void remap(void) {
    int rw = PROT_READ | PROT_WRITE, private = MAP_PRIVATE | MAP_ANONYMOUS;
    char* p = map(NULL, 8 * kPage, rw, private, -1, 0);
    for (int i = 0; i < 8; i++) p[i * kPage] = (char)('a' + i);
    char* q = mremap(p, 8 * kPage, 4 * kPage, 0);
    say("shrunk in place: %d, the rest is gone: %c", q == p, access_of(p + 4 * kPage));
    map(p + 4 * kPage, kPage, rw, private | MAP_FIXED, -1, 0);
    say("cannot grow in place: %s", mremap(p, 4 * kPage, 6 * kPage, 0) == MAP_FAILED ? strerrorname_np(errno) : "ok");
    q = mremap(p, 4 * kPage, 600 * kPage, MREMAP_MAYMOVE);
    say("moved: %d, old gone: %c, contents %c%c%c%c, new zero %d", q != p, access_of(p), q[0], q[kPage], q[2 * kPage],
        q[3 * kPage], q[4 * kPage]);
    char* target = map(NULL, 8 * kPage, PROT_NONE, private, -1, 0);
    q = mremap(q, 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    say("moved there: %d, contents %c%c", q == target, q[0], q[3 * kPage]);
    munmap(target, 8 * kPage);
    say("nothing there: %s", mremap(target, kPage, 2 * kPage, MREMAP_MAYMOVE) == MAP_FAILED ? strerrorname_np(errno) : "ok");
}

static void files(void) {
    int rw = PROT_READ | PROT_WRITE;
    char text[3 * kPage];
    for (int i = 0; i < (int)sizeof text; i++) text[i] = (char)('A' + i / kPage);
    int fd = open("map_file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (write(fd, text, 2 * kPage + 100) != 2 * kPage + 100) return;
    char* private = map(NULL, 3 * kPage, rw, MAP_PRIVATE, fd, 0);
    char* shared = map(NULL, 3 * kPage, rw, MAP_SHARED, fd, 0);
    char* second = map(NULL, kPage, PROT_READ, MAP_SHARED, fd, kPage);
    say("contents %c%c%c, behind the end %d", private[0], private[kPage], private[2 * kPage + 99], private[2 * kPage + 100]);
    private[0] = 'x';
    char c = 0;
    if (pread(fd, &c, 1, 0) != 1) return;
    say("private write stays: %c", c);
    shared[kPage] = 'y';
    if (pread(fd, &c, 1, kPage) != 1 || pwrite(fd, "z", 1, kPage + 1) != 1) return;
    say("shared write: read %c, other mapping %c, private %c", c, second[0], private[kPage]);
    say("write(): seen %c", shared[kPage + 1]);
    say("msync: %s", result(msync(shared, 3 * kPage, MS_SYNC)));
    close(fd);
    say("after close: %c", shared[kPage]);
    pid_t pid = fork();
    if (pid == 0) {
        shared[5] = 'c';
        private[6] = 'c';
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    say("child's shared write %c, private %c", shared[5], private[6]);
    fd = open("map_file", O_RDONLY);
    say("shared, writable, of a read-only file: %s", map_error(NULL, kPage, rw, MAP_SHARED, fd, 0));
    say("private, writable, of a read-only file: %s", map_error(NULL, kPage, rw, MAP_PRIVATE, fd, 0));
    char* p = map(NULL, kPage, PROT_READ, MAP_SHARED, fd, 0);
    say("raise a read-only file's mapping: %s", result(mprotect(p, kPage, rw)));
    say("offset not aligned: %s", map_error(NULL, kPage, PROT_READ, MAP_PRIVATE, fd, 100));
    close(fd);
    unlink("map_file");
    say("unlinked, still there: %c", shared[kPage]);
    int directory = open(".", O_RDONLY);
    say("a directory: %s", map_error(NULL, kPage, PROT_READ, MAP_PRIVATE, directory, 0));
    int fds[2];
    if (pipe(fds) == 0) say("a pipe: %s", map_error(NULL, kPage, PROT_READ, MAP_PRIVATE, fds[0], 0));
    int zero = open("/dev/zero", O_RDWR);
    p = map(NULL, kPage, rw, MAP_PRIVATE, zero, 0);
    say("/dev/zero: %d", p == MAP_FAILED ? -1 : p[0]);
}

static void breaks(void) {
    char* start = (char*)syscall(SYS_brk, 0);
    char* end = (char*)syscall(SYS_brk, start + 10 * kPage);
    say("brk grows: %ld", (long)(end - start) / kPage);
    memset(start, 1, 10 * kPage);
    syscall(SYS_brk, start + 2 * kPage);
    say_access("brk shrinks", start, 1, 3);
    syscall(SYS_brk, start + 10 * kPage);
    say("grown again, zeros: %d %d", start[kPage], start[5 * kPage]);
    say("below its start: unchanged %d", (char*)syscall(SYS_brk, 4096) == start + 10 * kPage);
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_brk, start + 20 * kPage);
        _exit(start[15 * kPage] == 0 ? 0 : 1);
    }
    say_status("child grows its own", pid);
    say("mine: %d", (char*)syscall(SYS_brk, 0) == start + 10 * kPage);
}

int main(void) {
    signal(SIGSEGV, handler);
    signal(SIGBUS, handler);
    anonymous();
    remap();
    files();
    breaks();
    return 0;
}
