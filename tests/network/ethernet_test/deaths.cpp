// SPDX-License-Identifier: MIT
// Devices, the driver and the devices server fail under the client.
#include <cstring>

#include "tests/network/ethernet_test/sabotage.hpp"
#include "tests/network/ethernet_test/station.hpp"

namespace pith::test {

/// The client isn't even told: it has only lost some frames.
bool device_in_need_is_reset() {
    for (u32 round = 0; round < 3; round++) {
        auto sabotage = Sabotage::begin(machine);
        CHECK(sabotage.ok());
        const u32 opened = station->opened();
        for (u32 i = 0; i < 32; i++) CHECK(station->ask(static_cast<u16>(i), 900));
        station->client().publish();
        sabotage->spoil();
        CHECK(look_until([&] { return sabotage->at_work(); }));
        u32 answers = station->answers();
        CHECK(station->ask_until(16, [&] { return station->answers() > answers + 100; }));
        CHECK(station->opened() == opened && station->client().link_up());
        // A device that breaks again at once is left alone for a while.
        run_for(1100 * kMillisecond);
    }
    return station->broken() == 0 && restarts("virtio_net") < 5;
}

bool silent_device_is_reset() {
    auto sabotage = Sabotage::begin(machine);
    CHECK(sabotage.ok());
    sabotage->silence();
    const u32 answers = station->answers(), opened = station->opened();
    CHECK(station->ask_until(16, [&] { return station->answers() > answers + 100; }));
    return sabotage->at_work() && station->opened() == opened;
}

/// Received frames that the client holds stay as they are, where they are, whatever becomes of driver and device.
bool kept_frames_outlive_the_driver() {
    constexpr u32 kKept = 100;
    static u8 copy[kKept][EthernetClient::kBufferSize];
    station->keeps = true;
    const bool enough = station->ask_until(16, [] { return station->kept_count >= kKept; });
    station->keeps = false;
    CHECK(enough);
    for (u32 i = 0; i < kKept; i++)
        std::memcpy(copy[i], station->kept[i].bytes.data(), station->kept[i].bytes.size());
    const auto unchanged = [] {
        for (u32 i = 0; i < kKept; i++) {
            const auto bytes = station->kept[i].bytes;
            if (std::memcmp(copy[i], bytes.data(), bytes.size()) != 0) return false;
        }
        return true;
    };
    for (u32 round = 0; round < 5; round++) {
        const u32 opened = station->opened(), answers = station->answers();
        CHECK(restart("virtio_net"));
        CHECK(unchanged());
        CHECK(station->ask_until(
            64, [&] { return station->opened() != opened && station->answers() > answers + 500; }));
        CHECK(unchanged());
    }
    for (u32 i = 0; i < station->kept_count; i++) station->client().give_back(station->kept[i].id);
    station->kept_count = 0;
    station->client().publish();
    return station->ask_all(1000, 100, 1000);
}

namespace {

/// `name` is killed again and again, at any moment of the traffic.
bool dies_under_traffic(const char* name, u32 times, bool opened_each_time) {
    const u32 opened = station->opened();
    u32 kills = 0, answers = station->answers(), lost = 0;
    abi::Time next = 0;
    u64 random = 88172645463325252;
    CHECK(station->ask_until(64, [&] {
        if (kills == times) return station->answers() > answers + 1000;
        if (now() < next) return false;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (restart(name)) kills++;
        answers = station->answers();
        next = now() + random % (10 * kMillisecond);
        return false;
    }));
    lost = station->broken();
    print("    {} kills, opened again {} times\n", kills, station->opened() - opened);
    CHECK(lost == 0);
    return !opened_each_time || station->opened() > opened;
}

}  // namespace

bool driver_dies_under_traffic() { return dies_under_traffic("virtio_net", 200, true); }
bool devices_server_dies_under_traffic() { return dies_under_traffic("devices", 50, false); }

bool held_down_driver_comes_back() {
    CHECK(control("virtio_net", ControlAction::stop));
    for (u32 i = 0; i < 300; i++) static_cast<void>(station->ask(static_cast<u16>(i), 56));
    station->client().publish();
    run_for(200 * kMillisecond);
    const u32 opened = station->opened();
    CHECK(control("virtio_net", ControlAction::start));
    const u32 answers = station->answers();
    CHECK(station->ask_until(16, [&] { return station->answers() > answers + 100; }));
    return station->opened() > opened;
}

bool restarts_give_everything_back() {
    const auto settle = [] {
        run_for(100 * kMillisecond);
        return station->ask_all(100, 16, 300);
    };
    CHECK(restart("virtio_net") && settle());
    const abi::KernelCounts before = counts();
    for (u32 i = 0; i < 20; i++) CHECK(restart("virtio_net") && settle());
    const abi::KernelCounts after = counts();
    const auto* x = reinterpret_cast<const u64*>(&before);
    const auto* y = reinterpret_cast<const u64*>(&after);
    bool equal = true;
    for (usize i = 0; i < sizeof(before) / 8; i++) {
        if (x[i] == y[i]) continue;
        print("    count {}: {} before, {} after\n", i, x[i], y[i]);
        equal = false;
    }
    return equal;
}

}  // namespace pith::test
