// SPDX-License-Identifier: MIT
// TCP between two sockets of 127.0.0.1: connecting and its errors, names, sending and receiving with flags, much data through two processes, backlog,
// interruption and time-outs.
#include "inet.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

static char block[1 << 18];
static void nothing(int number) { (void)number; }

static void names(void) {
    struct sockaddr_in at, name, peer;
    socklen_t length = sizeof name;
    int listener = make_listener(1, &at);
    int a = socket(AF_INET, SOCK_STREAM, 0);
    memset(&name, 0xff, sizeof name);
    say("fresh: events %s, peer %s", events(a), result(getpeername(a, (void*)&peer, &length)));
    say("name %s", result(getsockname(a, (void*)&name, &length)));
    say("name family %d port %d address %x length %d", name.sin_family, ntohs(name.sin_port), ntohl(name.sin_addr.s_addr), (int)length);
    say("fresh: recv %s, shutdown %s, accept %s", got(recv(a, block, 1, 0)), result(shutdown(a, SHUT_RDWR)), result(accept(a, 0, 0)));
    say("fresh: send %s", got(send(a, "x", 1, MSG_NOSIGNAL)));
    say("listener: events %s, recv %s, send %s, connect %s", events(listener), got(recv(listener, block, 1, 0)),
        got(send(listener, "x", 1, MSG_NOSIGNAL)), result(connect(listener, (void*)&at, sizeof at)));
    say("connect %s", result(connect(a, (void*)&at, sizeof at)));
    say("listener: events %s, client: %s", events(listener), events(a));
    length = sizeof peer;
    int b = accept4(listener, (void*)&peer, &length, SOCK_NONBLOCK);
    getsockname(a, (void*)&name, &length);
    say("accepted %s, peer is client %d, length %d, nonblocking %d", result(b), name.sin_port == peer.sin_port, (int)length,
        (fcntl(b, F_GETFL) & O_NONBLOCK) != 0);
    getpeername(a, (void*)&name, &length);
    say("client's peer is the listener %d", name.sin_port == at.sin_port);
    getsockname(b, (void*)&name, &length);
    say("accepted has the listener's port %d", name.sin_port == at.sin_port);
    say("connect again %s", result(connect(a, (void*)&at, sizeof at)));
    say("listen on it %s, bind %s", result(listen(a, 1)), result(bind(a, (void*)&at, sizeof at)));
    close(listener);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 2; i++) say("nobody listens: %s", result(connect(c, (void*)&at, sizeof at)));
    say("events after that %s, error %s", events(c), so_error_name(c));
    struct sockaddr_in bad = at;
    bad.sin_family = AF_UNIX;
    say("other family %s, short %s", result(connect(c, (void*)&bad, sizeof bad)), result(connect(c, (void*)&at, 8)));
    bad = ip4("224.0.0.1", 4000);
    say("group %s", result(connect(c, (void*)&bad, sizeof bad)));
    close(a), close(b), close(c);
}

static void flags(void) {
    int p[2], n = -1;
    make_pair(p);
    say("empty: %s, dont wait %s", events(p[0]), got(recv(p[0], block, 10, MSG_DONTWAIT)));
    send(p[0], "hello world", 11, 0);
    ioctl(p[1], FIONREAD, &n);
    say("there are %d bytes, events %s", n, events(p[1]));
    memset(block, 0, 32);
    const char* count = got(recv(p[1], block, 5, MSG_PEEK));
    say("peek %s '%s'", count, block);
    count = got(read(p[1], block, 6));
    say("read %s '%s'", count, block);
    say("truncate %s", got(recv(p[1], 0, 3, MSG_TRUNC)));
    count = got(recv(p[1], block, 100, 0));
    say("rest %s '%.2s'", count, block);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 4; i++) sleep_ms(20), send(p[0], "part", 4, 0);
        _exit(0);
    }
    const char* whole = got(recv(p[1], block, 16, MSG_WAITALL));
    say("all of 16: %s '%.16s'", whole, block);
    say_status("sender", child);
    child = fork();
    if (child == 0) {
        close(p[1]);
        send(p[0], "half", 4, 0);
        sleep_ms(20);
        shutdown(p[0], SHUT_WR);
        _exit(0);
    }
    close(p[0]);
    say("all of 16 of one that ends: %s", got(recv(p[1], block, 16, MSG_WAITALL)));
    say("then %s", got(recv(p[1], block, 16, MSG_WAITALL)));
    say_status("sender", child);
    close(p[1]);

    make_pair(p);
    struct iovec out[3] = {{"abc", 3}, {"", 0}, {"defg", 4}}, in[2] = {{block, 2}, {block + 100, 10}};
    say("writev %s", got(writev(p[0], out, 3)));
    say("readv %s '%.2s' '%.5s'", got(readv(p[1], in, 2)), block, block + 100);
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 3};
    say("sendmsg %s", got(sendmsg(p[0], &message, 0)));
    struct sockaddr_in from;
    message = (struct msghdr){.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = in, .msg_iovlen = 2, .msg_controllen = 0};
    in[0].iov_len = 2;
    const char* received = got(recvmsg(p[1], &message, 0));
    say("recvmsg %s flags %x name length %d", received, message.msg_flags, (int)message.msg_namelen);
    say("bad address: send %s", got(send(p[0], (void*)16, 4, 0)));
    send(p[0], "x", 1, 0);
    say("bad address: recv %s", got(recv(p[1], (void*)16, 4, 0)));
    say("still there: %s", got(recv(p[1], block, 4, 0)));
    say("sendto with an address %s", got(sendto(p[0], "y", 1, 0, (void*)&from, sizeof from)));
    say("read of 0 %s, write of 0 %s, seek %s, pread %s", got(read(p[1], block, 0)), got(write(p[0], block, 0)), result(lseek(p[0], 0, SEEK_SET)),
        result(pread(p[0], block, 1, 0)));
    close(p[0]), close(p[1]);
}

static void bulk(void) {
    int p[2];
    make_pair(p);
    const long total = 20 << 20;
    pid_t child = fork();
    if (child == 0) {
        close(p[1]);
        unsigned value = 1;
        long sent = 0;
        while (sent < total) {
            long size = (long)(value % 100000) + 1;
            if (size > total - sent) size = total - sent;
            for (long i = 0; i < size; i++) block[i] = (char)((sent + i) * 7 >> 3);
            if (write(p[0], block, (size_t)size) != size) _exit(1);
            sent += size;
            value = value * 1103515245 + 12345;
        }
        _exit(0);
    }
    close(p[0]);
    long received = 0, bad = 0, n;
    unsigned value = 99;
    while ((n = read(p[1], block, value % sizeof block + 1)) > 0) {
        for (long i = 0; i < n; i++) bad += block[i] != (char)((received + i) * 7 >> 3);
        received += n;
        value = value * 1103515245 + 12345;
    }
    say("received %ld, wrong %ld, end %ld", received, bad, n);
    say_status("sender", child);
    close(p[1]);
    // Both ways at once, in one process, as far as it goes.
    make_pair(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    long out = 0;
    while ((n = write(p[0], block, sizeof block)) > 0) out += n;
    say("it gets full: %s, more than 64 KiB %d, events %s", result(n), out > 65536, events(p[0]));
    long in = 0;
    while ((n = read(p[1], block, sizeof block)) > 0) in += n;
    say("all came %d, then %s", in == out || in > 65536, result(n));
    say("writable again %d", wait_for(p[0], POLLOUT));
    close(p[0]), close(p[1]);
}

static void ping_pong(void) {
    int p[2];
    make_pair(p);
    pid_t child = fork();
    char c = 0;
    if (child == 0) {
        close(p[0]);
        while (read(p[1], &c, 1) == 1) {
            c++;
            write(p[1], &c, 1);
        }
        _exit(0);
    }
    close(p[1]);
    int wrong = 0;
    for (int i = 0; i < 1000; i++) {
        c = (char)i;
        write(p[0], &c, 1);
        if (read(p[0], &c, 1) != 1 || c != (char)(i + 1)) wrong++;
    }
    say("ping-pong: %d wrong", wrong);
    close(p[0]);
    say_status("echo", child);
}

static void backlog(void) {
    struct sockaddr_in at;
    int listener = make_listener(1, &at), c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        say("connect %d: %s, writable %d", i, result(connect(c[i], (void*)&at, sizeof at)), i < 2 ? wait_for(c[i], POLLOUT) : 0);
    }
    say("third: %s, %s", events(c[2]), result(connect(c[2], (void*)&at, sizeof at)));
    int first = accept(listener, 0, 0);
    say("accepted %s, third writable %d", result(first), wait_for(c[2], POLLOUT));
    for (int i = 0; i < 2; i++) say("third: %s", result(connect(c[2], (void*)&at, sizeof at)));
    say("closing the listener");
    close(listener);
    say("not accepted: wait %d", wait_for(c[1], POLLIN));
    say("events %s", events(c[1]));
    say("recv %s", got(recv(c[1], block, 1, 0)));
    say("accepted: %s, recv %s", events(c[0]), got(recv(c[0], block, 1, 0)));
    for (int i = 0; i < 3; i++) close(c[i]);
    close(first);
}

static void interruption(void) {
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGALRM, &action, 0);
    int p[2];
    make_pair(p);
    struct itimerval timer = {.it_value = {0, 50000}};
    setitimer(ITIMER_REAL, &timer, 0);
    say("interrupted recv %s", got(recv(p[0], block, 1, 0)));
    struct sockaddr_in at;
    int listener = make_listener(1, &at);
    setitimer(ITIMER_REAL, &timer, 0);
    say("interrupted accept %s", result(accept(listener, 0, 0)));
    setitimer(ITIMER_REAL, &timer, 0);
    long n = 0;
    while ((n = send(p[0], block, sizeof block, 0)) == (long)sizeof block) {}
    say("interrupted send: %d", n > 0 || errno == EINTR);
    struct timeval wait = {0, 30000};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    say("recv with a time-out %s, accept %s", got(recv(p[0], block, 1, 0)), result(accept(listener, 0, 0)));
    close(p[0]), close(p[1]), close(listener);
}

static void epolls(void) {
    int p[2];
    make_pair(p);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET}, out;
    epoll_ctl(set, EPOLL_CTL_ADD, p[0], &event);
    say("nothing %d", epoll_wait(set, &out, 1, 0));
    send(p[1], "1", 1, 0);
    int n = epoll_wait(set, &out, 1, 1000);
    say("something %d %x, again %d", n, out.events, epoll_wait(set, &out, 1, 0));
    send(p[1], "2", 1, 0);
    n = epoll_wait(set, &out, 1, 1000);
    say("more %d %x", n, out.events);
    say("read %s", got(recv(p[0], block, 10, 0)));
    shutdown(p[1], SHUT_WR);
    n = epoll_wait(set, &out, 1, 1000);
    say("half closed %d %x", n, out.events);
    close(p[1]);
    shutdown(p[0], SHUT_WR);
    n = epoll_wait(set, &out, 1, 1000);
    say("closed %d %x", n, out.events);
    close(p[0]), close(set);
}

static void files(void) {
    int p[2];
    make_pair(p);
    int file = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(block, 'f', 5000);
    write(file, block, 5000);
    lseek(file, 0, SEEK_SET);
    say("sendfile %s", got(sendfile(p[0], file, 0, 5000)));
    say("received %s", got(recv(p[1], block, 5000, MSG_WAITALL)));
    int q = dup(p[0]);
    close(p[0]);
    say("a duplicate keeps it open: send %s", got(send(q, "d", 1, 0)));
    say("received %s", got(recv(p[1], block, 10, 0)));
    close(q);
    say("closed: %s", got(recv(p[1], block, 10, 0)));
    close(p[1]), close(file);
    unlink("data");
}

int main(void) {
    names();
    flags();
    bulk();
    ping_pong();
    backlog();
    interruption();
    epolls();
    files();
    return 0;
}
