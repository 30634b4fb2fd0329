// SPDX-License-Identifier: MIT
#include "tests/storage/share_test/print.hpp"

#include <cstring>

#include "lib/os/panic.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/start_info.hpp"
#include "lib/os/thread.hpp"
#include "protocol/process.hpp"
#include "tests/storage/share_test/client.hpp"

namespace pith {
[[noreturn]] void assertion_failed(const char* text);  // lib/base/assert.hpp
void assertion_failed(const char* text) { panic(text); }
}  // namespace pith

namespace pith::test {

int failures = 0;

namespace {

Handle<Machine> machine;
Client<Process> process;
struct Deaths {
    u32 driver = 0, devices = 0, count = 0;
};
Deaths wanted;

void kill_forever(void*) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    abi::Time next_driver = 0, next_devices = 0;
    const auto step = [](u32 milliseconds, abi::Time& next, std::string_view name) {
        if (milliseconds == 0) next = 0;
        else if (next == 0) next = now() + milliseconds * kMillisecond;
        if (next == 0 || now() < next) return;
        if (restart(name)) __atomic_add_fetch(&wanted.count, 1, __ATOMIC_RELAXED);
        next = 0;
    };
    for (;;) {
        static_cast<void>(never.wait(1, now() + kMillisecond));
        step(__atomic_load_n(&wanted.driver, __ATOMIC_ACQUIRE), next_driver, "virtio_9p");
        step(__atomic_load_n(&wanted.devices, __ATOMIC_ACQUIRE), next_devices, "devices");
    }
}

}  // namespace

void begin() {
    machine = take_start_handle<Machine>("machine");
    process = Client<Process>::from_start();
    ThreadOptions options;
    options.priority = 120;
    static auto thread = NativeThread::start(own_pool(), kill_forever, nullptr, options);
    if (!thread.ok()) panic("no thread");
}

void end() {
    if (failures == 0) print("share tests passed\n");
    static_cast<void>(
        process.call(Process::Shutdown{static_cast<u32>(ShutdownKind::exit), failures == 0 ? 0u : 1u}));
}

void run_test(const char* name, bool (*function)()) {
    const abi::Time start = now();
    const bool passed = function();
    print("{} {}\n# {} ms\n", passed ? "ok" : "FAIL", name, (now() - start) / kMillisecond);
    if (!passed) failures++;
}

bool restart(std::string_view name) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(ControlAction::restart);
    return process.call(request).ok();
}

void set_deaths(u32 driver, u32 devices) {
    __atomic_store_n(&wanted.driver, driver, __ATOMIC_RELEASE);
    __atomic_store_n(&wanted.devices, devices, __ATOMIC_RELEASE);
}
u32 deaths() { return __atomic_load_n(&wanted.count, __ATOMIC_RELAXED); }
void log(std::string_view text) { machine.log(text.data(), text.size()); }
void print_failure(int line) {
    print("    the client's line {} is not so\n", line);
    failures++;
}

}  // namespace pith::test
