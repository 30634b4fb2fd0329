// SPDX-License-Identifier: MIT
// What components share that test a system from inside: lines on the debug console, checks, orders to the supervisor, exact counts, and the end of the
// machine with status 0 (all passed) or 1.
#pragma once

#include <cstring>
#include <string_view>

#include "lib/base/format.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/start_info.hpp"
#include "protocol/process.hpp"

namespace pith::test {

inline Handle<Machine> machine;
inline Client<Process> process;
inline int failures = 0;

template <typename... T>
void print(std::string_view format, const T&... arguments) {
    char text[240];
    const auto line = format_to(text, format, arguments...);
    machine.log(line.data(), line.size());
}

/// In a test: what has to hold.
#define CHECK(condition)                                      \
    do {                                                      \
        if (!(condition)) {                                   \
            print("    line {}: {}\n", __LINE__, #condition); \
            return false;                                     \
        }                                                     \
    } while (false)

/// Takes what every test starts with.
inline void begin_tests() {
    machine = take_start_handle<Machine>("machine");
    process = Client<Process>::from_start();
}

inline void sleep(abi::Time time) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    static_cast<void>(never.wait(1, now() + time));
}

inline void run(const char* name, bool (*test)()) {
    const abi::Time start = now();
    const bool passed = test();
    print("{} {}\n# {} ms\n", passed ? "ok" : "FAIL", name, (now() - start) / kMillisecond);
    if (!passed) failures++;
}

/// Says so if `suite` has passed, and ends the machine. What main() returns.
inline int end_tests(const char* suite) {
    if (failures == 0) print("{} tests passed\n", suite);
    static_cast<void>(
        process.call(Process::Shutdown{static_cast<u32>(ShutdownKind::exit), failures == 0 ? 0u : 1u}));
    return 1;
}

inline Result<> control(std::string_view name, ControlAction action) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(action);
    auto result = process.call(request);
    return result.ok() ? Result<>() : Result<>(result.error());
}
/// As a death, but it is started again at once, and never held down.
inline bool restart(std::string_view name) { return control(name, ControlAction::restart).ok(); }

inline Result<Process::Describe::Reply> describe(std::string_view name) {
    for (u64 index = 0;; index++) {
        auto reply = PITH_TRY(process.call(Process::Describe{index}));
        if (name == reply.name) return reply;
    }
}
/// A component's number of restarts; 0: there is no such component.
inline u64 restarts(std::string_view name) {
    auto found = describe(name);
    return found.ok() ? found->restarts : 0;
}

/// The kernel's exact counts.
inline abi::KernelCounts counts() {
    auto reply = process.call(Process::Counts{});
    return reply.ok() ? reply->counts : abi::KernelCounts{};
}
/// Prints what differs.
inline bool same(const abi::KernelCounts& a, const abi::KernelCounts& b) {
    const auto* x = reinterpret_cast<const u64*>(&a);
    const auto* y = reinterpret_cast<const u64*>(&b);
    bool equal = true;
    for (usize i = 0; i < sizeof(a) / 8; i++)
        if (x[i] != y[i]) {
            print("    count {}: {} before, {} after\n", i, x[i], y[i]);
            equal = false;
        }
    return equal;
}

}  // namespace pith::test
