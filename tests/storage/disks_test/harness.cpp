// SPDX-License-Identifier: MIT
#include "tests/storage/disks_test/harness.hpp"

#include <cstring>

#include "lib/os/thread.hpp"

namespace pith::test {

Context context;

namespace {

struct {
    u32 driver = 0;
    u32 devices = 0;
    u32 kills = 0;
} killer;

void kill_forever(void*) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    abi::Time next_driver = 0, next_devices = 0;
    for (;;) {
        static_cast<void>(never.wait(1, now() + kMillisecond));
        const u32 driver = __atomic_load_n(&killer.driver, __ATOMIC_ACQUIRE);
        const u32 devices = __atomic_load_n(&killer.devices, __ATOMIC_ACQUIRE);
        if (driver == 0) next_driver = 0;
        else if (next_driver == 0) next_driver = now() + driver * kMillisecond;
        if (devices == 0) next_devices = 0;
        else if (next_devices == 0) next_devices = now() + devices * kMillisecond;
        if (next_devices != 0 && now() >= next_devices) {
            if (restart("devices")) __atomic_add_fetch(&killer.kills, 1, __ATOMIC_RELAXED);
            next_devices = 0;
        }
        if (next_driver != 0 && now() >= next_driver) {
            if (restart_driver()) __atomic_add_fetch(&killer.kills, 1, __ATOMIC_RELAXED);
            next_driver = 0;
        }
    }
}

}  // namespace

bool Killer::start() {
    ThreadOptions options;
    options.priority = 120;
    auto thread = NativeThread::start(own_pool(), kill_forever, nullptr, options);
    if (!thread.ok()) return false;
    static auto kept = std::move(*thread);
    return true;
}

u32 Killer::set(u32 driver, u32 devices) {
    __atomic_store_n(&killer.devices, devices, __ATOMIC_RELEASE);
    const u32 pace = context.driver == "nvme" ? 3 : 1;
    __atomic_store_n(&killer.driver, driver * pace, __ATOMIC_RELEASE);
    return __atomic_load_n(&killer.kills, __ATOMIC_RELAXED);
}

}  // namespace pith::test
