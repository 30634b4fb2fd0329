// SPDX-License-Identifier: MIT
// Random calls on a set of AF_UNIX sockets of all types, from fixed seeds: every result is as on Linux. With an argument: the calls of
// that seed, one by one.
#include "sockets.h"

#define SOCKETS 12
static int fds[SOCKETS], types[SOCKETS], queued[SOCKETS];
/// One is open, the other not. (No sockets: when a circle of them is found is not to be foreseen.)
static const int fds_sent[2] = {0, 999};
static unsigned state, hash;
static int loud;
static char text[1 << 15];

static unsigned rnd(unsigned below) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state % below;
}

static void note(const char* what, int a, int b, long value) {
    int error = value == -1 ? errno : 0;
    if (loud) say("%s %d %d: %ld %s", what, a, b, value, error ? strerrorname_np(error) : "");
    hash = (hash ^ (unsigned)value) * 16777619u;
    hash = (hash ^ (unsigned)error) * 16777619u;
}

static void close_one(int i) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
    queued[i] = 0;
}

static const char* name_for(unsigned n) {
    static const char* names[] = {"@one", "@two", "@three", "p1", "p2", "p3"};
    return names[n % 6];
}

static void bits(int i) {
    // Room to write is measured in other units where bytes are not kept in messages.
    struct pollfd p = {fds[i], POLLIN | POLLRDHUP | POLLPRI | (types[i] == SOCK_STREAM ? 0 : POLLOUT), 0};
    poll(&p, 1, 0);
    note("poll", i, 0, p.revents);
}

static void one_call(void) {
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int i = (int)rnd(SOCKETS), j = (int)rnd(SOCKETS), n = (int)rnd(600), count, flags = 0, got[8];
    long value;
    switch (rnd(26)) {
        case 0:
            close_one(i);
            types[i] = kinds[rnd(3)];
            note("socket", i, types[i], (fds[i] = socket(AF_UNIX, types[i] | SOCK_NONBLOCK, 0)) >= 0);
            break;
        case 1:
        case 2:
            if (i == j) break;
            close_one(i), close_one(j);
            types[i] = types[j] = kinds[rnd(3)];
            int pair[2];
            note("pair", i, j, socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, pair));
            fds[i] = pair[0], fds[j] = pair[1];
            break;
        case 3: {
            const char* name = name_for(rnd(6));
            note(name, i, 1, unix_bind(fds[i], name));
            break;
        }
        case 4:
            value = (long)rnd(3);
            note("listen", i, (int)value, listen(fds[i], (int)value));
            break;
        case 5:
        case 6: {
            const char* name = name_for(rnd(6));
            note(name, i, 2, unix_connect(fds[i], name));
            break;
        }
        case 7:
        case 8:
            if (fds[j] >= 0 && i == j) break;
            value = accept4(fds[i], 0, 0, SOCK_NONBLOCK);
            note("accept", i, j, value < 0 ? -1 : 1);
            if (value < 0) break;
            close_one(j);
            fds[j] = (int)value, types[j] = types[i];
            break;
        case 9:
        case 10:
        case 11:
        case 12:
            if (queued[i]++ > 40) break;
            note("send", i, n, send(fds[i], text, (size_t)n, MSG_NOSIGNAL));
            break;
        case 13:
            if (queued[i]++ > 40) break;
            note("send to", i, n, unix_send_to(fds[i], "some text", name_for((unsigned)n), MSG_NOSIGNAL));
            break;
        case 14:
        case 15:
        case 16: note("recv", i, n, recv(fds[i], text, (size_t)n + 1, 0)); break;
        case 17: note("peek", i, n, recv(fds[i], text, (size_t)n + 1, MSG_PEEK | MSG_TRUNC)); break;
        case 18:
            value = (long)rnd(6);
            note("shutdown", i, (int)value, value < 3 ? shutdown(fds[i], (int)value) : 0);
            break;
        case 19: close_one(i); break;
        case 20: bits(i); break;
        case 21:
            if (queued[i]++ > 40) break;
            note("send rights", i, j, send_rights(fds[i], "rights", fds_sent + j % 2, 1, MSG_NOSIGNAL));
            break;
        case 22:
            value = receive_rights(fds[i], text, (size_t)n + 1, got, 4, &count, &flags, 0);
            note("receive rights", i, n, value);
            if (value < 0) break;
            note("count", count, flags, count * 100 + flags);
            for (int k = 0; k < count; k++) close(got[k]);
            break;
        case 23: {
            int error = -1;
            socklen_t size = sizeof error;
            note("error", i, 0, getsockopt(fds[i], SOL_SOCKET, SO_ERROR, &error, &size));
            note("is", i, 0, error);
            break;
        }
        case 24: {
            const char* name = name_of(fds[i], (int)rnd(2));
            note(name, i, 3, (long)strlen(name));
            break;
        }
        default:
            // All that is there is read.
            while ((value = recv(fds[i], text, sizeof text, 0)) > 0) note("drain", i, 0, value);
            note("drained", i, 0, value);
            for (int k = 0; k < SOCKETS; k++) queued[k] = 0;
            for (int k = 0; k < SOCKETS; k++) {
                while (fds[k] >= 0 && recv(fds[k], text, sizeof text, 0) > 0) {}
            }
            break;
    }
}

static void run(unsigned seed, int calls) {
    state = seed * 2654435761u | 1, hash = 2166136261u;
    for (int i = 0; i < SOCKETS; i++) fds[i] = -1, queued[i] = 0, types[i] = 0;
    for (int i = 0; i < calls; i++) {
        one_call();
        if (rnd(20) == 0) unlink(name_for(3 + rnd(3)));
    }
    for (int i = 0; i < SOCKETS; i++) close_one(i);
    unlink("p1"), unlink("p2"), unlink("p3");
}

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    for (int fd = 3; fd < 100; fd++) close(fd);
    if (argc > 1) {
        loud = 1;
        run((unsigned)atoi(argv[1]), argc > 2 ? atoi(argv[2]) : 1000);
        return 0;
    }
    const int before = open_count();
    for (unsigned seed = 1; seed <= 100; seed++) {
        run(seed, 1000);
        say("seed %u: %08x, open %d", seed, hash, open_count() - before);
    }
    return 0;
}
