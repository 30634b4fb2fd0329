// SPDX-License-Identifier: MIT
// What every call on sockets says to bad arguments: descriptors, flags, addresses, lengths, memory, states.
#include "sockets.h"

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

static char block[70000];

static void making(void) {
    int s[2] = {-7, -7};
    say("unknown type flag %s", result(socket(AF_UNIX, SOCK_STREAM | 0x10, 0)));
    say("type 0 %s", result(socket(AF_UNIX, 0, 0)));
    say("type 4 %s", result(socket(AF_UNIX, SOCK_RDM, 0)));
    say("type 6 %s", result(socket(AF_UNIX, 6, 0)));
    say("type 11 %s", result(socket(AF_UNIX, 11, 0)));
    say("type 15 %s", result(socket(AF_UNIX, 15, 0)));
    say("negative type %s", result(socket(AF_UNIX, -1, 0)));
    say("protocol 1 %s", result(socket(AF_UNIX, SOCK_STREAM, 1)));
    say("protocol 6 %s", result(socket(AF_UNIX, SOCK_STREAM, 6)));
    say("negative protocol %s", result(socket(AF_UNIX, SOCK_STREAM, -1)));
    say("family 0 %s", result(socket(AF_UNSPEC, SOCK_STREAM, 0)));
    say("family 46 %s", result(socket(46, SOCK_STREAM, 0)));
    say("family -1 %s", result(socket(-1, SOCK_STREAM, 0)));
    say("family AF_ROSE %s", result(socket(AF_ROSE, SOCK_STREAM, 0)));
    say("pair, flag %s", result(socketpair(AF_UNIX, SOCK_STREAM | 0x10, 0, s)));
    say("pair, type %s", result(socketpair(AF_UNIX, 7, 0, s)));
    say("pair, protocol %s", result(socketpair(AF_UNIX, SOCK_STREAM, 2, s)));
    say("pair, family %s", result(socketpair(46, SOCK_STREAM, 0, s)));
    say("pair, nowhere %s", result(socketpair(AF_UNIX, SOCK_STREAM, 0, (int*)8)));
    int before = open_count();
    say("pair %s", result(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s)));
    say("flags %d %d", fcntl(s[0], F_GETFD), fcntl(s[1], F_GETFD));
    say("%#o %#o", (unsigned)fcntl(s[0], F_GETFL), (unsigned)fcntl(s[1], F_GETFL));
    close(s[0]), close(s[1]);
    struct rlimit old, few;
    getrlimit(RLIMIT_NOFILE, &old);
    few = old;
    int top = dup(0);
    close(top);
    few.rlim_cur = (rlim_t)top + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    say("room for one: pair %s", result(socketpair(AF_UNIX, SOCK_STREAM, 0, s)));
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    say("one %s", result(one));
    say("another %s", result(socket(AF_UNIX, SOCK_STREAM, 0)));
    say("accept %s", result(accept(one, 0, 0)));
    setrlimit(RLIMIT_NOFILE, &old);
    close(one);
    say("open %d", open_count() - before);
}

/// All calls on one descriptor.
static void all_calls(const char* what, int fd) {
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, "@nobody"), room = sizeof a;
    int value = 1;
    struct iovec v = {block, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    say("%s", what);
    say(" bind %s", result(bind(fd, (struct sockaddr*)&a, length)));
    say(" listen %s", result(listen(fd, 1)));
    say(" accept %s", result(accept(fd, 0, 0)));
    say(" accept4 %s", result(accept4(fd, 0, 0, 0)));
    say(" accept4 with flags %s", result(accept4(fd, 0, 0, 7)));
    say(" connect %s", result(connect(fd, (struct sockaddr*)&a, length)));
    say(" connect from nowhere %s", result(connect(fd, (struct sockaddr*)8, length)));
    say(" getsockname %s", result(getsockname(fd, (struct sockaddr*)&a, &room)));
    say(" getpeername %s", result(getpeername(fd, (struct sockaddr*)&a, &room)));
    say(" send %s", result(send(fd, block, 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
    say(" recv %s", result(recv(fd, block, 1, MSG_DONTWAIT)));
    say(" sendmsg %s", result(sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)));
    say(" recvmsg %s", result(recvmsg(fd, &m, MSG_DONTWAIT)));
    say(" sendmmsg %s", result(sendmmsg(fd, &mm, 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
    say(" recvmmsg %s", result(recvmmsg(fd, &mm, 1, MSG_DONTWAIT, 0)));
    say(" shutdown %s", result(shutdown(fd, SHUT_RD)));
    say(" shutdown 7 %s", result(shutdown(fd, 7)));
    say(" setsockopt %s", result(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value)));
    room = sizeof value;
    say(" getsockopt %s", result(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &room)));
    say(" ftruncate %s", result(ftruncate(fd, 0)));
    say(" fsync %s", result(fsync(fd)));
    say(" fchdir %s", result(fchdir(fd)));
    say(" mmap %s", mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? strerrorname_np(errno) : "ok");
    say(" fallocate %s", result(fallocate(fd, 0, 0, 1)));
    say(" flock %s", result(flock(fd, LOCK_SH)));
    say(" TCGETS %s", result(ioctl(fd, 0x5401, block)));
    say(" FIONBIO %s", result(ioctl(fd, FIONBIO, &(int){0})));
}

static void arguments(void) {
    int s[2], n;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    struct sockaddr_un a;
    socklen_t length = unix_address(&a, "@nobody");
    say("sendto: bad address %s", result(sendto(s[0], block, 1, 0, (struct sockaddr*)8, length)));
    say("too long %s", result(sendto(s[0], block, 1, 0, (struct sockaddr*)&a, 129)));
    say("negative %s", result(sendto(s[0], block, 1, 0, (struct sockaddr*)&a, (socklen_t)-1)));
    say("connected %s", result(sendto(s[0], block, 1, 0, (struct sockaddr*)&a, length)));
    say("length 0 %s", result(sendto(s[0], block, 1, 0, (struct sockaddr*)&a, 0)));
    say("beyond what is there %s", result(send(s[0], block, sizeof block, MSG_DONTWAIT) > 0 ? 0 : -1));
    while (recv(s[1], block, sizeof block, MSG_DONTWAIT) > 0) {}
    say("negative length %s", result(send(s[0], block, (size_t)-1, MSG_DONTWAIT)));
    while (recv(s[1], block, sizeof block, MSG_DONTWAIT) > 0) {}
    say("from the kernel %s", result(send(s[0], (void*)0xffff800000000000, 1, 0)));
    write(s[0], "ab", 2);
    struct sockaddr_un from;
    length = (socklen_t)-5;
    say("recvfrom, negative room %s", result(recvfrom(s[1], block, 1, 0, (struct sockaddr*)&from, &length)));
    write(s[0], "ab", 2);
    length = 20;
    say("recvfrom, address nowhere %s", result(recvfrom(s[1], block, 1, 0, (struct sockaddr*)8, &length)));
    say("recvfrom, length nowhere %s", result(recvfrom(s[1], block, 1, 0, (struct sockaddr*)&from, (socklen_t*)8)));
    length = 20;
    say("recvfrom %s", result(recvfrom(s[1], block, 1, 0, (struct sockaddr*)&from, &length)));
    say("length %d", (int)length);
    while (recv(s[1], block, 100, MSG_DONTWAIT) > 0) {}
    // struct msghdr
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    say("sendmsg: nowhere %s", result(sendmsg(s[0], (struct msghdr*)8, 0)));
    m.msg_iovlen = 1025;
    say("1025 pieces %s", result(sendmsg(s[0], &m, 0)));
    m.msg_iovlen = 1, m.msg_iov = (struct iovec*)8;
    say("pieces nowhere %s", result(sendmsg(s[0], &m, 0)));
    v.iov_len = (size_t)-1, m.msg_iov = &v;
    say("negative piece %s", result(sendmsg(s[0], &m, 0)));
    v.iov_len = 1, m.msg_iovlen = 0;
    say("no pieces %ld", (long)sendmsg(s[0], &m, 0));
    m.msg_iovlen = 1, m.msg_name = &a, m.msg_namelen = (socklen_t)-1;
    say("negative name %s", result(sendmsg(s[0], &m, 0)));
    m.msg_name = 0;
    say("no name, negative length %s", result(sendmsg(s[0], &m, 0)));
    m.msg_namelen = 0, m.msg_control = block, m.msg_controllen = (size_t)1 << 32;
    say("huge control %s", result(sendmsg(s[0], &m, 0)));
    m.msg_controllen = 200000;
    say("big control %s", result(sendmsg(s[0], &m, 0)));
    say("bad flag %s", result(syscall(46, s[0], &m, 0x80000000)));
    say("recvmsg: nowhere %s", result(recvmsg(s[1], (struct msghdr*)8, 0)));
    m.msg_control = 0, m.msg_controllen = 0, m.msg_iovlen = 1025;
    say("1025 pieces %s", result(recvmsg(s[1], &m, 0)));
    m.msg_iovlen = 1, m.msg_name = &a, m.msg_namelen = (socklen_t)-1;
    say("negative name %s", result(recvmsg(s[1], &m, 0)));
    // Options
    int value = 1;
    say("setsockopt: negative length %s", result(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1)));
    say("short %s", result(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &value, 3)));
    say("nowhere %s", result(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, (void*)8, 4)));
    say("unknown %s", result(setsockopt(s[0], SOL_SOCKET, 7777, &value, 4)));
    say("unknown level %s", result(setsockopt(s[0], 7777, 1, &value, 4)));
    say("IPPROTO_TCP %s", result(setsockopt(s[0], 6, 1, &value, 4)));
    socklen_t size = (socklen_t)-1;
    say("getsockopt: negative length %s", result(getsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &value, &size)));
    size = 4;
    say("nowhere %s", result(getsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, (void*)8, &size)));
    say("length nowhere %s", result(getsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t*)8)));
    say("unknown %s", result(getsockopt(s[0], SOL_SOCKET, 7777, &value, &size)));
    say("unknown level %s", result(getsockopt(s[0], 7777, 1, &value, &size)));
    value = 0x11223344, size = 2;
    say("short %s", result(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &size)));
    say("value %x, size %d", value, (int)size);
    size = 0;
    say("none %s", result(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &size)));
    size = 100;
    getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &size);
    say("value %d, size %d", value, (int)size);
    // ioctl
    say("SIOCATMARK %s", result(ioctl(s[0], SIOCATMARK, &n)));
    say("mark %d", n);
    say("FIOASYNC %s", result(ioctl(s[0], FIOASYNC, &(int){1})));
    say("flags %#o", (unsigned)fcntl(s[0], F_GETFL));
    ioctl(s[0], FIOASYNC, &(int){0});
    ioctl(s[0], FIONBIO, &(int){1});
    say("flags %#o", (unsigned)fcntl(s[0], F_GETFL));
    say("not blocking %s", result(read(s[0], block, 1)));
    say("unknown %s", result(ioctl(s[0], 0x12345678, &n)));
    say("FIONREAD nowhere %s", result(ioctl(s[0], FIONREAD, (int*)8)));
    say("owner %s", result(fcntl(s[0], F_SETOWN, getpid())));
    say("set %d", fcntl(s[0], F_GETOWN) == getpid());
    close(s[0]), close(s[1]);
}

static void moving(void) {
    int s[2], p[2], f = open("data", O_CREAT | O_RDWR, 0600);
    off_t at = 0;
    for (unsigned i = 0; i < sizeof block; i++) block[i] = (char)(i * 13);
    write(f, block, sizeof block);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe(p);
    say("sendfile to a socket %ld", (long)sendfile(s[0], f, &at, 50000));
    say("offset %ld", (long)at);
    long n = recv(s[1], block, sizeof block, MSG_WAITALL | MSG_DONTWAIT);
    int wrong = 0;
    for (long i = 0; i < n; i++) wrong += block[i] != (char)(i * 13);
    say("received %ld, wrong %d", n, wrong);
    write(s[0], "spliced", 7);
    say("splice from a socket %ld", (long)splice(s[1], 0, p[1], 0, 1000, 0));
    say("and to one %ld", (long)splice(p[0], 0, s[1], 0, 1000, 0));
    say("back '%.*s'", (int)read(s[0], block, 100), block);
    say("nothing there %s", result(splice(s[1], 0, p[1], 0, 1000, SPLICE_F_NONBLOCK)));
    say("offset %s", result(splice(s[1], &at, p[1], 0, 1000, 0)));
    say("two sockets %s", result(splice(s[1], 0, s[0], 0, 1000, 0)));
    say("tee %s", result(tee(s[1], p[1], 100, 0)));
    say("sendfile from a socket to a socket %s", result(sendfile(s[0], s[1], 0, 10)));
    write(s[0], "end", 3);
    shutdown(s[0], SHUT_WR);
    say("splice %ld", (long)splice(s[1], 0, p[1], 0, 1000, 0));
    say("end %ld", (long)splice(s[1], 0, p[1], 0, 1000, 0));
    close(s[1]);
    signals_seen = 0;
    say("splice to a closed one %s", result(splice(p[0], 0, s[0], 0, 1000, 0)));
    say("signals %d", signals_seen);
    say("what is in the pipe %ld", (long)read(p[0], block, 100));
    say("copy_file_range %s", result(copy_file_range(f, 0, s[0], 0, 10, 0)));
    close(s[0]), close(p[0]), close(p[1]), close(f);
    unlink("data");
}

int main(void) {
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGPIPE, &action, 0);
    making();
    int p[2], f = open("file", O_CREAT | O_RDWR, 0600), s;
    pipe(p);
    all_calls("not open", 99);
    all_calls("negative", -1);
    all_calls("pipe", p[0]);
    all_calls("file", f);
    close(f), unlink("file"), close(p[0]), close(p[1]);
    int d = open(".", O_RDONLY);
    all_calls("directory", d);
    close(d);
    all_calls("stream", s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    close(s);
    all_calls("datagram", s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    close(s);
    all_calls("seqpacket", s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0));
    close(s);
    arguments();
    moving();
    return 0;
}
