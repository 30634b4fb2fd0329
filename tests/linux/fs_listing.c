// SPDX-License-Identifier: MIT
// Directory listings: complete and without doubles, also when entries go meanwhile; positions; small buffers; types.
#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    mkdir("d", 0755), mkdir("d/dir", 0755), symlink("x", "d/link"), mkfifo("d/fifo", 0600);
    for (int i = 0; i < 1000; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/file_%d_%s", i, i % 3 ? "short" : "with_a_rather_long_name");
        close(open(name, O_CREAT | O_RDWR, 0600));
    }
    DIR* dir = opendir("d");
    struct dirent* e;
    int count = 0, dots = 0, types[16] = {0}, wrong = 0;
    unsigned sum = 0;
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) { dots++; continue; }
        count++, types[e->d_type & 15]++;
        unsigned h = 5381;
        for (const char* p = e->d_name; *p; p++) h = h * 33 + (unsigned char)*p;
        sum += h;
        char path[300];
        struct stat s;
        snprintf(path, sizeof path, "d/%s", e->d_name);
        if (lstat(path, &s) == -1 || s.st_ino != e->d_ino || (s.st_mode >> 12) != e->d_type) wrong++;
    }
    say("%d entries, %d dots, sum %u, wrong %d", count, dots, sum, wrong);
    say("types: dir %d link %d fifo %d file %d", types[DT_DIR], types[DT_LNK], types[DT_FIFO], types[DT_REG]);
    rewinddir(dir);
    count = 0;
    while (readdir(dir) != NULL) count++;
    say("again %d", count);
    rewinddir(dir);
    for (int i = 0; i < 500; i++) readdir(dir);
    long at = telldir(dir);
    char name[300], name2[300];
    strcpy(name, readdir(dir)->d_name);
    for (int i = 0; i < 100; i++) readdir(dir);
    seekdir(dir, at);
    strcpy(name2, readdir(dir)->d_name);
    say("seekdir: %s", strcmp(name, name2) == 0 ? "same" : "different");

    rewinddir(dir);
    int removed = 0;
    while ((e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "file_", 5) != 0) continue;
        char path[300];
        snprintf(path, sizeof path, "d/%s", e->d_name);
        if (unlink(path) == 0) removed++;
    }
    say("removed while reading: %d", removed);
    closedir(dir);
    struct stat s;
    stat("d", &s);
    say("links of d: %ld", (long)s.st_nlink);

    int fd = open("d", O_RDONLY | O_DIRECTORY);
    char buffer[4096];
    say("buffer too small: %s", result(syscall(SYS_getdents64, fd, buffer, 10)));
    say("bad buffer: %s", result(syscall(SYS_getdents64, fd, (void*)8, 4096)));
    lseek(fd, 0, SEEK_SET);
    long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    say("getdents64 gives something %d, then %ld", n > 0, (long)syscall(SYS_getdents64, fd, buffer, sizeof buffer));
    lseek(fd, 0, SEEK_SET);
    n = syscall(SYS_getdents, fd, buffer, sizeof buffer);
    int entries = 0;
    for (long i = 0; i < n; i += *(unsigned short*)(buffer + i + 16)) entries++;
    say("old getdents: %d entries", entries);
    int file = open("d/fifo", O_RDONLY | O_NONBLOCK);
    say("of a fifo: %s", result(syscall(SYS_getdents64, file, buffer, sizeof buffer)));
    unlink("d/link"), unlink("d/fifo"), rmdir("d/dir"), rmdir("d");
    say("of a removed directory: %s", result(lseek(fd, 0, SEEK_SET) == 0 ? syscall(SYS_getdents64, fd, buffer, sizeof buffer) : -1));
    return 0;
}
