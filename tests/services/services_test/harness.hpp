// SPDX-License-Identifier: MIT
// What the tests of root and supervisor share.
#pragma once

#include "lib/base/format.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/log.hpp"
#include "protocol/process.hpp"
#include "tests/services/victim.hpp"

namespace pith::test {

extern Handle<Machine> machine;
extern Client<Process> process;
extern Client<Victim> victim;
extern Client<Log> log_client;
extern u64 next_id;
extern u64 expected_sum;

template <typename... T>
void print(std::string_view pattern, const T&... arguments) {
    char text[240];
    const auto line = format_to(text, pattern, arguments...);
    machine.log(line.data(), line.size());
}

#define CHECK(condition)                                      \
    do {                                                      \
        if (!(condition)) {                                   \
            print("    line {}: {}\n", __LINE__, #condition); \
            return false;                                     \
        }                                                     \
    } while (false)

void sleep(abi::Time time);
Result<Process::Describe::Reply> describe(std::string_view name);
Result<> control(std::string_view name, ControlAction action);
bool state_becomes(std::string_view name, ComponentState state, u32 restarts);
/// The victim serves, and its sum is what it has to be.
bool add_works();
abi::KernelCounts counts();
bool same(const abi::KernelCounts& a, const abi::KernelCounts& b);
/// Has the victim die, and come back.
bool dies(Death how);

// healing.cpp
bool deaths_are_reported();
bool hang_is_found();
bool violations_have_an_end();
bool update_takes_over();
bool bad_updates_are_undone();
bool updates_outlive_the_supervisor();

}  // namespace pith::test
