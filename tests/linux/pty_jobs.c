// SPDX-License-Identifier: MIT
// Job control on a pseudo-terminal: controlling terminal, foreground group, ^C, ^\, ^Z, SIGTTIN, SIGTTOU, window size,
// hang-up, and a busybox-like shell's dance of stopping and continuing a job.
#include "say.h"

#include <sys/ioctl.h>
#include <termios.h>

static int master;

static void wait_one(const char* what, pid_t pid) {
    int status = 0;
    if (waitpid(pid, &status, WUNTRACED) != pid) say("%s: %s", what, strerrorname_np(errno));
    else if (WIFSTOPPED(status)) say("%s: stopped by SIG%s", what, sigabbrev_np(WSTOPSIG(status)));
    else if (WIFSIGNALED(status)) say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
    else say("%s: exited %d", what, WEXITSTATUS(status));
}

static void ready(int fd) {
    char c = 'r';
    if (write(fd, &c, 1) != 1) _exit(98);
}
static void await(int fd) {
    char c;
    if (read(fd, &c, 1) != 1) say("peer went away");
}

static volatile int winch;
static void on_winch(int number) { winch = number; }

/// A job: its own group, made the foreground one before it goes on. What it does says `what`.
static pid_t job(int tty, int foreground, int sync, int what) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_IGN);
        if (foreground) tcsetpgrp(tty, getpid());
        signal(SIGTTOU, SIG_DFL);
        char line[64];
        ready(sync);
        switch (what) {
            case 'p':
                for (;;) pause();
            case 'r': {
                ssize_t n = read(tty, line, sizeof line);
                _exit(n > 0 ? line[0] : 1);
            }
            case 'w': _exit(write(tty, "out\n", 4) == 4 ? 0 : 1);
            default: _exit(0);
        }
    }
    return pid;
}

static void session(const char* name, int sync_write, int sync_read) {
    setsid();
    int tty = open(name, O_RDWR);
    say("tty: %d, isatty %d", tty >= 0, isatty(tty));
    ioctl(tty, TIOCSCTTY, 0);
    say("session of the tty is mine: %d", tcgetsid(tty) == getpid());
    int other = open("/dev/tty", O_RDWR);
    say("/dev/tty: %d", other >= 0);
    close(other);
    say("tcsetpgrp: %s", result(tcsetpgrp(tty, getpgrp())));
    say("foreground is mine: %d", tcgetpgrp(tty) == getpgrp());
    say("no such group: %s", result(tcsetpgrp(tty, 999999)));
    signal(SIGTTOU, SIG_IGN);
    int sync[2];
    if (pipe(sync) == -1) _exit(1);
    const char* keys[] = {"\003", "\034", "\032"};
    for (int i = 0; i < 3; i++) {
        pid_t pid = job(tty, 1, sync[1], 'p');
        await(sync[0]);
        if (write(sync_write, keys[i], 1) != 1) _exit(1);  // the holder of the master types it
        wait_one(i == 0 ? "^C" : i == 1 ? "^\\" : "^Z", pid);
        tcsetpgrp(tty, getpgrp());
        kill(pid, SIGKILL);
        kill(pid, SIGCONT);
        if (i == 2) wait_one("end of the stopped job", pid);
    }
    pid_t pid = job(tty, 0, sync[1], 'r');
    await(sync[0]);
    wait_one("background read", pid);
    tcsetpgrp(tty, pid);
    kill(-pid, SIGCONT);
    if (write(sync_write, "Qx\n", 3) != 3) _exit(1);
    wait_one("continued in the foreground, reads Q", pid);
    tcsetpgrp(tty, getpgrp());
    pid = job(tty, 0, sync[1], 'w');
    await(sync[0]);
    wait_one("background write", pid);
    struct termios t;
    tcgetattr(tty, &t);
    t.c_lflag |= TOSTOP;
    tcsetattr(tty, TCSANOW, &t);
    pid = job(tty, 0, sync[1], 'w');
    await(sync[0]);
    wait_one("with TOSTOP", pid);
    kill(pid, SIGKILL);
    wait_one("end", pid);
    signal(SIGWINCH, on_winch);
    if (write(sync_write, "W", 1) != 1) _exit(1);
    while (winch == 0) sleep_ms(1);
    struct winsize size;
    ioctl(tty, TIOCGWINSZ, &size);
    say("SIGWINCH, size %d x %d", size.ws_row, size.ws_col);
    signal(SIGHUP, SIG_DFL);
    ready(sync_write + 0);  // any other byte: close the master
    (void)sync_read;
    for (;;) pause();
}

int main(void) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
        say("no pseudo-terminal: %s", strerrorname_np(errno));
        return 1;
    }
    int fds[2];
    if (pipe(fds) == -1) return 1;
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        const char* name = ptsname(master);
        static char copy[64];
        snprintf(copy, sizeof copy, "%s", name);
        close(master);
        session(copy, fds[1], -1);
    }
    close(fds[1]);
    char text[8];
    ssize_t n;
    while ((n = read(fds[0], text, sizeof text)) > 0) {
        if (text[0] == 'r') break;
        if (text[0] == 'W') {
            struct winsize size = {33, 99, 0, 0};
            ioctl(master, TIOCSWINSZ, &size);
        } else if (write(master, text, (size_t)n) != n) {
            say("typing failed");
        }
    }
    close(master);
    wait_one("session leader after hang-up", pid);
    return 0;
}
