// SPDX-License-Identifier: MIT
// What the tests report with, and how they restart components.
#pragma once

#include "lib/base/format.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/handle.hpp"

namespace pith::test {

extern int failures;
/// Takes what the component starts with.
void begin();
/// Reports the sum, and ends the machine.
void end();
void run_test(const char* name, bool (*function)());
/// As a death, but it is started again at once, and never held down.
bool restart(std::string_view name);
/// Restarts components in a thread of its own, each `driver`, `devices` milliseconds; 0: never. Deaths so far.
void set_deaths(u32 driver, u32 devices);
u32 deaths();
void log(std::string_view text);

template <typename... T>
void print(std::string_view format, const T&... arguments) {
    char text[240];
    log(format_to(text, format, arguments...));
}

}  // namespace pith::test

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            pith::test::print("    line {}: {}\n", __LINE__, #condition); \
            return false;                                                 \
        }                                                                 \
    } while (false)
