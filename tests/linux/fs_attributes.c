// SPDX-License-Identifier: MIT
// Attributes: chmod, chown, set-user-id bits that go, access, timestamps and who may set them, statx, relatime, umask,
// set-group-id directories.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <grp.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <utime.h>

static void show(const char* path) {
    struct stat s;
    if (lstat(path, &s) == -1) say("%s: %s", path, strerrorname_np(errno));
    else say("%s: mode %o uid %d gid %d", path, s.st_mode, s.st_uid, s.st_gid);
}
static void times(const char* path) {
    struct stat s;
    stat(path, &s);
    say("%s: a %ld.%09ld m %ld.%09ld", path, s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}
static void touch(const char* path) { close(open(path, O_CREAT | O_RDWR, 0644)); }
static int newer(struct timespec a, struct timespec b) { return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec); }

static void as_user(void (*work)(void)) {
    if (fork() == 0) {
        gid_t groups[] = {1000, 2000};
        setgroups(2, groups);
        setgid(1000), setuid(1000);
        work();
        _exit(0);
    }
    wait(NULL);
}

static void user_modes(void) {
    say("chmod of root's %s", result(chmod("f", 0600)));
    say("chown %s, to the same %s", result(chown("f", 1000, 1000)), result(chown("f", -1, -1)));
    say("own: chmod %s", result(chmod("mine", 06755)));
    show("mine");
    say("chgrp to a group of mine %s, another %s, uid %s", result(chown("mine", -1, 2000)), result(chown("mine", -1, 3000)), result(chown("mine", 0, -1)));
    show("mine");
    say("sgid of a foreign group: %s", result(chmod("theirs", 02755)));
    show("theirs");
    int fd = open("suid", O_WRONLY);
    if (write(fd, "x", 1) != 1) say("write %s", strerrorname_np(errno));
    show("suid");
    say("access r %s w %s x %s", result(access("f", R_OK)), result(access("f", W_OK)), result(access("f", X_OK)));
    say("utime now of a writable %s, set %s, unwritable %s", result(utimensat(AT_FDCWD, "suid", NULL, 0)),
        result(utime("suid", &(struct utimbuf){1, 2})), result(utimensat(AT_FDCWD, "f", NULL, 0)));
}

static void ids(void) {
    struct stat s;
    seteuid(1000);
    say("real root: access w %s, eaccess %s", result(access("f", W_OK)), result(faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS)));
    seteuid(0);
    say("root executes a file without x: %s, writes a read-only one: %s", result(access("f", X_OK)), result(access("ro", W_OK)));
    stat("f", &s);
    say("fchmod %s", result(fchmod(open("f", O_RDONLY), 0640)));
    show("f");
    say("bad mode of access %s", result(access("f", 99)));
}

int main(void) {
    umask(0);
    touch("f"), touch("mine"), touch("theirs"), touch("suid"), touch("ro");
    chmod("ro", 0444), chown("mine", 1000, 1000), chown("theirs", 1000, 3000);
    chmod("suid", 06777);
    show("suid");
    as_user(user_modes);
    ids();
    chmod("suid", 06755), chown("suid", 5, 6);
    show("suid");
    chmod("suid", 02644), chown("suid", 7, 8);
    show("suid");
    symlink("f", "link");
    say("lchown %s", result(lchown("link", 11, 12)));
    show("link"), show("f");
    say("fchmodat of the link %s", result(fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW)));
    mkdir("sg", 0755), chown("sg", 0, 77), chmod("sg", 02775);
    touch("sg/file"), mkdir("sg/dir", 0755);
    show("sg/file"), show("sg/dir");
    umask(0137);
    mkdir("um", 0777), touch("umf");
    show("um"), show("umf");
    say("umask was %o", umask(022));

    struct timespec set[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
    say("utimensat %s", result(utimensat(AT_FDCWD, "f", set, 0)));
    times("f");
    struct timespec omit[2] = {{0, UTIME_OMIT}, {5, 6}};
    utimensat(AT_FDCWD, "f", omit, 0);
    times("f");
    struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
    say("bad nanoseconds %s", result(utimensat(AT_FDCWD, "f", bad, 0)));
    struct timespec before_1970[2] = {{-10, 5}, {-1, 999999999}};
    utimensat(AT_FDCWD, "f", before_1970, 0);
    times("f");
    struct timeval tv[2] = {{7, 8}, {9, 10}};
    utimes("f", tv);
    times("f");
    tv[0].tv_usec = 1000000;
    say("bad microseconds %s", result(utimes("f", tv)));
    futimens(open("f", O_RDONLY), set);
    times("f");
    say("of the link itself %s", result(utimensat(AT_FDCWD, "link", set, AT_SYMLINK_NOFOLLOW)));

    struct stat a, b;
    stat("f", &a);
    sleep_ms(20);
    int fd = open("f", O_RDWR);
    write(fd, "x", 1);
    stat("f", &b);
    say("write: mtime %d ctime %d atime %d", newer(b.st_mtim, a.st_mtim) || a.st_mtim.tv_sec == 2000000000, newer(b.st_ctim, a.st_ctim), newer(b.st_atim, a.st_atim));
    sleep_ms(20);
    char c;
    pread(fd, &c, 1, 0);
    stat("f", &a);
    say("read: atime %d", newer(a.st_atim, b.st_atim));
    sleep_ms(20);
    pread(fd, &c, 1, 0);
    stat("f", &b);
    say("read again: atime %d", newer(b.st_atim, a.st_atim));
    sleep_ms(20);
    chmod("f", 0600);
    stat("f", &a);
    say("chmod: mtime %d ctime %d", newer(a.st_mtim, b.st_mtim), newer(a.st_ctim, b.st_ctim));
    stat("um", &a);
    sleep_ms(20);
    touch("um/x");
    stat("um", &b);
    say("create: directory mtime %d", newer(b.st_mtim, a.st_mtim));

    struct statx x;
    say("statx %s", result(statx(AT_FDCWD, "f", 0, STATX_ALL, &x)));
    say("mode %o links %u size %lld birth %d", x.stx_mode, x.stx_nlink, (long long)x.stx_size, (x.stx_mask & STATX_BTIME) != 0);
    say("statx with bad flags %s, empty path %s", result(statx(AT_FDCWD, "f", 0x10, STATX_ALL, &x)), result(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x)));
    say("fstatat empty %s %s", result(fstatat(fd, "", &a, AT_EMPTY_PATH)), result(fstatat(fd, "", &a, 0)));
    struct statfs sf;
    say("statfs %s, name length %ld", result(statfs("/proc", &sf)), (long)sf.f_namelen);
    say("proc magic %lx block %ld", (long)sf.f_type, (long)sf.f_bsize);
    return 0;
}
