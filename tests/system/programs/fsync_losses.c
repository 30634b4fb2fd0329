// SPDX-License-Identifier: MIT
// fsync_losses DIRECTORY GO: makes two files in DIRECTORY and keeps them open. When the file GO is there, the disk has failed: fsync of each has
// to say that it was lost. Prints "made", then what each fsync says.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 3 || chdir(argv[1]) != 0) return 2;
    const int first = open("first", O_WRONLY | O_CREAT, 0644), second = open("second", O_WRONLY | O_CREAT, 0644);
    if (first < 0 || second < 0) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("made");
    while (access(argv[2], F_OK) != 0) usleep(10000);
    const int files[] = {first, second};
    for (int i = 0; i < 2; i++) puts(fsync(files[i]) == 0 ? "kept" : strerror(errno));
    return 0;
}
