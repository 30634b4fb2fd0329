// SPDX-License-Identifier: MIT
// Files that never had a name, and when they may get one; names of two directories exchanged; holes under a mapping.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char* link_fd(int fd, const char* name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return result(linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
}

static void show(const char* what, int fd) {
    struct stat s;
    char text[16] = {0};
    fstat(fd, &s);
    pread(fd, text, 15, 0);
    say("%s: mode %o links %ld size %ld %s", what, s.st_mode, (long)s.st_nlink, (long)s.st_size, text);
}

static void unnamed(void) {
    umask(027);
    int fd = open(".", O_TMPFILE | O_RDWR, 0666), kept = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
    write(fd, "linked", 6), write(kept, "never", 5);
    show("new", fd), show("exclusive", kept);
    say("link of the exclusive %s", link_fd(kept, "kept"));
    say("sync %s", result(fsync(fd)));
    say("by an empty path %s", result(linkat(fd, "", AT_FDCWD, "first", AT_EMPTY_PATH)));
    show("linked", fd);
    say("over it %s", link_fd(fd, "first"));
    say("another %s", link_fd(fd, "second"));
    show("twice", fd);
    say("unlink %s %s", result(unlink("first")), result(unlink("second")));
    show("unlinked", fd);
    say("link again %s", link_fd(fd, "third"));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
    int again = open(path, O_RDONLY);
    show("opened again", again);
    close(fd), close(kept);
    show("the last", again);
    close(again);
    mkdir("full", 0700);
    fd = open("full", O_TMPFILE | O_RDWR, 0600);
    write(fd, "kept", 4);
    say("rmdir around it %s", result(rmdir("full")));
    say("out of it %s", link_fd(fd, "out"));
    close(fd);
    fd = open("out", O_RDONLY);
    show("out", fd);
}

static void exchange(const char* a, const char* b) {
    say("%s and %s: %s", a, b, result(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2)));
}

static void counts(const char* path) {
    char above[64];
    struct stat s, up = {0}, parent = {0};
    snprintf(above, sizeof above, "%s/..", path);
    if (stat(path, &s) == -1) return say("  %s: %s", path, strerrorname_np(errno));
    stat(above, &up), stat("a", &parent);
    say("  %s: mode %o links %ld, in a %d", path, s.st_mode, (long)s.st_nlink, up.st_ino == parent.st_ino);
}

static void names(void) {
    mkdir("a", 0755), mkdir("a/in", 0711), mkdir("a/in/deep", 0755), mkdir("b", 0755);
    close(open("b/file", O_CREAT | O_RDWR, 0600)), symlink("target", "b/link");
    exchange("a/in", "b/file");
    counts("a"), counts("b"), counts("b/file"), counts("a/in"), counts("b/file/deep");
    exchange("a/in", "b/link");
    exchange("b/file", "b/link");
    counts("b/link"), counts("b/file");
    exchange("b", "b/link");
    exchange("b/link/deep", "b");
    exchange("a", "b");
    counts("a"), counts("a/link"), counts("b");
    exchange("a/link", "b");
    counts("a"), counts("a/link"), counts("b"), counts("b/deep");
    exchange("a", "a"), exchange("a", "none"), exchange("none", "a");
}

static void holes(void) {
    enum { kSize = 200000 };
    static unsigned char data[kSize], found[kSize];
    int fd = open("holes", O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < kSize; i++) data[i] = i % 251 + 1;
    write(fd, data, kSize);
    unsigned char* map = mmap(0, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    map[10] = data[10] = 7, map[50000] = data[50000] = 7, map[199999] = data[199999] = 7;
    static const int cuts[][2] = {{300, 100}, {4000, 200}, {20000, 100000}, {8192, 4096}, {150000, 1}};
    for (unsigned i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        say("punch %s", result(fallocate(fd, 3, cuts[i][0], cuts[i][1])));
        memset(data + cuts[i][0], 0, cuts[i][1]);
        pread(fd, found, kSize, 0);
        say("read %d mapped %d", memcmp(found, data, kSize) != 0, memcmp(map, data, kSize) != 0);
    }
    map[30000] = data[30000] = 9;
    fsync(fd);
    pread(fd, found, kSize, 0);
    say("written again %d", memcmp(found, data, kSize) != 0);
    say("over the end %s", result(fallocate(fd, 3, 190000, 100000)));
    memset(data + 190000, 0, 10000);
    ftruncate(fd, kSize + 5000);
    pread(fd, found, kSize, 0);
    say("grown %d", memcmp(found, data, kSize) != 0);
    say("behind the end %s, by a reader %s", result(fallocate(fd, 3, 1 << 20, 5)), result(fallocate(open("holes", O_RDONLY), 3, 0, 5)));
}

int main(void) {
    unnamed();
    names();
    holes();
    return 0;
}
