// SPDX-License-Identifier: MIT
// execve in a threaded process, from the main thread and from another: one thread is left, with the process's PID.
#include "say.h"

#include <pthread.h>
#include <sys/syscall.h>

static void* idle(void* argument) {
    for (;;) pause();
    return argument;
}

static void* execer(void* argument) {
    char text[16];
    snprintf(text, sizeof text, "%d", getpid());
    char* argv[] = {(char*)"x", (char*)"other", text, NULL};
    execv("/proc/self/exe", argv);
    return argument;
}

int main(int argc, char** argv) {
    pthread_t thread;
    if (argc == 1) {
        for (int i = 0; i < 5; i++) pthread_create(&thread, NULL, idle, NULL);
        char text[16];
        snprintf(text, sizeof text, "%d", getpid());
        char* args[] = {(char*)"x", (char*)"main", text, NULL};
        execv("/proc/self/exe", args);
        return 1;
    }
    say("%s: pid kept %d, tid is pid %d", argv[1], atoi(argv[2]) == getpid(), syscall(SYS_gettid) == getpid());
    if (strcmp(argv[1], "main") == 0) {
        for (int i = 0; i < 5; i++) pthread_create(&thread, NULL, idle, NULL);
        pthread_create(&thread, NULL, execer, NULL);
        pthread_join(thread, NULL);
        return 1;
    }
    return 21;
}
