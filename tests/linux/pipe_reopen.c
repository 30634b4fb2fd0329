// SPDX-License-Identifier: MIT
// A pipe that is opened again through /proc/self/fd: nobody is waited for, as it is with a FIFO.
#include "say.h"

#include <poll.h>

static int reopen(int fd, int flags) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return open(name, flags);
}

int main(void) {
    int ends[2];
    char text[16] = "";
    if (pipe(ends) != 0) return 1;
    if (write(ends[1], "left", 4) != 4) return 1;
    close(ends[1]);
    int again = reopen(ends[0], O_RDONLY);
    say("without writers: %s", result(again));
    struct pollfd poll_it = {again, POLLIN, 0};
    int found = poll(&poll_it, 1, 0);
    say("poll: %d %#x", found, (unsigned)poll_it.revents);
    found = (int)read(again, text, sizeof text);
    say("read: %d %s", found, text);
    say("end: %d", (int)read(again, text, sizeof text));
    int writer = reopen(ends[0], O_WRONLY);
    say("a writer again: %s", result(writer));
    say("write: %d", (int)write(writer, "more", 4));
    say("read: %d", (int)read(ends[0], text, sizeof text));
    close(ends[0]);
    close(again);
    say("without readers: %s", result(reopen(writer, O_WRONLY)));
    say("not blocking: %s", result(reopen(writer, O_WRONLY | O_NONBLOCK)));
    signal(SIGPIPE, SIG_IGN);
    say("write: %s", result(write(writer, "x", 1)));
    return 0;
}
