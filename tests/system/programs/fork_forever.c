// SPDX-License-Identifier: MIT
// Forks children that wait until it is refused, says so, and ends them.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    static pid_t children[1 << 20];
    size_t count = 0;
    while (count < sizeof(children) / sizeof(children[0])) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            for (;;) pause();
        }
        children[count++] = child;
    }
    perror("fork");
    for (size_t i = 0; i < count; i++) kill(children[i], SIGKILL);
    while (wait(NULL) > 0) {
    }
    puts(count >= 8 ? "refused" : "refused too early");
    return 0;
}
