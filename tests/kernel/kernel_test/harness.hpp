// SPDX-License-Identifier: MIT
// The frame of the kernel's tests. TEST(name) { ... } defines one; CHECK and friends end it at the first failure.
// Each test has a Pool of its own, `t.pool`, that is destroyed at its end. Workers are further threads of this
// Space and CapTable.
#pragma once

#include <string_view>

#include "lib/os/handle.hpp"
#include "lib/os/start_info.hpp"
#include "lib/os/thread_context.hpp"

namespace pith::test {

/// What a test works with.
struct Context {
    Handle<Pool> pool;
    const char* failure = nullptr;
    u64 got = 0;
    u64 wanted = 0;
    int line = 0;
};

using TestFunction = void (*)(Context& t);

/// Puts a test into the list that run_all goes through, in the order of definition within a file.
class Registration {
  public:
    Registration(const char* name, TestFunction function);
    const char* name;
    TestFunction function;
    Registration* next = nullptr;
};

/// Runs the tests whose name contains `filter`; the number that failed.
int run_all(std::string_view filter);

const Handle<Machine>& machine();
u32 cpu_count();
/// The machine counts time in instructions (a TSC of 1 GHz to the digit): other loads of the host don't show.
bool time_is_exact();

/// Prints to the debug console.
void print(std::string_view text);
void print_number(u64 value);

/// A thread of this component.
struct WorkerOptions {
    u32 cpu = 0;
    u8 priority = 100;
    abi::HandleIndex budget = static_cast<abi::HandleIndex>(abi::RootSlot::budget);
    abi::HandleIndex handler = abi::kNoHandle;
    abi::HandleIndex captable = abi::kNoHandle;  ///< kNoHandle: this component's
    bool start = true;
};
struct Worker {
    Handle<Thread> thread;
    Handle<Memory> memory;  ///< buffer and stack, mapped at `address`
    u64 address = 0;
};
inline constexpr u64 kWorkerSize = 0x8000;
using WorkerFunction = void (*)(void* argument);

/// Makes and starts one; it dies when its function returns. Never fails but by ending the test run.
Worker start_worker(Context& t, WorkerFunction function, void* argument, const WorkerOptions& options = {});
/// Ends the calling worker.
[[noreturn]] void end_worker();
/// Waits until it is dead or in the given state; false: it does not come to that.
bool wait_for_state(const Handle<Thread>& thread, abi::ThreadState state);
/// Waits until `*value` is at least `wanted`; false: it does not come to that.
bool wait_for_value(const volatile u64& value, u64 wanted);

abi::Time in_milliseconds(u64 count);

/// From here to the test's end its own thread comes before all workers: it must not poll then, but block.
void become_urgent();

/// Room for mappings of a test, which all share; unmapped when the test's Pool dies.
u64 take_addresses(u64 size);

/// Maps the whole of a Memory somewhere new; 0: failed.
u64 map_somewhere(const Handle<Memory>& memory, u64 size, u32 flags = abi::kMapRead | abi::kMapWrite);

bool record(Context& t, bool ok, const char* text, int line, u64 got = 0, u64 wanted = 0);

}  // namespace pith::test

#define TEST(name)                                                             \
    static void test_##name(::pith::test::Context& t);                         \
    static ::pith::test::Registration registration_##name(#name, test_##name); \
    static void test_##name([[maybe_unused]] ::pith::test::Context& t)
#define CHECK(...)                                                                                    \
    do {                                                                                              \
        if (!::pith::test::record(t, static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __LINE__)) return; \
    } while (false)
#define CHECK_EQUAL(got_, wanted_)                                                                          \
    do {                                                                                                    \
        auto got_value = static_cast<::pith::u64>(got_);                                                    \
        auto wanted_value = static_cast<::pith::u64>(wanted_);                                              \
        if (!::pith::test::record(t, got_value == wanted_value, #got_ " == " #wanted_, __LINE__, got_value, \
                                  wanted_value))                                                            \
            return;                                                                                         \
    } while (false)
/// A Result or SyscallResult that must have failed with an Error.
#define CHECK_ERROR(error_, expression) CHECK_EQUAL(::pith::test::error_of(expression), ::pith::Error::error_)
/// The value of a Result that must be ok.
#define MUST(...)                                                                    \
    ({                                                                               \
        auto must_result = (__VA_ARGS__);                                            \
        if (!::pith::test::record(t, must_result.ok(), #__VA_ARGS__, __LINE__,       \
                                  static_cast<::pith::u64>(must_result.error()), 0)) \
            return;                                                                  \
        std::move(must_result).value();                                              \
    })
#define MUST_OK(...) CHECK_ERROR(ok, __VA_ARGS__)

namespace pith::test {
template <typename T>
Error error_of(const Result<T>& result) {
    return result.error();
}
inline Error error_of(const SyscallResult& result) { return result.error; }
inline Error error_of(Error error) { return error; }
}  // namespace pith::test
