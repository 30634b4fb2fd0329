// SPDX-License-Identifier: MIT
// Devices, drivers and the devices server that fail under the disks' client.
#include "lib/os/thread.hpp"
#include "protocol/device.hpp"
#include "tests/storage/disks_test/harness.hpp"
#include "tests/storage/disks_test/sabotage.hpp"
#include "tests/storage/disks_test/tracked.hpp"

namespace pith::test {

namespace {

const Client<Devices>& foreign_devices() {
    static const auto client = Client<Devices>::from_start("foreign_device");
    return client;
}

}  // namespace

/// A device that says it needs a reset gets one, and the requests that it had get done.
bool device_in_need_is_reset() {
    for (u32 round = 0; round < 8; round++) {
        auto sabotage = Sabotage::begin(machine, context.driver);
        CHECK(sabotage.ok());
        constexpr u32 kDepth = 32;
        for (u32 i = 0; i < kDepth; i++)
            CHECK(
                first.disk.submit({i, static_cast<u32>(Block::Operation::read), 8, 100 * i, i * 4096}).ok());
        first.disk.notify();
        sabotage->spoil();
        for (u32 i = 0; i < kDepth; i++) {
            auto completion = first.disk.next();
            CHECK(completion.ok() && completion->error == 0);
            const u32 which = static_cast<u32>(completion->id);
            CHECK(first.holds(first.disk, {false, 100 * which, 8}, which * 4096));
        }
        CHECK(first.read(1000 * round, 250));
        CHECK(!sabotage->spoilt());
    }
    return true;
}

bool silent_device_is_reset() {
    auto sabotage = Sabotage::begin(machine, context.driver);
    CHECK(sabotage.ok());
    sabotage->silence();
    CHECK(first.read(10, 30));
    CHECK(first.read(0, 1));
    return true;
}

/// Devices are for their drivers: this component's manifest has none.
bool devices_are_not_for_everyone() {
    const Client<Devices>& devices = foreign_devices();
    CHECK(devices.call(Devices::Find{0}).error() == Error::not_found);
    for (u64 place = 0; place < 256; place++) {
        CHECK(devices.call(Devices::Open{place}).error() == Error::access);
        CHECK(devices.call(Devices::Configuration{place}).error() == Error::access);
        CHECK(devices.call(Devices::Region{place, 4, 0}).error() == Error::access);
        CHECK(devices.call(Devices::Interrupt{place, 0}).error() == Error::access);
        CHECK(devices.call(Devices::DmaMemory{place, 1, 4096}).error() == Error::access);
        CHECK(devices.call(Devices::Close{place}).error() == Error::access);
    }
    return true;
}

namespace {

/// Looked at when the thread has ended.
struct Asker {
    u64 answers = 0;
    Error error = Error::not_found;  ///< the last one that was another
};
Asker asker;

void ask_forever(void*) {
    for (;; asker.answers++) {
        const Error error = foreign_devices().call(Devices::Find{0}).error();
        if (error != Error::not_found) asker.error = error;
    }
}

/// The phases with kills, or those without.
bool phases(Tracked& disk, bool with_kills) {
    for (u32 number = 0; number < std::size(kPhases); number++) {
        const Phase& phase = kPhases[number];
        const bool kills = phase.kill_driver + phase.kill_devices != 0;
        if (kills != with_kills) continue;
        const u64 before = disk.disk.reopened();
        const u32 killed = Killer::set(phase.kill_driver, phase.kill_devices);
        const bool passed = disk.run_phase(number);
        const u32 done = Killer::set(0, 0) - killed;
        if (kills) {
            const u64 reopened = disk.disk.reopened() - before;
            print("    depth {}: {} kills, opened again {} times\n", phase.depth, done, reopened);
            CHECK(done != 0 && (reopened != 0 || phase.kill_driver == 0));
        }
        CHECK(passed);
        CHECK(disk.disk.run(Block::Operation::flush, 0, 0) == Error::ok);
    }
    return true;
}

/// All disks are had again, from whoever serves them now.
bool open_all() {
    sleep(20 * kMillisecond);
    for (Tracked* disk : {&first, &second, &read_only})
        CHECK(disk->disk.open(disk->number).ok() && disk->read(77, 8));
    return true;
}

}  // namespace

/// A server that is being ended says nothing any more: all it could tell is what it can't do in a dying Pool. Each one looks for
/// the devices at the first question, and is ended at some moment of that; with two CPUs by one that goes on meanwhile.
bool ended_server_says_nothing() {
    const bool elsewhere = start_info().cpus > 1 && own_thread().set_cpu(1).ok();
    bool ended = true;
    {
        ThreadOptions options;
        options.priority = 120;
        const auto thread = NativeThread::start(own_pool(), ask_forever, nullptr, options);
        CHECK(thread.ok());
        for (u64 i = 0; i < 120 && ended; i++) {
            const abi::Time end = now() + mix(i) % (4 * kMillisecond);
            if (elsewhere)
                while (now() < end) {}
            else sleep(end - now());
            ended = restart("devices");
        }
    }
    if (elsewhere) CHECK(own_thread().set_cpu(0).ok());
    CHECK(ended);
    print("    {} answers, error {}\n", asker.answers, asker.error);
    return asker.answers != 0 && asker.error == Error::not_found;
}

bool all_depths_work() { return phases(first, false); }
bool kills_lose_nothing() { return phases(first, true); }

/// The host expects the same of the second disk, of which two clients do every other stripe each.
bool two_clients_lose_nothing() {
    static Disk partner(context.blocks[1], kWindowBytes);
    CHECK(second.disk.open(1).ok() && partner.open(1).ok());
    CHECK(partner.facts().window_size >= kWindowBytes);
    second.partner = &partner;
    CHECK(phases(second, false) && phases(second, true));
    second.partner = nullptr;
    return partner.reopened() != 0;
}

bool everything_is_there() {
    sleep(50 * kMillisecond);
    for (Tracked* disk : {&first, &second, &read_only}) {
        CHECK(disk->disk.open(disk->number).ok());
        for (u32 sector = 0; sector < kDiskSectors; sector += 128)
            CHECK(disk->read(sector, kDiskSectors - sector < 128 ? kDiskSectors - sector : 128));
    }
    return true;
}

/// Restarts leave what there was to the last page, capability and object.
bool restarts_give_everything_back() {
    CHECK(restart_driver() && restart("devices") && open_all());
    const abi::KernelCounts before = counts();
    for (u32 i = 0; i < 5; i++) {
        CHECK(restart_driver() && open_all());
        CHECK(restart("devices") && open_all());
        CHECK(restart("devices") && restart_driver() && open_all());
    }
    return same(before, counts());
}

bool supervisor_passes_it_on() {
    for (u64 life = 1; life <= 3; life++) {
        CHECK(restart("supervisor"));
        for (u32 i = 0; i < 200 && restarts("supervisor") < life; i++) sleep(5 * kMillisecond);
        CHECK(open_all());
        CHECK(restart("devices") && restart_driver() && open_all());
    }
    return true;
}

}  // namespace pith::test
