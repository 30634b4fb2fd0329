// SPDX-License-Identifier: MIT
// Many TCP connections: the server in the guest, and its clients on the host, on 127.0.0.1.
//
//   connections serve PORT           sends back what comes. A message is kMessage bytes; its first one is what the server does after it
//   connections hold PORT COUNT      opens so many, has each carry kRounds messages there and back, in turns, so that all are open and busy at once, and
//                                    says "held"; after a line of input does so again, and closes them
//   connections churn PORT COUNT     opens, carries one message there and back, closes: so often; every second one is closed by the server first
//   connections steady PORT          one connection, one message at a time, until a line of input comes; says how many
//   connections flood PORT ADDRESS GUESTPORT COUNT
//                                    so many SYNs from addresses and ports that nobody has, as Ethernet frames to the UDP port PORT where QEMU takes them
//
// A client checks each byte that comes back, and says what is wrong.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kMessage = 512, kRounds = 8, kAtOnce = 64, kMostFiles = 8192, kPatience = 60000 };
enum { kGoOn = 1, kClose = 2 };  // what the server does

static void fail(const char* what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in local(const char* port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    at.sin_addr.s_addr = htonl(INADDR_ANY);
    return at;
}

static int events;
static void watch(int fd, int how, unsigned what) {
    struct epoll_event event = {.events = what, .data.fd = fd};
    if (epoll_ctl(events, how, fd, &event) != 0) fail("epoll_ctl");
}

// One end of a connection, by its descriptor: what has come of a message (the server), or how far client's messages are.
static struct End {
    uint8_t bytes[kMessage];
    int have, sent;  // bytes of the message
    int rounds;      // messages that are still to go
    uint32_t number;
} ends[kMostFiles];

static void serve(const char* port) {
    const struct sockaddr_in at = local(port);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (const void*)&at, sizeof at) != 0 || listen(listener, 1024) != 0) fail("listen");
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    printf("serving\n");
    for (;;) {
        struct epoll_event ready[64];
        const int count = epoll_wait(events, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            const int fd = ready[i].data.fd;
            if (fd == listener) {
                int new;
                while ((new = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
                    if (new >= kMostFiles) fail("too many");
                    ends[new].have = 0;
                    watch(new, EPOLL_CTL_ADD, EPOLLIN);
                }
                if (errno != EAGAIN && errno != ECONNABORTED) fail("accept");
                continue;
            }
            struct End* end = &ends[fd];
            const ssize_t got = read(fd, end->bytes + end->have, (size_t)(kMessage - end->have));
            if (got < 0 && errno == EAGAIN) continue;
            if (got > 0 && (end->have += (int)got) < kMessage) continue;
            // A message finds room: a client waits for it before it sends the next.
            const int whole = got > 0;
            if (whole && write(fd, end->bytes, kMessage) != kMessage) fail("write");
            end->have = 0;
            if (!whole || end->bytes[0] == kClose) close(fd);
        }
    }
}

static void fill(uint8_t* message, const struct End* end, uint8_t what) {
    for (uint32_t i = 0; i < kMessage; i++) message[i] = (uint8_t)(end->number * 31 + (uint32_t)end->rounds * 7 + i * 3 + (i >> 8));
    message[0] = what;
}

static uint8_t what_of(const struct End* end, int closes) { return closes && end->rounds == 1 && end->number % 2 ? kClose : kGoOn; }

static int open_one(const char* port, uint32_t number, int rounds) {
    struct sockaddr_in to = local(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || fd >= kMostFiles) fail("socket");
    if (connect(fd, (void*)&to, sizeof to) != 0 && errno != EINPROGRESS) fail("connect");
    ends[fd] = (struct End){.rounds = rounds, .number = number};
    watch(fd, EPOLL_CTL_ADD, EPOLLOUT);
    return fd;
}

// Goes on with a connection that is ready. 0: its messages are done. `closes`: every second one's last message has the server close it.
static int go_on(int fd, int closes) {
    struct End* end = &ends[fd];
    uint8_t wanted[kMessage];
    fill(wanted, end, what_of(end, closes));
    if (end->sent < kMessage) {
        const ssize_t sent = write(fd, wanted + end->sent, (size_t)(kMessage - end->sent));
        if (sent < 0 && errno == EAGAIN) return 1;
        if (sent < 0) fail("write");
        if ((end->sent += (int)sent) == kMessage) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
        return 1;
    }
    // Once all of it is there: the end, of one that the server closes.
    uint8_t more;
    const int whole = end->have == kMessage;
    const ssize_t got = whole ? read(fd, &more, 1) : read(fd, end->bytes + end->have, (size_t)(kMessage - end->have));
    if (got < 0 && errno == EAGAIN) return 1;
    if (got < 0) fail("read");
    if (whole && got == 0) return 0;
    if (whole) printf("bytes behind the end of %u\n", end->number), exit(1);
    if (got == 0) printf("connection %u ends after %d bytes\n", end->number, end->have), exit(1);
    if ((end->have += (int)got) < kMessage) return 1;
    if (memcmp(end->bytes, wanted, kMessage) != 0) printf("other bytes on connection %u\n", end->number), exit(1);
    if (wanted[0] == kClose) return 1;
    end->have = end->sent = 0;
    if (--end->rounds == 0) return 0;
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
    return 1;
}

static void wait_for_line(void) {
    char line[64];
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

static void hold(const char* port, uint32_t count) {
    int fds[kMostFiles];
    uint32_t opened = 0, busy = 0;
    for (int turn = 0; turn < 2; turn++) {
        uint32_t done = 0;
        // Few at a time are new; what is open has its messages under way.
        for (uint32_t i = 0; turn == 1 && i < count; i++) {
            ends[fds[i]].rounds = kRounds;
            watch(fds[i], EPOLL_CTL_MOD, EPOLLOUT);
            busy++;
        }
        while (done < count) {
            while (opened < count && busy < kAtOnce) fds[opened] = open_one(port, opened, kRounds), opened++, busy++;
            struct epoll_event ready[64];
            const int found = epoll_wait(events, ready, 64, kPatience);
            if (found <= 0) printf("nothing comes; %u of %u\n", done, count), exit(1);
            for (int i = 0; i < found; i++) {
                const int fd = ready[i].data.fd;
                if (go_on(fd, 0)) continue;
                watch(fd, EPOLL_CTL_MOD, 0);
                done++, busy--;
            }
        }
        printf(turn == 0 ? "held\n" : "carried\n");
        wait_for_line();
    }
    for (uint32_t i = 0; i < count; i++) close(fds[i]);
    printf("closed\n");
}

static void churn(const char* port, uint32_t count) {
    uint32_t opened = 0, done = 0;
    while (done < count) {
        while (opened < count && opened - done < kAtOnce) open_one(port, opened++, 1);
        struct epoll_event ready[64];
        const int found = epoll_wait(events, ready, 64, kPatience);
        if (found <= 0) printf("nothing comes; %u of %u\n", done, count), exit(1);
        for (int i = 0; i < found; i++) {
            if (go_on(ready[i].data.fd, 1)) continue;
            close(ready[i].data.fd);
            done++;
        }
    }
    printf("churned\n");
}

static void steady(const char* port) {
    const int fd = open_one(port, 1, 1);
    struct pollfd input = {0, POLLIN, 0};
    for (uint32_t messages = 0;;) {
        ends[fd].rounds = 2;
        struct epoll_event ready;
        if (epoll_wait(events, &ready, 1, kPatience) <= 0) printf("nothing comes after %u\n", messages), exit(1);
        go_on(fd, 0);
        if (ends[fd].rounds != 1) continue;
        if (++messages == 1) printf("steady\n");
        if (poll(&input, 1, 0) == 0) continue;
        printf("carried %u\n", messages);
        return;
    }
}

static uint16_t folded(const uint8_t* bytes, int size, uint32_t sum) {
    for (int i = 0; i < size; i += 2) sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t* at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

static void flood(const char* port, const char* address, const char* guest_port, uint32_t count) {
    static const uint8_t guest[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};  // QEMU's, of its first interface
    struct sockaddr_in to = local(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (void*)&to, sizeof to) != 0) fail("connect");
    struct in_addr target;
    inet_aton(address, &target);
    // The addresses 100 to 227 of its network tell where they are, so that what the guest answers finds its way, to nobody.
    for (uint32_t i = 0; i < 128; i++) {
        uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, (uint8_t)i, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
        memcpy(frame + 22, frame + 6, 6);
        memcpy(frame + 28, &target, 4);
        frame[31] = (uint8_t)(100 + i);
        memcpy(frame + 38, &target, 4);
        send(fd, frame, sizeof frame, 0);
        usleep(2000);
    }
    uint32_t random = 1;
    for (uint32_t i = 0; i < count; i++) {
        random = random * 1664525 + 1013904223;
        const uint8_t from = random >> 24 & 127;
        uint8_t frame[60] = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, from, 8, 0, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6};
        memcpy(frame, guest, 6);
        memcpy(frame + 26, &target, 4);
        frame[29] = (uint8_t)(100 + from);
        memcpy(frame + 30, &target, 4);
        put16(frame + 24, folded(frame + 14, 20, 0));
        uint8_t* tcp = frame + 34;
        put16(tcp, random & 0xffff), put16(tcp + 2, (uint32_t)atoi(guest_port));
        memcpy(tcp + 4, &random, 4);
        tcp[12] = 0x60, tcp[13] = 2, tcp[14] = 0xff, tcp[20] = 2, tcp[21] = 4, tcp[22] = 5, tcp[23] = 0xb4;
        put16(tcp + 16, folded(frame + 26, 32, 6 + 24));
        send(fd, frame, 58, 0);
        if (i % 16 == 15) usleep(1000);
    }
    printf("flooded\n");
}

int main(int count, char** arguments) {
    setvbuf(stdout, 0, _IOLBF, 0);
    const struct rlimit files = {kMostFiles, kMostFiles};
    setrlimit(RLIMIT_NOFILE, &files);
    events = epoll_create1(0);
    const char* what = count > 2 ? arguments[1] : "";
    const char* port = count > 2 ? arguments[2] : "";
    if (strcmp(what, "serve") == 0) serve(port);
    else if (strcmp(what, "hold") == 0 && count == 4) hold(port, (uint32_t)atoi(arguments[3]));
    else if (strcmp(what, "churn") == 0 && count == 4) churn(port, (uint32_t)atoi(arguments[3]));
    else if (strcmp(what, "steady") == 0) steady(port);
    else if (strcmp(what, "flood") == 0 && count == 6) flood(port, arguments[3], arguments[4], (uint32_t)atoi(arguments[5]));
    else return printf("see above\n"), 2;
    return 0;
}
