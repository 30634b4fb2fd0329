// SPDX-License-Identifier: MIT
// What LD_PRELOAD puts in front: a function of libdyn_first, and getpid of the C library.
#include <unistd.h>

int first_who(void) { return 3; }
pid_t getpid(void) { return 12345; }
