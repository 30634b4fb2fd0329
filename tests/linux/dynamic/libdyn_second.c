// SPDX-License-Identifier: MIT
// A library that is loaded with dlopen; its thread-local storage comes late.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(const char* text) {
    if (write(1, text, strlen(text)) < 0) _exit(99);
}

__attribute__((constructor)) static void begin(void) { tell("second: constructor\n"); }
__attribute__((destructor)) static void end(void) { tell("second: destructor\n"); }

static __thread long second_numbers[1000];
static __thread int second_started = 40;
int second_next(void) {
    second_numbers[999] += 1;
    return ++second_started + (int)second_numbers[999];
}
int second_calls(int (*callback)(int)) { return callback(20) + 1; }
