// SPDX-License-Identifier: MIT
// Names of AF_UNIX sockets: paths, abstract names, autobind, lengths, permissions, what is stale, rename and unlink.
#include "sockets.h"

static int new_socket(int type) { return socket(AF_UNIX, type, 0); }

static int bind_raw(int fd, const char* path, size_t path_size, size_t length) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, path_size);
    return bind(fd, (struct sockaddr*)&a, (socklen_t)length);
}

static void lengths(void) {
    char path[200];
    memset(path, 'p', sizeof path);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "x"};
    int s = new_socket(SOCK_STREAM);
    say("not named: %s", name_of(s, 0));
    say("length 1: %s", result(bind(s, (struct sockaddr*)&a, 1)));
    say("length 0: %s", result(bind(s, (struct sockaddr*)&a, 0)));
    say("negative: %s", result(bind(s, (struct sockaddr*)&a, (socklen_t)-1)));
    say("length 111: %s", result(bind(s, (struct sockaddr*)&a, 111)));
    say("length 129: %s", result(bind(s, (struct sockaddr*)&a, 129)));
    say("from nowhere: %s", result(bind(s, (struct sockaddr*)8, 20)));
    a.sun_family = AF_INET;
    say("other family: %s", result(bind(s, (struct sockaddr*)&a, 4)));
    say("108 bytes without an end: %s", result(bind_raw(s, path, 108, 110)));
    say("name %s", name_of(s, 0));
    path[108] = 0;
    say("is there: %s", result(access(path, F_OK)));
    unlink(path);
    s = new_socket(SOCK_STREAM);
    say("no NUL in the length: %s", result(bind_raw(s, "abcdef", 6, 2 + 3)));
    say("name %s", name_of(s, 0));
    say("abc: %s, abcdef: %s", result(access("abc", F_OK)), result(access("abcdef", F_OK)));
    unlink("abc");
    s = new_socket(SOCK_STREAM);
    say("bytes behind the NUL: %s", result(bind_raw(s, "one\0two", 7, 2 + 8)));
    say("name %s", name_of(s, 0));
    unlink("one");
    struct sockaddr_un out;
    memset(&out, 0x55, sizeof out);
    socklen_t length = 4;
    say("cut: %s", result(getsockname(s, (struct sockaddr*)&out, &length)));
    say("length %d, '%.2s' %#x", (int)length, out.sun_path, out.sun_path[2]);
    length = (socklen_t)-1;
    say("negative room: %s", result(getsockname(s, (struct sockaddr*)&out, &length)));
    say("no address: %s", result(getsockname(s, (struct sockaddr*)8, (length = 20, &length))));
    say("no length: %s", result(getsockname(s, (struct sockaddr*)&out, (socklen_t*)8)));
    length = 0;
    say("room for nothing: %s", result(getsockname(s, (struct sockaddr*)&out, &length)));
    say("length %d", (int)length);
    say("peer: %s", name_of(s, 1));
}

static void paths(void) {
    int s = new_socket(SOCK_STREAM);
    umask(027);
    say("bind: %s", result(unix_bind(s, "sock")));
    umask(022);
    struct stat st;
    stat("sock", &st);
    say("mode %o, size %ld, links %d", st.st_mode, (long)st.st_size, (int)st.st_nlink);
    struct stat of_socket;
    fstat(s, &of_socket);
    say("the same inode: %d", of_socket.st_ino == st.st_ino && of_socket.st_dev == st.st_dev);
    say("again another name: %s", result(unix_bind(s, "other")));
    say("made: %s", result(access("other", F_OK)));
    say("again the same: %s", result(unix_bind(s, "sock")));
    int t = new_socket(SOCK_STREAM);
    say("in use: %s", result(unix_bind(t, "sock")));
    say("no directory: %s", result(unix_bind(t, "no/sock")));
    say("below itself: %s", result(unix_bind(t, "sock/x")));
    say("a directory: %s", result(unix_bind(t, ".")));
    say("slash: %s", result(unix_bind(t, "new/")));
    symlink("target", "link");
    say("a link: %s", result(unix_bind(t, "link")));
    unlink("link");
    say("open: %s", result(open("sock", O_RDWR)));
    int path = open("sock", O_PATH);
    say("O_PATH: %s", result(path));
    say("of which nothing can be asked: %s", result(listen(path, 1)));
    close(path);
    say("truncate: %s", result(truncate("sock", 0)));
    say("read link: %s", result(readlink("sock", (char[10]){0}, 10)));
    listen(s, 5);
    say("connect: %s", result(unix_connect(t, "sock")));
    say("peer %s", name_of(t, 1));
    rename("sock", "renamed");
    say("after rename, old: %s", result(unix_connect(new_socket(SOCK_STREAM), "sock")));
    say("new: %s", result(unix_connect(new_socket(SOCK_STREAM), "renamed")));
    say("name %s", name_of(s, 0));
    link("renamed", "second");
    say("by another link: %s", result(unix_connect(new_socket(SOCK_STREAM), "second")));
    unlink("renamed");
    say("one link gone: %s", result(unix_connect(new_socket(SOCK_STREAM), "second")));
    unlink("second");
    say("both gone: %s", result(unix_connect(new_socket(SOCK_STREAM), "second")));
    int u = new_socket(SOCK_STREAM);
    say("bound by another: %s", result(unix_bind(u, "sock")));
    close(u);
    say("stale: %s", result(unix_connect(new_socket(SOCK_STREAM), "sock")));
    say("stale, bind: %s", result(unix_bind(new_socket(SOCK_STREAM), "sock")));
    unlink("sock");
    close(open("file", O_CREAT | O_WRONLY, 0666));
    say("connect a file: %s", result(unix_connect(new_socket(SOCK_STREAM), "file")));
    say("a directory: %s", result(unix_connect(new_socket(SOCK_STREAM), ".")));
    unlink("file");
    mknod("node", S_IFSOCK | 0666, 0);
    say("made by mknod: %s", result(unix_connect(new_socket(SOCK_STREAM), "node")));
    symlink("real", "way");
    s = new_socket(SOCK_STREAM);
    unlink("node");
    unix_bind(s, "real"), listen(s, 1);
    say("through a link: %s", result(unix_connect(new_socket(SOCK_STREAM), "way")));
    unlink("way");
    chmod("real", 0);
    say("datagram to stream: %s", result(unix_connect(new_socket(SOCK_DGRAM), "real")));
    say("seqpacket to stream: %s", result(unix_connect(new_socket(SOCK_SEQPACKET), "real")));
    unlink("real");
}

static void permissions(void) {
    int s = new_socket(SOCK_STREAM);
    mkdir("d", 0777);
    chmod("d", 0777), chmod(".", 0777);
    unix_bind(s, "d/sock"), listen(s, 10);
    chmod("d/sock", 0755);
    pid_t pid = fork();
    if (pid == 0) {
        if (setuid(1000) != 0) _exit(9);
        int bad = 0;
        if (unix_connect(new_socket(SOCK_STREAM), "d/sock") == -1 && errno == EACCES) bad |= 1;
        if (unix_bind(new_socket(SOCK_STREAM), "d/own") == 0) bad |= 2;
        _exit(bad);
    }
    say_status("not writable", pid);
    struct stat st;
    stat("d/own", &st);
    say("owner %d", (int)st.st_uid);
    chmod("d/sock", 0666), chmod("d", 0755);
    pid = fork();
    if (pid == 0) {
        if (setuid(1000) != 0) _exit(9);
        int bad = 0;
        if (unix_connect(new_socket(SOCK_STREAM), "d/sock") == 0) bad |= 1;
        if (unix_bind(new_socket(SOCK_STREAM), "d/x") == -1 && errno == EACCES) bad |= 2;
        _exit(bad);
    }
    say_status("writable, in a directory that is not", pid);
    chmod("d", 0700);
    pid = fork();
    if (pid == 0) {
        if (setuid(1000) != 0) _exit(9);
        _exit(unix_connect(new_socket(SOCK_STREAM), "d/sock") == -1 && errno == EACCES);
    }
    say_status("not to be searched", pid);
    unlink("d/sock"), unlink("d/own");
    rmdir("d");
}

static void abstract(void) {
    int s = new_socket(SOCK_STREAM), t = new_socket(SOCK_STREAM), d = new_socket(SOCK_DGRAM);
    say("bind %s", result(unix_bind(s, "@abstract")));
    say("name %s", name_of(s, 0));
    say("in use: %s", result(unix_bind(t, "@abstract")));
    say("of another type: %s", result(unix_bind(d, "@abstract")));
    say("a longer one: %s", result(unix_bind(t, "@abstract2")));
    listen(s, 1);
    int c = new_socket(SOCK_STREAM);
    say("connect %s", result(unix_connect(c, "@abstract")));
    say("peer %s", name_of(c, 1));
    say("unknown: %s", result(unix_connect(new_socket(SOCK_STREAM), "@nothing")));
    close(s);
    say("closed: %s", result(unix_connect(new_socket(SOCK_STREAM), "@abstract")));
    say("still the peer's name: %s", name_of(c, 1));
    s = new_socket(SOCK_STREAM);
    say("free again: %s", result(unix_bind(s, "@abstract")));
    // Bytes count, NULs too.
    int n = new_socket(SOCK_STREAM), m = new_socket(SOCK_STREAM);
    say("with NULs: %s", result(bind_raw(n, "\0a\0b", 4, 6)));
    say("one more: %s", result(bind_raw(m, "\0a\0b\0", 5, 7)));
    int e = new_socket(SOCK_STREAM);
    say("one NUL: %s", result(bind_raw(e, "\0", 1, 3)));
    say("name %s", name_of(e, 0));
    listen(s, 1);
    int k = new_socket(SOCK_STREAM);
    unix_connect(k, "@abstract");
    int a = accept(s, 0, 0);
    close(s);
    say("accepted keeps its listener's name after close: %s", name_of(a, 0));
    s = new_socket(SOCK_STREAM);
    say("and another can have it: %s", result(unix_bind(s, "@abstract")));
}

static void autobind(void) {
    int s = new_socket(SOCK_STREAM), t = new_socket(SOCK_DGRAM);
    struct sockaddr_un a = {.sun_family = AF_UNIX}, out, out2;
    socklen_t length = sizeof out;
    say("autobind: %s", result(bind(s, (struct sockaddr*)&a, sizeof(sa_family_t))));
    getsockname(s, (struct sockaddr*)&out, &length);
    int hex = 1;
    for (int i = 1; i < 6; i++) hex &= strchr("0123456789abcdef", out.sun_path[i]) != 0;
    say("length %d, first %d, hexadecimal %d", (int)length, out.sun_path[0], hex);
    say("again: %s", result(bind(s, (struct sockaddr*)&a, sizeof(sa_family_t))));
    length = sizeof out2;
    getsockname(s, (struct sockaddr*)&out2, &length);
    say("the same: %d", memcmp(out.sun_path, out2.sun_path, 6) == 0);
    say("then a name: %s", result(unix_bind(s, "@later")));
    listen(s, 1);
    say("connect: %s", result(connect(new_socket(SOCK_STREAM), (struct sockaddr*)&out, 8)));
    // A sender that tells who he is has a name.
    int on = 1;
    setsockopt(t, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    int r = new_socket(SOCK_DGRAM);
    unix_bind(r, "@receiver");
    say("sent: %ld", unix_send_to(t, "x", "@receiver", 0));
    length = sizeof out;
    getsockname(t, (struct sockaddr*)&out, &length);
    say("name's length %d", (int)length);
}

static void in_proc(void) {
    char line[300], target[64], path[64];
    int s = new_socket(SOCK_STREAM);
    unix_bind(s, "shown"), listen(s, 3);
    int d = new_socket(SOCK_DGRAM);
    unix_bind(d, "@abs");
    struct stat st;
    fstat(s, &st);
    snprintf(path, sizeof path, "/proc/self/fd/%d", s);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    snprintf(line, sizeof line, "socket:[%lu]", (unsigned long)st.st_ino);
    say("in /proc/self/fd: %d", strcmp(line, target) == 0);
    say("cannot be opened there: %s", result(open(path, O_RDWR)));
    // In which order they come is not said.
    char shown[100] = "", abstract[100] = "";
    FILE* f = fopen("/proc/net/unix", "r");
    while (f && fgets(line, sizeof line, f)) {
        char name[200] = "";
        unsigned flags, type, state;
        unsigned long inode;
        if (sscanf(line, "%*s %*x %*x %x %x %x %lu %199s", &flags, &type, &state, &inode, name) < 4) {
            say("%s", strtok(line, "\n"));
            continue;
        }
        if (strcmp(name, "shown") == 0)
            snprintf(shown, sizeof shown, "listed: flags %x type %x state %x inode %d", flags, type, state,
                     inode == st.st_ino);
        if (strcmp(name, "@abs") == 0)
            snprintf(abstract, sizeof abstract, "listed: flags %x type %x state %x", flags, type, state);
    }
    say("%s", shown);
    say("%s", abstract);
    if (f) fclose(f);
    unlink("shown");
}

int main(void) {
    lengths();
    paths();
    permissions();
    abstract();
    autobind();
    in_proc();
    return 0;
}
