// SPDX-License-Identifier: MIT
// Reads through a pointer to nowhere; with an argument, executes its stack.
#include <string.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc == 1) return *(volatile int *)0x123456789000;
    unsigned char code[] = {0xc3};
    unsigned char on_stack[16];
    memcpy(on_stack, code, sizeof(code));
    ((void (*)(void))(void *)on_stack)();
    return 0;
}
