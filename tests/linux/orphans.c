// SPDX-License-Identifier: MIT
// Orphans: their new parent, who reaps them; PR_SET_CHILD_SUBREAPER; PR_SET_PDEATHSIG; a chain of dying parents.
#include "say.h"

#include <sys/prctl.h>

int main(void) {
    int fds[2];
    if (pipe(fds) == -1) return 1;
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            close(fds[0]);
            while (getppid() == parent) sleep_ms(1);
            char c = 'o';
            _exit(write(fds[1], &c, 1) == 1 ? 0 : 1);
        }
        _exit(3);
    }
    close(fds[1]);
    say_status("middle", middle);
    char c = 0;
    ssize_t n = read(fds[0], &c, 1);
    say("the orphan has a new parent: %zd %c", n, c);
    n = read(fds[0], &c, 1);
    say("and has ended: %zd", n);
    say("not our child: %s", result(waitpid(-1, NULL, 0)));

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t self = getpid();
    if (pipe(fds) == -1) return 1;
    middle = fork();
    if (middle == 0) {
        pid_t next = fork();
        if (next == 0) {
            pid_t last = fork();
            if (last == 0) {
                while (getppid() != self) sleep_ms(1);
                _exit(44);
            }
            if (write(fds[1], &last, sizeof last) != sizeof last) _exit(1);
            _exit(0);
        }
        waitpid(next, NULL, 0);
        _exit(0);
    }
    say_status("middle", middle);
    pid_t last = 0;
    if (read(fds[0], &last, sizeof last) != sizeof last) return 1;
    say_status("the orphan is ours", last);

    middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            pid_t parent = getppid();
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            if (getppid() != parent) raise(SIGUSR1);
            if (write(fds[1], "r", 1) != 1) _exit(1);
            for (;;) pause();
        }
        char ready;
        if (read(fds[0], &ready, 1) != 1) _exit(1);
        _exit(0);
    }
    say_status("parent with PDEATHSIG child", middle);
    int status = 0;
    pid_t got = waitpid(-1, &status, 0);
    say("its child: %d, killed by USR1 %d", got > 0, WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    return 0;
}
