// SPDX-License-Identifier: MIT
// What every test program of this folder uses: say() prints one unbuffered line; the name of an errno; status of a child.
// A program prints the same on Linux and on Pith, whatever PIDs, addresses and times are.
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2), unused)) static void say(const char* format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(1, line, (size_t)n) != n) _exit(99);
}

/// The name of errno after a call that gave -1; "ok" otherwise.
__attribute__((unused)) static const char* result(long value) {
    return value == -1 ? strerrorname_np(errno) : "ok";
}

/// Waits for a child and says how it ended.
__attribute__((unused)) static void say_status(const char* what, pid_t pid) {
    int status = 0;
    pid_t got = waitpid(pid, &status, 0);
    if (got != pid) say("%s: waitpid %s", what, result(got));
    else if (WIFEXITED(status)) say("%s: exited %d", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
    else say("%s: status %#x", what, (unsigned)status);
}

__attribute__((unused)) static void sleep_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
}
