// SPDX-License-Identifier: MIT
// The path walk: "..", links in the middle and at the end, loops, long names, trailing slashes, search permission,
// deleted directories, chroot, openat2's restrictions.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void stat_of(const char* path) {
    struct stat s;
    say("stat %s: %s", path, result(stat(path, &s)));
}
static void touch(const char* path) { close(open(path, O_CREAT | O_RDWR, 0644)); }

static void open2(int dir, const char* path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags, .resolve = resolve};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    say("openat2 %s %lx: %s", path, (unsigned long)resolve, result(fd));
    if (fd >= 0) close((int)fd);
}

int main(void) {
    char cwd[4096];
    mkdir("a", 0755), mkdir("a/b", 0755), mkdir("a/b/c", 0755), touch("a/b/c/file");
    symlink("a/b", "ab"), symlink("../b", "a/self"), symlink("c/file", "a/b/direct");
    stat_of("ab/c/file"), stat_of("ab/../b/c/file"), stat_of("a/self/c"), stat_of("ab/direct");
    stat_of("ab/c/file/"), stat_of("ab/"), stat_of("ab/c/file/.."), stat_of("ab/direct/x");
    stat_of("a//b///c////file"), stat_of("./a/./b/./c/."), stat_of("a/b/c/../../.."), stat_of("/.."), stat_of("//");
    struct stat s, t;
    stat("/", &s), stat("/../../..", &t);
    say("/.. is /: %d", s.st_ino == t.st_ino);
    lstat("ab", &s), lstat("ab/", &t);
    say("lstat of a link: %o, with a slash: %o", s.st_mode & S_IFMT, t.st_mode & S_IFMT);

    char name[16], target[16];
    touch("l0");
    for (int i = 1; i <= 45; i++) {
        snprintf(name, sizeof name, "l%d", i), snprintf(target, sizeof target, "l%d", i - 1);
        symlink(target, name);
    }
    stat_of("l39"), stat_of("l40"), stat_of("l41");
    symlink("me", "me"), stat_of("me"), stat_of("me/x");
    static char deep[9000];
    deep[0] = 0;
    for (int i = 0; i < 1000; i++) strcat(deep, "a/../");
    strcpy(deep + 4090 - 4, "l0");
    stat_of("a/../a/../l0");
    deep[0] = 0;
    for (int i = 0; i < 815; i++) strcat(deep, "a/../");
    strcat(deep, "l0");
    say("long path of %zu: %s", strlen(deep), result(stat(deep, &s)));
    strcat(deep, "................................");
    say("longer path: %s", result(stat(deep, &s)));

    chdir("a/b/c");
    getcwd(cwd, sizeof cwd);
    say("cwd ends with /a/b/c: %d", strcmp(cwd + strlen(cwd) - 6, "/a/b/c") == 0);
    say("getcwd too small: %s", getcwd(cwd, 2) == NULL ? strerrorname_np(errno) : "ok");
    rename("../../b", "../../moved");
    getcwd(cwd, sizeof cwd);
    say("cwd follows the rename: %s", cwd + strlen(cwd) - 10);
    unlink("file"), mkdir("gone", 0755), chdir("gone"), rmdir("../gone");
    say("deleted cwd: %s", getcwd(cwd, sizeof cwd) == NULL ? strerrorname_np(errno) : "ok");
    stat_of("."), stat_of(".."), stat_of("x");
    say("create in it: %s", result(open("x", O_CREAT | O_RDWR, 0600)));
    say("mkdir in it: %s", result(mkdir("x", 0700)));
    ssize_t n = readlink("/proc/self/cwd", cwd, sizeof cwd - 1);
    cwd[n > 0 ? n : 0] = 0;
    say("its link ends: %s", n > 10 ? cwd + n - 10 : "?");
    chdir("../../../..");
    say("back: %s", result(access("l0", F_OK)));
    say("chdir to a file: %s, to nothing: %s", result(chdir("l0")), result(chdir("nothing")));
    int fd = open("l0", O_RDONLY);
    say("fchdir to a file: %s", result(fchdir(fd)));

    mkdir("private", 0700), touch("private/file"), mkdir("readable", 0744), touch("readable/file");
    fflush(stdout);
    if (fork() == 0) {
        setgid(1000), setuid(1000);
        stat_of("private/file"), stat_of("private"), stat_of("readable/file"), stat_of("readable/nothing");
        say("chdir: %s %s", result(chdir("private")), result(chdir("readable")));
        say("chroot: %s", result(chroot(".")));
        _exit(0);
    }
    wait(NULL);

    int dir = open("a", O_RDONLY | O_DIRECTORY);
    symlink("/", "a/root"), symlink("moved/c", "a/short"), symlink("../l0", "a/out");
    open2(dir, "moved/c", O_RDONLY, 0), open2(dir, "..", O_RDONLY, RESOLVE_BENEATH), open2(dir, "/", O_RDONLY, RESOLVE_BENEATH);
    open2(dir, "moved/../moved", O_RDONLY, RESOLVE_BENEATH), open2(dir, "root", O_RDONLY, RESOLVE_BENEATH);
    open2(dir, "out", O_RDONLY, RESOLVE_BENEATH), open2(dir, "short", O_RDONLY, RESOLVE_NO_SYMLINKS);
    open2(dir, "short", O_RDONLY, RESOLVE_BENEATH), open2(dir, "root/moved", O_RDONLY, RESOLVE_IN_ROOT);
    open2(dir, "../../moved", O_RDONLY, RESOLVE_IN_ROOT), open2(dir, "out", O_RDONLY, RESOLVE_IN_ROOT);
    open2(AT_FDCWD, "/proc/self/cwd", O_RDONLY, RESOLVE_NO_MAGICLINKS), open2(AT_FDCWD, "/proc", O_RDONLY, RESOLVE_NO_XDEV);
    open2(dir, ".", O_RDONLY, 0x1000), open2(dir, ".", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    open2(dir, ".", 1ull << 40, 0);

    if (fork() == 0) {
        say("chroot: %s", result(chroot("a")));
        chdir("/");
        stat_of("/moved/c"), stat_of("/.."), stat_of("/root/moved"), stat_of("/../../moved");
        say("cwd %s", getcwd(cwd, sizeof cwd));
        fchdir(fd = open("/", O_RDONLY));
        _exit(0);
    }
    wait(NULL);
    return 0;
}
