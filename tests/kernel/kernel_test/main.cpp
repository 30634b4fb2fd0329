// SPDX-License-Identifier: MIT
// The test component as root: makes its StartInfo from the kernel's BootInfo, runs all tests, ends the machine. The command line may name a
// part of the names of the tests to run: test=NAME.
#include <algorithm>
#include <cstring>

#include "lib/os/panic.hpp"
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kInfoAddress = 0xf0'0000'0000;
constexpr u64 kInstructionsASecond = 1'000'000'000;

constinit StartInfo root_start{};
constinit bool exact = false;

const abi::BootInfo& boot_info() { return *reinterpret_cast<const abi::BootInfo*>(abi::kRootBootInfo); }

void add_handle(const char* name, abi::RootSlot slot, abi::ObjectType type, u64 value = 0) {
    NamedHandle& entry = root_start.handles[root_start.handle_count++];
    std::memcpy(entry.name, name, std::min(std::strlen(name), sizeof(entry.name) - 1));
    entry.handle = static_cast<abi::HandleIndex>(slot);
    entry.type = static_cast<u32>(type);
    entry.value = value;
}

std::string_view option(std::string_view key) {
    std::string_view line(boot_info().command_line);
    usize at = line.find(key);
    if (at == std::string_view::npos) return {};
    line.remove_prefix(at + key.size());
    return line.substr(0, line.find(' '));
}

/// Reads how fast the TSC counts.
void look_at_clock() {
    const Borrowed<Memory> info(static_cast<abi::HandleIndex>(abi::RootSlot::info));
    if (!own_space().map(kInfoAddress, info, 0, abi::kPageSize, abi::kMapRead).ok()) panic("no InfoPage");
    exact = reinterpret_cast<const abi::InfoPage*>(kInfoAddress)->tsc_frequency == kInstructionsASecond;
}

/// Where all CPUs share one count of instructions, those that still come up would make leaps in this one's time.
void wait_for_other_cpus() {
    constexpr u64 kLongEnough = 300;  // milliseconds, which nobody spends: all are idle then
    auto nobody = own_pool().create_signal();
    if (!nobody.ok() || nobody->wait(1, in_milliseconds(kLongEnough)).error() != Error::timed_out)
        panic("cannot sleep");
    if (!nobody->destroy().ok()) panic("a Signal stays");
}

}  // namespace

const Handle<Machine>& machine() {
    static const Handle<Machine> handle(static_cast<abi::HandleIndex>(abi::RootSlot::machine));
    return handle;
}
u32 cpu_count() { return boot_info().cpus; }
bool time_is_exact() { return exact; }

}  // namespace pith::test

extern "C" {

const pith::StartInfo* pith_root_start_info() {
    using pith::abi::ObjectType, pith::abi::RootSlot, pith::test::add_handle;
    add_handle("pool", RootSlot::pool, ObjectType::pool);
    add_handle("space", RootSlot::space, ObjectType::space);
    add_handle("captable", RootSlot::captable, ObjectType::captable);
    add_handle("thread", RootSlot::thread, ObjectType::thread);
    add_handle("budget", RootSlot::budget, ObjectType::budget);
    return &pith::test::root_start;
}

void pith_root_end(const char* text, pith::usize length, int status) {
    if (length != 0) {
        pith::test::print("FAIL panic: ");
        pith::test::print({text, length});
        pith::test::print("\n");
    }
    static_cast<void>(pith::test::machine().exit(static_cast<pith::u32>(status)));
}

}  // extern "C"

int main() {
    pith::test::look_at_clock();
    if (pith::test::time_is_exact()) pith::test::wait_for_other_cpus();
    // Tests poll while workers run: all have one priority.
    static_cast<void>(pith::own_thread().set_priority(pith::test::WorkerOptions{}.priority));
    int failed = pith::test::run_all(pith::test::option("test="));
    pith::test::print(failed == 0 ? "kernel tests passed\n" : "kernel tests failed\n");
    return failed == 0 ? 0 : 1;
}
