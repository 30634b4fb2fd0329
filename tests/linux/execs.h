// SPDX-License-Identifier: MIT
// What the tests of execve share: files that may be programs, and what becomes of running them.
#pragma once

#include "say.h"

#include <sys/stat.h>

__attribute__((unused)) static void put(const char* path, const void* data, size_t size, mode_t mode) {
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0700);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) say("cannot write %s", path);
    close(fd);
    chmod(path, mode);
}

/// Says why it cannot be run, or how it ended.
__attribute__((unused)) static void try_exec(const char* what, const char* path) {
    pid_t pid = fork();
    if (pid == 0) {
        char* argv[] = {(char*)"zero", (char*)"one", NULL};
        char* envp[] = {NULL};
        execve(path, argv, envp);
        say("%s: %s", what, strerrorname_np(errno));
        _exit(50);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 50)
        say("%s: ran, %s %d", what, WIFEXITED(status) ? "exit" : "signal",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
