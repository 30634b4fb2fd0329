// SPDX-License-Identifier: MIT
// Making, removing and moving names: the rules and errors of mkdir, rmdir, unlink, link, symlink, rename and renameat2, and
// the link counts that follow.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <sys/stat.h>
#include <sys/syscall.h>

static void touch(const char* path) { close(open(path, O_CREAT | O_RDWR, 0644)); }

static void show(const char* path) {
    struct stat s;
    if (lstat(path, &s) == -1) say("  %s: %s", path, strerrorname_np(errno));
    else say("  %s: mode %o links %ld", path, s.st_mode, (long)s.st_nlink);
}

#define TRY(call) say("%s: %s", #call, result(call))
#define RENAME2(a, b, flags) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags)

static void directories(void) {
    TRY(mkdir("d", 0777));
    TRY(mkdir("d", 0777));
    TRY(mkdir("d/", 0777));
    TRY(mkdir("e/", 07777));
    TRY(mkdir("", 0777));
    TRY(mkdir("/", 0777));
    TRY(mkdir(".", 0777));
    TRY(mkdir("..", 0777));
    TRY(mkdir("no/such", 0777));
    touch("f");
    TRY(mkdir("f", 0777));
    TRY(mkdir("f/x", 0777));
    TRY(mkdir("d/sub", 0700));
    show("d");
    show("e");
    TRY(rmdir("d"));
    TRY(rmdir("d/."));
    TRY(rmdir("d/.."));
    TRY(rmdir("/"));
    TRY(rmdir("f"));
    TRY(rmdir("missing"));
    TRY(rmdir("d/sub/"));
    show("d");
    TRY(unlink("d"));
    TRY(unlink("d/"));
    TRY(unlink("f/"));
    TRY(unlink("missing"));
    TRY(unlink("missing/"));
    TRY(unlink("."));
    TRY(unlink("/"));
    TRY(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    TRY(unlinkat(AT_FDCWD, "f", 0x4000));
    TRY(unlinkat(AT_FDCWD, "f", 0));
    TRY(mkdir("f", 0700));
    TRY(rmdir("f"));
    TRY(rmdir("e"));
}

static void links(void) {
    touch("a");
    TRY(link("a", "b"));
    show("a");
    TRY(link("a", "b"));
    TRY(link("a", "b/"));
    TRY(link("a", "new/"));
    TRY(link("missing", "c"));
    TRY(link("a/", "c"));
    mkdir("dir", 0755);
    TRY(link("dir", "dir2"));
    TRY(link("a", "dir"));
    TRY(symlink("a", "s"));
    TRY(symlink("a", "s"));
    TRY(symlink("", "t"));
    TRY(symlink("a", "t/"));
    TRY(symlink("a", ""));
    TRY(link("s", "hard_to_link"));
    show("hard_to_link");
    TRY(linkat(AT_FDCWD, "s", AT_FDCWD, "hard_to_file", AT_SYMLINK_FOLLOW));
    show("hard_to_file");
    TRY(linkat(AT_FDCWD, "s", AT_FDCWD, "x", 0x8000));
    char text[16] = {0};
    long n = readlink("s", text, sizeof text);
    say("readlink: %ld %s", n, text);
    say("readlink of 0 bytes: %s", result(readlink("s", text, 0)));
    say("readlink of a file: %s", result(readlink("a", text, sizeof text)));
    char small[3] = "..";
    symlink("abcdef", "longer");
    n = readlink("longer", small, 2);
    say("readlink cut: %ld %c%c", n, small[0], small[1]);
    unlink("b"), unlink("hard_to_file");
    show("a");
    unlink("a"), unlink("s"), unlink("hard_to_link"), unlink("longer"), rmdir("dir");
}

static void renames(void) {
    touch("f1"), touch("f2"), mkdir("d1", 0755), mkdir("d2", 0755), mkdir("d1/in", 0755), touch("d2/file");
    symlink("d1", "sd"), link("f1", "f1b"), mkdir("empty", 0755);
    TRY(rename("f1", "f1b"));
    show("f1"), show("f1b");
    TRY(rename("missing", "x"));
    TRY(rename("f1", "d1"));
    TRY(rename("d1", "f1"));
    TRY(rename("d1", "d2"));
    TRY(rename("d1", "d1/in/x"));
    TRY(rename("d1", "d1/in"));
    TRY(rename("d1/in", "d1"));
    TRY(rename("d1", "d1"));
    TRY(rename(".", "x"));
    TRY(rename("f1", ".."));
    TRY(rename("/", "x"));
    TRY(rename("f1", "d1/"));
    TRY(rename("f1/", "x"));
    TRY(rename("f1", "x/"));
    TRY(rename("f1", "no/x"));
    TRY(rename("f1", ""));
    TRY(rename("sd/", "x"));
    TRY(rename("d1", "newdir/"));
    show("newdir"), show("newdir/in");
    TRY(rename("newdir", "empty"));
    show("empty/in");
    TRY(rename("empty", "d2/moved"));
    show("d2"), show("d2/moved");
    TRY(rename("sd", "sd2"));
    show("sd2");
    TRY(rename("f1", "f2"));
    show("f1"), show("f2");
    TRY(RENAME2("f2", "sd2", 1));
    TRY(RENAME2("f2", "f3", 1));
    TRY(RENAME2("f3", "d2", 2));
    show("f3"), show("d2");
    TRY(RENAME2("d2", "missing", 2));
    TRY(RENAME2("f3", "f3/file", 2));
    TRY(RENAME2("f3", "x", 3));
    TRY(RENAME2("f3", "x", 8));
    show("f3/file");
    TRY(rename("f3/moved", "back"));
    show("f3"), show("back");
}

static void sticky(void) {
    mkdir("sticky", 0777), chmod("sticky", 01777), touch("sticky/roots");
    mkdir("closed", 0755), touch("closed/file");
    if (fork() == 0) {
        setgid(1000), setuid(1000);
        TRY(unlink("sticky/roots"));
        TRY(rename("sticky/roots", "sticky/x"));
        touch("sticky/mine");
        TRY(rename("sticky/mine", "sticky/mine2"));
        TRY(rename("sticky/mine2", "sticky/roots"));
        TRY(unlink("sticky/mine2"));
        TRY(unlink("closed/file"));
        TRY(mkdir("closed/d", 0755));
        TRY(rmdir("sticky"));
        TRY(mknod("sticky/null", S_IFCHR | 0666, 0x103));
        TRY(mkfifo("sticky/fifo", 0666));
        show("sticky/fifo");
        _exit(0);
    }
    wait(NULL);
    TRY(mknod("node", S_IFCHR | 0600, 0x103));
    show("node");
    TRY(mknod("regular", S_IFREG | 0600, 0));
    show("regular");
    TRY(mknod("regular", S_IFREG | 0600, 0));
    TRY(mknod("dir", S_IFDIR | 0600, 0));
    TRY(mknod("sock", S_IFSOCK | 0600, 0));
    TRY(open("sock", O_RDONLY));
}

int main(void) {
    umask(022);
    directories();
    links();
    renames();
    sticky();
    return 0;
}
