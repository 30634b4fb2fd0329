// SPDX-License-Identifier: MIT
// fcntl: descriptors' and descriptions' flags, record locks (conflicts, splitting, waiting, deadlock, what close and fork
// do), locks of open file descriptions, flock, owners.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#include <sys/file.h>

static int lock(int fd, int command, int type, long start, long length) {
    struct flock f = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &f);
}
static void who(const char* what, int fd, int type, long start, long length, pid_t expected) {
    struct flock f = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(fd, F_GETLK, &f) == -1) say("%s: %s", what, strerrorname_np(errno));
    else if (f.l_type == F_UNLCK) say("%s: free", what);
    else say("%s: %s %ld+%ld by the expected one %d", what, f.l_type == F_RDLCK ? "read" : "write", (long)f.l_start, (long)f.l_len, f.l_pid == expected);
}
/// Runs `work` in a child, and waits for it.
static void child(void (*work)(int), int fd) {
    if (fork() == 0) {
        work(fd);
        _exit(0);
    }
    wait(NULL);
}
static pid_t parent;
static void conflicts(int fd) {
    int own = open("f", O_RDWR);
    say("child: write in a write lock %s, read in it %s", result(lock(own, F_SETLK, F_WRLCK, 0, 5)), result(lock(own, F_SETLK, F_RDLCK, 8, 4)));
    say("child: read in a read lock %s, write in it %s", result(lock(own, F_SETLK, F_RDLCK, 20, 5)), result(lock(own, F_SETLK, F_WRLCK, 20, 5)));
    say("child: beside them %s", result(lock(own, F_SETLK, F_WRLCK, 10, 10)));
    who("child: first", own, F_WRLCK, 0, 0, parent);
    who("child: read of a read", own, F_RDLCK, 20, 10, parent);
    who("child: far", own, F_WRLCK, 1000, 0, parent);
    say("child: inherited descriptor %s", result(lock(fd, F_SETLK, F_WRLCK, 0, 1)));
}
static void pieces(int fd) {
    (void)fd;
    int own = open("f", O_RDWR);
    for (long at = 0; at < 12; at++) {
        char what[16];
        sprintf(what, "byte %ld", at);
        who(what, own, F_WRLCK, at, 1, parent);
    }
}
static void whole(int fd) {
    int own = open("f", O_RDWR);
    say("child: flock %s %s", result(flock(own, LOCK_EX | LOCK_NB)), result(flock(own, LOCK_SH | LOCK_NB)));
    say("child: on the inherited one %s", result(flock(fd, LOCK_EX | LOCK_NB)));
}
static void ofd(int fd) {
    (void)fd;
    int own = open("f", O_RDWR);
    say("child: description lock %s", result(lock(own, F_OFD_SETLK, F_WRLCK, 0, 1)));
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    fcntl(own, F_OFD_GETLK, &f);
    say("child: held by %d", f.l_pid);
}

int main(void) {
    parent = getpid();
    int fd = open("f", O_CREAT | O_RDWR, 0600);
    say("flags: %d", fcntl(fd, F_GETFD));
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    say("then %d, of a copy %d, with F_DUPFD_CLOEXEC %d", fcntl(fd, F_GETFD), fcntl(dup(fd), F_GETFD), fcntl(fcntl(fd, F_DUPFD_CLOEXEC, 0), F_GETFD));
    say("lowest from 50: %d %d", fcntl(fd, F_DUPFD, 50), fcntl(fd, F_DUPFD, 50));
    say("bad minimum %s %s", result(fcntl(fd, F_DUPFD, -1)), result(fcntl(fd, F_DUPFD, 1 << 30)));
    int copy = dup(fd);
    fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_TRUNC | O_WRONLY);
    say("F_SETFL is shared: %o", fcntl(copy, F_GETFL));
    fcntl(fd, F_SETFL, 0);
    say("bad command %s, bad descriptor %s", result(fcntl(fd, 9999)), result(fcntl(777, F_GETFL)));

    say("locks %s %s", result(lock(fd, F_SETLK, F_WRLCK, 0, 10)), result(lock(fd, F_SETLK, F_RDLCK, 20, 10)));
    who("own locks do not hinder", fd, F_WRLCK, 0, 0, parent);
    child(conflicts, fd);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    lock(fd, F_SETLK, F_WRLCK, 0, 10), lock(fd, F_SETLK, F_UNLCK, 3, 2), lock(fd, F_SETLK, F_RDLCK, 6, 2), lock(fd, F_SETLK, F_WRLCK, 10, 1);
    child(pieces, fd);
    lseek(fd, 100, SEEK_SET);
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -50};
    say("negative length %s", result(fcntl(fd, F_SETLK, &f)));
    f.l_len = -101;
    say("before the start %s", result(fcntl(fd, F_SETLK, &f)));
    f.l_whence = 9;
    say("bad whence %s", result(fcntl(fd, F_SETLK, &f)));
    say("bad type %s", result(lock(fd, F_SETLK, 9, 0, 0)));
    int reader = open("f", O_RDONLY);
    say("write lock of a reader %s, read lock %s", result(lock(reader, F_SETLK, F_WRLCK, 500, 1)), result(lock(reader, F_SETLK, F_RDLCK, 500, 1)));
    close(reader);
    if (fork() == 0) {
        who("closing any descriptor lets all go", open("f", O_RDWR), F_WRLCK, 0, 0, parent);
        _exit(0);
    }
    wait(NULL);

    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    int sync[2];
    char c;
    pipe(sync);
    pid_t pid = fork();
    if (pid == 0) {
        int own = open("f", O_RDWR);
        write(sync[1], "r", 1);
        say("child waits %s", result(lock(own, F_SETLKW, F_WRLCK, 0, 1)));
        _exit(0);
    }
    read(sync[0], &c, 1);
    sleep_ms(50);
    say("parent lets go");
    lock(fd, F_SETLK, F_UNLCK, 0, 1);
    waitpid(pid, NULL, 0);

    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    pid = fork();
    if (pid == 0) {
        int own = open("f", O_RDWR);
        lock(own, F_SETLK, F_WRLCK, 1, 1);
        write(sync[1], "r", 1);
        int r = lock(own, F_SETLKW, F_WRLCK, 0, 1);
        say("child's circle %s", result(r));
        _exit(0);
    }
    read(sync[0], &c, 1);
    sleep_ms(50);
    say("parent's circle %s", result(lock(fd, F_SETLKW, F_WRLCK, 1, 1)));
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    waitpid(pid, NULL, 0);
    struct sigaction action = {.sa_handler = SIG_IGN};
    (void)action;

    say("flock %s, again %s", result(flock(fd, LOCK_EX)), result(flock(fd, LOCK_EX)));
    child(whole, fd);
    say("shared %s", result(flock(fd, LOCK_SH)));
    child(whole, fd);
    say("free %s, bad %s", result(flock(fd, LOCK_UN)), result(flock(fd, 77)));
    say("description locks %s", result(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 1)));
    child(ofd, fd);
    int second = open("f", O_RDWR);
    say("another description of the same process %s", result(lock(second, F_OFD_SETLK, F_WRLCK, 0, 1)));
    say("with a record lock %s", result(lock(second, F_SETLK, F_WRLCK, 0, 1)));
    say("owner %d", fcntl(fd, F_GETOWN));
    say("set %s", result(fcntl(fd, F_SETOWN, getpid())));
    say("mine %d", fcntl(fd, F_GETOWN) == getpid());
    return 0;
}
