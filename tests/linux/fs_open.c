// SPDX-License-Identifier: MIT
// open and its flags: creation, exclusive creation, truncation, directories, links, O_PATH, O_TMPFILE, permissions of new
// files, and the errors of each.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <sys/stat.h>
#include <sys/syscall.h>

static void try(const char* path, int flags, int mode) {
    int fd = open(path, flags, mode);
    struct stat s;
    if (fd < 0) say("open %s %o: %s", path, flags, strerrorname_np(errno));
    else if (fstat(fd, &s) == 0) say("open %s %o: mode %o size %ld flags %o", path, flags, s.st_mode, S_ISREG(s.st_mode) ? (long)s.st_size : 0, fcntl(fd, F_GETFL));
    if (fd >= 0) close(fd);
}

int main(void) {
    umask(027);
    try("new", O_RDONLY, 0);
    try("new", O_CREAT | O_WRONLY, 0666);
    try("new", O_CREAT | O_EXCL | O_WRONLY, 0666);
    try("new", O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_SYNC, 0);
    try("set", O_CREAT | O_RDWR, 07777);
    try("new/", O_RDONLY, 0);
    try("new/x", O_RDONLY, 0);
    try("fresh/", O_CREAT | O_RDWR, 0600);
    try("nodir/x", O_CREAT | O_RDWR, 0600);
    try("", O_RDONLY, 0);
    try(".", O_RDONLY, 0);
    try(".", O_RDONLY | O_DIRECTORY, 0);
    try(".", O_WRONLY, 0);
    try(".", O_RDWR, 0);
    try(".", O_CREAT | O_RDONLY, 0600);
    try(".", O_RDONLY | O_TRUNC, 0);
    try("new", O_RDONLY | O_DIRECTORY, 0);
    try("/", O_CREAT | O_RDONLY, 0600);
    try("..", O_CREAT | O_EXCL | O_RDONLY, 0600);
    try("new", O_CREAT | O_DIRECTORY | O_RDWR, 0600);
    int fd = open("new", O_RDWR);
    if (write(fd, "hello", 5) != 5) say("write");
    close(fd);
    try("new", O_RDONLY, 0);
    try("new", O_WRONLY | O_TRUNC, 0);
    fd = open("new", O_RDWR);
    if (write(fd, "hello", 5) != 5) say("write");
    close(fd);
    try("new", O_RDONLY | O_TRUNC, 0);

    symlink("new", "link");
    symlink("dangling_target", "dangling");
    symlink("loop2", "loop1");
    symlink("loop1", "loop2");
    try("link", O_RDONLY, 0);
    try("link", O_RDONLY | O_NOFOLLOW, 0);
    try("link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0);
    try("link", O_RDONLY | O_NOFOLLOW | O_PATH, 0);
    try("link", O_CREAT | O_EXCL | O_RDWR, 0600);
    try("dangling", O_RDONLY, 0);
    try("dangling", O_CREAT | O_EXCL | O_RDWR, 0600);
    try("dangling", O_CREAT | O_RDWR, 0640);
    say("created through the link: %s", result(access("dangling_target", F_OK)));
    try("loop1", O_RDONLY, 0);
    try("loop1", O_RDONLY | O_NOFOLLOW, 0);

    fd = open("new", O_PATH);
    char c;
    say("O_PATH read: %s", result(read(fd, &c, 1)));
    say("O_PATH write: %s", result(write(fd, &c, 1)));
    say("O_PATH fchmod: %s", result(fchmod(fd, 0600)));
    say("O_PATH lseek: %s", result(lseek(fd, 0, SEEK_SET)));
    say("O_PATH ioctl: %s", result(syscall(SYS_ioctl, fd, 0x541b, &c)));
    struct stat s;
    say("O_PATH fstat: %s", result(fstat(fd, &s)));
    int again = openat(fd, "", O_RDONLY);
    say("openat of an empty path: %s", result(again));
    close(fd);

    fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0) {
        fstat(fd, &s);
        say("O_TMPFILE links %ld mode %o", (long)s.st_nlink, s.st_mode);
        if (write(fd, "anonymous", 9) != 9) say("write");
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        say("linkat: %s", result(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)));
        close(fd);
        try("named", O_RDONLY, 0);
    }
    try(".", O_TMPFILE | O_RDONLY, 0600);
    try("new", O_TMPFILE | O_RDWR, 0600);

    mkdir("dir", 0755);
    int dir = open("dir", O_RDONLY | O_DIRECTORY);
    fd = openat(dir, "inside", O_CREAT | O_RDWR, 0600);
    say("openat: %s", result(fd));
    say("openat of a file as directory: %s", result(openat(fd, "x", O_RDONLY)));
    say("openat of a bad descriptor: %s", result(openat(999, "x", O_RDONLY)));
    say("absolute path, bad descriptor: %s", result(openat(999, "/", O_RDONLY)));
    say("bad path pointer: %s", result(open((char*)1, O_RDONLY)));
    char longer[300];
    memset(longer, 'a', 256);
    longer[256] = 0;
    say("name of 256: %s", result(open(longer, O_RDONLY)));
    longer[255] = 0;
    say("name of 255: %s", result(open(longer, O_CREAT | O_RDWR, 0600)));
    static char huge[5000];
    memset(huge, '/', 4095);
    say("path of 4095: %s", result(open(huge, O_RDONLY)));
    huge[4095] = '/';
    say("path of 4096: %s", result(open(huge, O_RDONLY)));

    chmod("new", 0);
    if (fork() == 0) {
        setgid(1000);
        setuid(1000);
        try("new", O_RDONLY, 0);
        try("set", O_RDWR, 0);
        try("another", O_CREAT | O_RDWR, 0600);
        try("new", O_PATH, 0);
        try("link", O_RDONLY | O_NOATIME, 0);
        _exit(0);
    }
    wait(NULL);
    return 0;
}
