// SPDX-License-Identifier: MIT
// Takes memory and writes to it until there is no more: refused by mmap (status 0), or killed.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(void) {
    for (;;) {
        void *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED) break;
        memset(piece, 1, 1 << 20);
    }
    return 0;
}
