// SPDX-License-Identifier: MIT
// A library of the dynamic tests: constructors, thread-local storage, an IFUNC, and a function that others interpose.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void tell(const char* text) {
    if (write(1, text, strlen(text)) < 0) _exit(99);
}

__attribute__((constructor(101))) static void early(void) { tell("first: early constructor\n"); }
__attribute__((constructor)) static void begin(void) { tell("first: constructor\n"); }
__attribute__((destructor)) static void end(void) { tell("first: destructor\n"); }

__thread int first_counter = 7;
static __thread char first_block[5000] = "block";
int* first_counter_address(void) { return &first_counter; }
const char* first_block_text(void) { return first_block; }
int first_next(void) { return ++first_counter; }

static int add_plainly(int a, int b) { return a + b; }
static int (*choose(void))(int, int) { return add_plainly; }
int first_add(int a, int b) __attribute__((ifunc("choose")));

int first_who(void) { return 1; }
int first_asks(void) { return first_who(); }
const char* const first_table[] = {"relocated", "pointers"};
int first_data = 1234;
