// SPDX-License-Identifier: MIT
// clone with its flags: shared memory, descriptors, directory, handlers; tid words; bad combinations; vfork; exit signals.
#include "say.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile int word;
static volatile pid_t tid_word;

static int child(void* argument) {
    word = 5;
    int fd = *(int*)argument;
    close(fd);
    chdir("/");
    return 9;
}

static pid_t run(int flags, int* fd) { return clone(child, stack + sizeof stack, flags, fd); }

static const char* bad(unsigned long flags) {
    long pid = syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid((pid_t)pid, NULL, __WALL);
    return result(pid);
}

int main(void) {
    char here[512], now[512];
    if (getcwd(here, sizeof here) == NULL) return 1;
    struct { const char* name; int flags; } list[] = {
        {"nothing shared", 0}, {"CLONE_VM", CLONE_VM}, {"CLONE_FILES", CLONE_FILES}, {"CLONE_FS", CLONE_FS}};
    for (unsigned i = 0; i < 4; i++) {
        int fd = dup(1);
        word = 1;
        pid_t pid = run(list[i].flags | SIGCHLD, &fd);
        int status = 0;
        waitpid(pid, &status, 0);
        char* unused = getcwd(now, sizeof now);
        (void)unused;
        say("%s: status %d, word %d, fd %s, directory kept %d", list[i].name, WEXITSTATUS(status), word,
            result(fcntl(fd, F_GETFD)), strcmp(here, now) == 0);
        close(fd);
        if (chdir(here) == -1) return 1;
    }
    pid_t parent_tid = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, &tid_word, 0);
    if (pid == 0) _exit(tid_word == getpid() ? 0 : 1);
    say("CLONE_PARENT_SETTID: %d", parent_tid == pid);
    say_status("CLONE_CHILD_SETTID", pid);

    int fd = -1;
    pid = run(0, &fd);  // no exit signal: only __WALL or __WCLONE waits for it
    say("wait without __WALL: %s", result(waitpid(pid, NULL, 0)));
    int status = 0;
    int waited = waitpid(pid, &status, __WALL) == pid;
    say("with __WALL: %d status %d", waited, WEXITSTATUS(status));
    signal(SIGUSR1, SIG_IGN);  // before there is a child that can end
    pid = run(SIGUSR1, &fd);
    waited = waitpid(pid, &status, __WALL) == pid;
    say("exit signal USR1: %d", waited);
    if (chdir(here) == -1) return 1;

    say("SIGHAND without VM: %s", bad(CLONE_SIGHAND | SIGCHLD));
    say("THREAD without SIGHAND: %s", bad(CLONE_THREAD | CLONE_VM | SIGCHLD));
    say("FS with NEWNS: %s", bad(CLONE_FS | CLONE_NEWNS | SIGCHLD));

    word = 1;
    pid = vfork();
    if (pid == 0) {
        word = 77;
        _exit(6);
    }
    say("vfork: the parent sees %d", word);
    say_status("vfork child", pid);
    pid = vfork();
    if (pid == 0) {
        execl("/missing", "missing", NULL);
        _exit(errno == ENOENT ? 8 : 1);
    }
    say_status("vfork, failed exec", pid);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid = vfork();
    if (pid == 0) {
        sleep_ms(50);
        _exit(0);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    say("vfork waits for the child: %d", ms >= 49);
    say_status("vfork slept", pid);

    // A process that shares memory, and one that shares handlers too.
    pid = run(CLONE_VM | CLONE_SIGHAND | SIGCHLD, &fd);
    say_status("VM and SIGHAND", pid);
    return 0;
}
