// SPDX-License-Identifier: MIT
// What is found, sent and received.
#include <cstring>

#include "tests/network/ethernet_test/station.hpp"

namespace pith::test {

bool interface_is_opened() {
    CHECK(station->open());
    EthernetClient& client = station->client();
    CHECK(client.attached() && client.link_up());
    print("    mtu {}\n", client.mtu());  // the host knows what it has to be
    const u8 expected[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    CHECK(std::memcmp(client.address().data(), expected, 6) == 0);
    auto told = client.statistics(now() + kSecond);
    CHECK(told.ok() && told->sent_frames == 0 && told->send_errors == 0);
    return true;
}

bool gateway_answers() {
    CHECK(station->ask_gateway());
    station->client().publish();
    CHECK(wait_for([] { return station->gateway_known(); }));
    return station->ask_all(1, 1, 56);
}

bool every_size_is_sent_and_received() {
    const u32 most = station->client().mtu() - 28;
    for (u32 data = 0; data <= most; data += data < 64 || data > most - 16 ? 1 : 13)
        CHECK(station->ask_all(1, 1, data));
    return station->broken() == 0;
}

bool many_are_under_way() {
    for (const u32 window : {2u, 16u, 64u}) CHECK(station->ask_all(2000, window, 1000));
    return station->broken() == 0;
}

/// While there is always something to send, over many of the driver's looks at what was sent, a device that works is not reset: no frame fails.
bool busy_device_is_left_alone() {
    const u64 errors = station->client().errors();
    const abi::Time end = now() + 8 * kSecond;
    CHECK(station->ask_until(128, [end] { return now() >= end; }));
    CHECK(station->client().errors() == errors);
    auto counts = station->client().statistics(now() + kSecond);
    CHECK(counts.ok() && counts->send_errors == 0);
    return station->broken() == 0;
}

/// The host takes the carrier away when it reads so, and gives it back.
bool carrier_goes_and_comes() {
    CHECK(station->client().link_up());
    print("    carrier off\n");
    CHECK(wait_for([] { return !station->client().link_up(); }));
    for (u32 i = 0; i < 300; i++) static_cast<void>(station->ask(static_cast<u16>(i), 300));
    station->client().publish();
    const u32 opened = station->opened();
    CHECK(restart("virtio_net"));
    CHECK(look_until([&] { return station->opened() != opened && station->client().attached(); }));
    CHECK(!station->client().link_up());
    print("    carrier on\n");
    CHECK(wait_for([] { return station->client().link_up(); }));
    return station->ask_all(100, 16, 300);
}

}  // namespace pith::test
