// SPDX-License-Identifier: MIT
// The functions of C's library that libext2fs calls and components do not have (lib/base and lib/os have the others), and
// what becomes of a broken invariant.
#include <cstddef>
#include <cstring>
#include <ctime>

#include "lib/os/panic.hpp"

namespace pith {

[[noreturn]] void assertion_failed(const char* text);  // lib/base/assert.hpp
void assertion_failed(const char* text) { panic(text); }

}  // namespace pith

extern "C" {

char* strcpy(char* __restrict to, const char* __restrict from) {
    std::memcpy(to, from, std::strlen(from) + 1);
    return to;
}

char* strcat(char* __restrict to, const char* __restrict from) {
    strcpy(to + std::strlen(to), from);
    return to;
}

/// There is no environment.
char* getenv(const char*) { return nullptr; }

/// Called for what an environment variable holds.
unsigned long strtoul(const char* __restrict, char** __restrict, int) { return 0; }

/// Times are lib/ext4's to set.
time_t time(time_t* where) {
    if (where != nullptr) *where = 0;
    return 0;
}

}  // extern "C"
