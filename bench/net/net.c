// SPDX-License-Identifier: MIT
// net local | net serve DIRECTORY: what networking takes, on Linux and on Pith alike. `local` measures what stays within the system. `serve` starts
// DIRECTORY/usr/bin/redis-server, in DIRECTORY as its root, on port 6379, and does what the host asks for on port 7777, a line each:
//   begin              a round begins
//   end NAME COUNT     it has ended; it was about COUNT operations
//   download NAME PORT BYTES
//                      a round: so many bytes are fetched from the host's port PORT; 8 bytes at each multiple of 4096 are to tell their position
//   quit               the end
// and answers "ok". It prints "round NAME COUNT NANOSECONDS" for each round, all of which are between marks (bench/files/marks.h).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/files/marks.h"

enum {
    kControlPort = 7777,
    kRedisPort = 6379,
    kRounds = 5,
    kTrips = 1000,  // of ping-pong, each round
    kWarmUp = 200,
    kBulk = 16 << 20,
    kPiece = 64 << 10,
    kPage = 4096,
};
static const char kHost[] = "10.0.2.2", kSelf[] = "127.0.0.1";

static char piece[kPiece];

/// Ends the program unless `fine`.
static void check(int fine, const char* what) {
    if (fine) return;
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t begun;

static void begin_round(void) {
    begun = now();
    PITH_MARK(PITH_MARK_BEGIN);
}

static void end_round(const char* name, unsigned long count) {
    PITH_MARK(PITH_MARK_END);
    printf("round %s %lu %lu\n", name, count, now() - begun);
    fflush(stdout);
}

static struct sockaddr_in address_of(const char* host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    check(inet_aton(host, &address.sin_addr), host);
    return address;
}

static int listen_on(const char* host, int port, int* chosen) {
    const int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = address_of(host, port);
    socklen_t size = sizeof address;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    check(s >= 0 && bind(s, (void*)&address, size) == 0 && listen(s, 16) == 0, "listen");
    check(getsockname(s, (void*)&address, &size) == 0, "getsockname");
    if (chosen) *chosen = ntohs(address.sin_port);
    return s;
}

static int connect_to(const char* host, int port) {
    const int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    const struct sockaddr_in address = address_of(host, port);
    check(s >= 0, "socket");
    if (connect(s, (const void*)&address, sizeof address) != 0) {
        close(s);
        return -1;
    }
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

/// Two ends, connected.
static void tcp_pair(int ends[2]) {
    int port;
    const int listener = listen_on(kSelf, 0, &port), one = 1;
    ends[0] = connect_to(kSelf, port);
    ends[1] = accept(listener, 0, 0);
    check(ends[0] >= 0 && ends[1] >= 0, "pair");
    setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
}

static void unix_pair(int ends[2]) { check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair"); }

/// Another process answers each byte with one, until there are no more.
static void ping_pong(const char* name, void (*make)(int[2])) {
    int ends[2];
    make(ends);
    const pid_t child = fork();
    check(child >= 0, "fork");
    char byte = 'x';
    if (child == 0) {
        close(ends[0]);
        while (read(ends[1], &byte, 1) == 1) check(write(ends[1], &byte, 1) == 1, "pong");
        _exit(0);
    }
    close(ends[1]);
    for (unsigned round = 0; round < kRounds; round++) {
        for (unsigned i = 0; i < kWarmUp; i++)
            check(write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1, "ping");
        begin_round();
        for (unsigned i = 0; i < kTrips; i++)
            check(write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1, "ping");
        end_round(name, kTrips);
    }
    close(ends[0]);
    check(waitpid(child, 0, 0) == child, "waitpid");
}

/// Another process takes so many bytes, again and again, and says when it has them.
static void bulk(const char* name, void (*make)(int[2])) {
    int ends[2];
    make(ends);
    const pid_t child = fork();
    check(child >= 0, "fork");
    char byte = 'x';
    if (child == 0) {
        close(ends[0]);
        for (;;) {
            for (ssize_t left = kBulk, got; left > 0; left -= got) {
                got = read(ends[1], piece, left < kPiece ? (size_t)left : kPiece);
                if (got <= 0) _exit(0);
            }
            check(write(ends[1], &byte, 1) == 1, "taken");
        }
    }
    close(ends[1]);
    for (unsigned round = 0; round < kRounds + 1; round++) {
        if (round > 0) begin_round();
        for (ssize_t left = kBulk, sent; left > 0; left -= sent) {
            sent = write(ends[0], piece, left < kPiece ? (size_t)left : kPiece);
            check(sent > 0, "write");
        }
        check(read(ends[0], &byte, 1) == 1, "read");
        if (round > 0) end_round(name, kBulk >> 20);
    }
    close(ends[0]);
    check(waitpid(child, 0, 0) == child, "waitpid");
}

static pid_t start_redis(const char* directory) {
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        const int null = open("/dev/null", O_RDWR);
        check(null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1, "/dev/null");
        check(chdir(directory) == 0 && chroot(".") == 0 && chdir("/") == 0, directory);
        execl("/usr/bin/redis-server", "redis-server", "--save", "", "--protected-mode", "no", "--port",
              "6379", (char*)0);
        check(0, "redis-server");
    }
    for (int s; (s = connect_to(kSelf, kRedisPort)) < 0 || close(s) != 0;) {
        check(waitpid(child, 0, WNOHANG) == 0, "redis-server has ended");
        usleep(20000);
    }
    return child;
}

static int whole(const char* data, size_t size, uint64_t at) {
    for (uint64_t next = (at + kPage - 1) / kPage * kPage; next + 8 <= at + size; next += kPage) {
        uint64_t told;
        memcpy(&told, data + (next - at), sizeof told);
        if (told != next) return 0;
    }
    return 1;
}

static void download(const char* name, int port, uint64_t size) {
    begin_round();
    const int s = connect_to(kHost, port);
    check(s >= 0, "connect to the host");
    uint64_t at = 0;
    for (ssize_t got; (got = read(s, piece, sizeof piece)) > 0; at += (uint64_t)got)
        check(whole(piece, (size_t)got, at), "other bytes than wanted");
    check(at == size, "other length than wanted");
    close(s);
    end_round(name, (unsigned long)(size >> 20));
}

static void serve(const char* directory) {
    const pid_t redis = start_redis(directory);
    const int listener = listen_on("0.0.0.0", kControlPort, 0), control = accept(listener, 0, 0);
    check(control >= 0, "accept");
    FILE* lines = fdopen(control, "r");
    char line[256], name[64];
    check(write(control, "ok\n", 3) == 3, "control");
    while (fgets(line, sizeof line, lines)) {
        unsigned long count;
        int port;
        if (strcmp(line, "begin\n") == 0) begin_round();
        else if (sscanf(line, "end %63s %lu", name, &count) == 2) end_round(name, count);
        else if (sscanf(line, "download %63s %d %lu", name, &port, &count) == 3) download(name, port, count);
        else check(strcmp(line, "quit\n") == 0, line);
        check(write(control, "ok\n", 3) == 3, "control");
        if (strcmp(line, "quit\n") == 0) break;
    }
    kill(redis, SIGKILL);
    waitpid(redis, 0, 0);
}

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "local") == 0) {
        ping_pong("unix_trip", unix_pair);
        ping_pong("tcp_trip", tcp_pair);
        bulk("unix_mib", unix_pair);
        bulk("tcp_mib", tcp_pair);
    } else if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2]);
    } else {
        return 2;
    }
    printf("end\n");
    return 0;
}
