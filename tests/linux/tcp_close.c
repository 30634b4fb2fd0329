// SPDX-License-Identifier: MIT
// The ways a TCP connection ends, and what each side sees: poll, read, write, SO_ERROR, the state.
#include "inet.h"

static char block[256];
static volatile int broken;
static void count(int number) { (void)number, broken++; }

/// FIN_WAIT1 or FIN_WAIT2 depends on when the peer acknowledges.
static const char* state(int fd) {
    static const char* names[] = {"?",    "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT", "FIN_WAIT", "TIME_WAIT",
                                  "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING"};
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return result(-1);
    return info.tcpi_state < 12 ? names[info.tcpi_state] : "!";
}

static void show(const char* what, int fd) { say("  %s: %s, %s", what, state(fd), events(fd)); }

static void show_all(const char* what, int fd) {
    show(what, fd);
    say("  %s: recv %s", what, got(recv(fd, block, sizeof block, MSG_DONTWAIT)));
    broken = 0;
    const char* sent = got(send(fd, "x", 1, MSG_DONTWAIT));
    say("  %s: send %s, SIGPIPE %d", what, sent, broken);
    broken = 0;
    sent = got(send(fd, "x", 1, MSG_DONTWAIT));
    say("  %s: send %s, SIGPIPE %d", what, sent, broken);
    say("  %s: error %s", what, so_error_name(fd));
    for (int i = 0; i < 2; i++) say("  %s: recv %s", what, got(recv(fd, block, sizeof block, MSG_DONTWAIT)));
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    say("  %s: peer %s", what, result(getpeername(fd, (void*)&name, &length)));
    say("  %s: shutdown %s", what, result(shutdown(fd, SHUT_RDWR)));
    show(what, fd);
}

static void set_linger(int fd, int seconds) {
    struct linger linger = {1, seconds};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int main(void) {
    int p[2];
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGPIPE, &action, 0);

    say("the peer closes");
    make_pair(p);
    close(p[1]);
    wait_for(p[0], POLLIN);
    show_all("other", p[0]);
    close(p[0]);

    say("the peer closes with unread data");
    make_pair(p);
    send(p[0], "unread", 6, 0);
    wait_for(p[1], POLLIN);
    close(p[1]);
    wait_for(p[0], POLLIN);
    show_all("other", p[0]);
    close(p[0]);

    say("the peer closes with unread data, and had sent some");
    make_pair(p);
    send(p[0], "unread", 6, 0);
    send(p[1], "before", 6, 0);
    wait_for(p[0], POLLIN);
    wait_for(p[1], POLLIN);
    close(p[1]);
    wait_for(p[0], POLLHUP);
    show_all("other", p[0]);
    close(p[0]);

    say("linger 0");
    make_pair(p);
    set_linger(p[1], 0);
    close(p[1]);
    wait_for(p[0], POLLIN);
    say("  write first: %s", got(send(p[0], "x", 1, MSG_NOSIGNAL)));
    say("  error %s", so_error_name(p[0]));
    show_all("other", p[0]);
    close(p[0]);

    say("linger 1");
    make_pair(p);
    set_linger(p[1], 1);
    send(p[1], "last", 4, 0);
    close(p[1]);
    for (int i = 0; i < 2; i++) say("  recv %s", got(recv(p[0], block, 10, 0)));
    close(p[0]);

    say("half closed by one");
    make_pair(p);
    for (int i = 0; i < 2; i++) say("  shutdown %s", result(shutdown(p[0], SHUT_WR)));
    wait_for(p[1], POLLRDHUP);
    show("closer", p[0]);
    show("other", p[1]);
    broken = 0;
    const char* sent = got(send(p[0], "x", 1, 0));
    say("  closer: send %s, SIGPIPE %d", sent, broken);
    say("  other: recv %s", got(recv(p[1], block, 10, 0)));
    say("  other: send %s", got(send(p[1], "answer", 6, 0)));
    wait_for(p[0], POLLIN);
    say("  closer: %s", events(p[0]));
    say("  closer: recv %s", got(recv(p[0], block, 10, 0)));
    say("  other: shutdown %s", result(shutdown(p[1], SHUT_WR)));
    wait_for(p[0], POLLRDHUP);
    show_all("closer", p[0]);
    show_all("other", p[1]);
    close(p[0]), close(p[1]);

    say("reading is shut down");
    make_pair(p);
    say("  shutdown %s", result(shutdown(p[0], SHUT_RD)));
    show("closer", p[0]);
    show("other", p[1]);
    say("  closer: recv %s", got(recv(p[0], block, 10, 0)));
    say("  other: send %s", got(send(p[1], "late", 4, 0)));
    say("  closer: recv %s", got(recv(p[0], block, 10, 0)));
    say("  closer: send %s", got(send(p[0], "still", 5, 0)));
    say("  other: recv %s", got(recv(p[1], block, 10, 0)));
    close(p[0]), close(p[1]);

    say("both are shut down by one, and the other sends");
    make_pair(p);
    shutdown(p[0], SHUT_RDWR);
    wait_for(p[1], POLLRDHUP);
    show("closer", p[0]);
    show("other", p[1]);
    say("  other: send %s", got(send(p[1], "x", 1, MSG_NOSIGNAL)));
    wait_for(p[1], POLLERR);
    show("closer", p[0]);
    say("  closer: recv %s", got(recv(p[0], block, 10, MSG_DONTWAIT)));
    say("  closer: error %s", so_error_name(p[0]));
    show_all("other", p[1]);
    close(p[0]), close(p[1]);

    say("both close at once");
    make_pair(p);
    send(p[0], "a", 1, 0), send(p[1], "b", 1, 0);
    shutdown(p[0], SHUT_WR), shutdown(p[1], SHUT_WR);
    wait_for(p[0], POLLHUP);
    wait_for(p[1], POLLHUP);
    say("  one: %s", events(p[0]));
    for (int i = 0; i < 2; i++) say("  one: recv %s", got(recv(p[0], block, 10, 0)));
    say("  two: %s", events(p[1]));
    for (int i = 0; i < 2; i++) say("  two: recv %s", got(recv(p[1], block, 10, 0)));
    close(p[0]), close(p[1]);

    say("a process ends");
    make_pair(p);
    pid_t child = fork();
    if (child == 0) {
        close(p[0]);
        send(p[1], "bye", 3, 0);
        _exit(0);
    }
    close(p[1]);
    for (int i = 0; i < 2; i++) say("  recv %s", got(recv(p[0], block, 10, 0)));
    say_status("  child", child);
    close(p[0]);

    say("a reader waits");
    make_pair(p);
    child = fork();
    if (child == 0) {
        close(p[0]);
        sleep_ms(30);
        set_linger(p[1], 0);
        close(p[1]);
        _exit(0);
    }
    close(p[1]);
    say("  recv %s", got(recv(p[0], block, 10, 0)));
    say_status("  child", child);
    close(p[0]);

    say("disconnecting");
    make_pair(p);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    say("  connect(AF_UNSPEC) %s", result(connect(p[0], &none, sizeof none)));
    wait_for(p[1], POLLHUP);
    show("one", p[0]);
    show_all("other", p[1]);
    close(p[0]), close(p[1]);

    say("a listener is shut down");
    struct sockaddr_in at;
    int listener = make_listener(2, &at), client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (void*)&at, sizeof at);
    say("  write %s", result(shutdown(listener, SHUT_WR)));
    say("  read %s", result(shutdown(listener, SHUT_RD)));
    show("listener", listener);
    say("  accept %s", result(accept(listener, 0, 0)));
    wait_for(client, POLLHUP);
    show("client", client);
    say("  client: recv %s", got(recv(client, block, 10, 0)));
    say("  listen again %s", result(listen(listener, 2)));
    close(client), close(listener);

    say("a port in TIME_WAIT");
    listener = make_listener(2, &at);
    client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (void*)&at, sizeof at);
    int server = accept(listener, 0, 0);
    close(listener);
    close(server);
    recv(client, block, 1, 0);
    close(client);
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    say("  bind %s", result(bind(fresh, (void*)&at, sizeof at)));
    setsockopt(fresh, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    say("  with SO_REUSEADDR %s", result(bind(fresh, (void*)&at, sizeof at)));
    close(fresh);
    return 0;
}
