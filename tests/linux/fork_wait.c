// SPDX-License-Identifier: MIT
// fork, exit statuses, wait4, waitpid, waitid (every field), WNOHANG, WNOWAIT, ECHILD, zombies, getppid.
#include "say.h"

#include <sys/resource.h>

static pid_t child_exits(int code) {
    pid_t pid = fork();
    if (pid == 0) _exit(code);
    return pid;
}

int main(void) {
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        say("child: parent is %s, pid differs: %d", getppid() == self ? "right" : "wrong", getpid() != self);
        _exit(0);
    }
    say_status("first", pid);
    int codes[] = {0, 1, 42, 127, 255, 256, -1};
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        char what[32];
        snprintf(what, sizeof what, "exit %d", codes[i]);
        say_status(what, child_exits(codes[i]));
    }
    int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1, SIGPIPE};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        pid = fork();
        if (pid == 0) {
            kill(getpid(), signals[i]);
            _exit(0);
        }
        say_status("kill", pid);
    }
    say("no child: %s", result(waitpid(-1, NULL, 0)));
    say("not mine: %s", result(waitpid(1, NULL, 0)));
    say("bad options: %s", result(waitpid(-1, NULL, 0x100)));

    int pipe_fds[2];
    if (pipe(pipe_fds) == -1) return 1;
    pid = fork();
    if (pid == 0) {
        char c;
        close(pipe_fds[1]);
        _exit(read(pipe_fds[0], &c, 1) == 0 ? 9 : 1);
    }
    int status = -1;
    say("WNOHANG while it runs: %d", (int)waitpid(pid, &status, WNOHANG));
    siginfo_t info;
    memset(&info, 0, sizeof info);
    say("waitid WNOHANG: %d, si_pid %d", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), info.si_pid);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    memset(&info, 0, sizeof info);
    int r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    say("waitid: %d signo %s code %d status %d pid %d", r, sigabbrev_np(info.si_signo), info.si_code, info.si_status,
        info.si_pid == pid);
    say_status("after WNOWAIT", pid);

    pid = fork();
    if (pid == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    memset(&info, 0, sizeof info);
    r = waitid(P_ALL, 0, &info, WEXITED);
    say("waitid killed: %d code is CLD_KILLED %d status %d", r, info.si_code == CLD_KILLED, info.si_status);
    say("waitid no option: %s", result(waitid(P_ALL, 0, &info, 0)));

    struct rusage usage;
    pid = child_exits(3);
    r = wait4(pid, &status, 0, &usage);
    say("wait4: %d exited %d", r == pid, WEXITSTATUS(status));

    pid_t pids[20];
    for (int i = 0; i < 20; i++) pids[i] = child_exits(i);
    int sum = 0, count = 0;
    for (int i = 19; i >= 0; i -= 2) {  // each second one by name, the rest as they come
        if (waitpid(pids[i], &status, 0) == pids[i]) sum += WEXITSTATUS(status);
    }
    while (wait(&status) > 0) {
        sum += WEXITSTATUS(status);
        count++;
    }
    say("20 children: sum %d, last %d", sum, count);
    pid = child_exits(0);
    sleep_ms(20);
    say("signal 0 to a zombie: %s", result(kill(pid, 0)));
    say_status("zombie", pid);
    say("signal 0 to nobody: %s", result(kill(pid, 0)));
    return 7;
}
