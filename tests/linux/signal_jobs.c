// SPDX-License-Identifier: MIT
// Stop and continue, WUNTRACED, WCONTINUED, process groups, sessions, kill to groups, orphaned stopped groups.
#include "say.h"

static void wait_one(const char* what, pid_t pid, int options) {
    int status = 0;
    pid_t got = waitpid(pid, &status, options);
    if (got <= 0) say("%s: %d", what, got == 0 ? 0 : -errno);
    else if (WIFSTOPPED(status)) say("%s: stopped by SIG%s", what, sigabbrev_np(WSTOPSIG(status)));
    else if (WIFCONTINUED(status)) say("%s: continued", what);
    else if (WIFSIGNALED(status)) say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
    else say("%s: exited %d", what, WEXITSTATUS(status));
}

static pid_t sleeper(pid_t group) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, group);
        for (;;) pause();
    }
    setpgid(pid, group == 0 ? pid : group);
    return pid;
}

static volatile int hups, conts;
static void count(int number) {
    if (number == SIGHUP) hups++;
    else conts++;
}

int main(void) {
    int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    pid_t pid = sleeper(0);
    for (unsigned i = 0; i < 4; i++) {
        kill(pid, stops[i]);
        wait_one("stop", pid, WUNTRACED);
        wait_one("nothing new", pid, WUNTRACED | WNOHANG);
        kill(pid, SIGCONT);
        wait_one("continue", pid, WCONTINUED);
    }
    kill(pid, SIGSTOP);
    wait_one("stop", pid, WUNTRACED);
    kill(pid, SIGTERM);
    sleep_ms(20);
    wait_one("TERM while stopped", pid, WNOHANG);
    kill(pid, SIGCONT);
    wait_one("then continued", pid, 0);
    pid = sleeper(0);
    kill(pid, SIGSTOP);
    wait_one("stop", pid, WUNTRACED);
    kill(pid, SIGKILL);
    wait_one("KILL while stopped", pid, 0);

    pid_t a = sleeper(0), b = sleeper(a), c = sleeper(a);
    say("group of b: %d, of c: %d", getpgid(b) == a, getpgid(c) == a);
    say("mine differs: %d", getpgrp() != a);
    siginfo_t info = {0};
    say("kill the group: %s", result(kill(-a, SIGINT)));
    waitid(P_PGID, (id_t)a, &info, WEXITED);
    say("by its group: code %d status %d", info.si_code == CLD_KILLED, info.si_status == SIGINT);
    while (waitpid(-a, NULL, 0) > 0) {}
    say("the rest: %s", strerrorname_np(errno));
    say("kill nobody's group: %s", result(kill(-a, 0)));

    pid = fork();
    if (pid == 0) {
        say("setsid: %d", setsid() == getpid());
        say("session %d group %d", getsid(0) == getpid(), getpgrp() == getpid());
        say("setsid again: %s", result(setsid()));
        say("setpgid of a leader: %s", result(setpgid(0, 0)));
        say("no such group: %s", result(setpgid(0, 1)));
        _exit(0);
    }
    say_status("session", pid);
    say("setpgid of a stranger: %s", result(setpgid(1, 1)));
    say("negative group: %s", result(setpgid(0, -1)));

    // A stopped process group that becomes orphaned gets SIGHUP and SIGCONT.
    int fds[2];
    if (pipe(fds) == -1) return 1;
    pid = fork();
    if (pid == 0) {
        setsid();
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            struct sigaction action = {.sa_handler = count};
            sigaction(SIGHUP, &action, NULL);
            sigaction(SIGCONT, &action, NULL);
            raise(SIGSTOP);
            while (hups == 0 || conts == 0) sleep_ms(1);
            char ok = 'y';
            _exit(write(fds[1], &ok, 1) == 1 ? 0 : 1);
        }
        int status;
        waitpid(child, &status, WUNTRACED);
        _exit(0);
    }
    close(fds[1]);
    say_status("leader", pid);
    char answer = 'n';
    ssize_t n = read(fds[0], &answer, 1);
    say("orphaned group got HUP and CONT: %zd %c", n, answer);
    return 0;
}
