// SPDX-License-Identifier: MIT
// What a client may do, and what it may not; buffers that run out.
#include <cstring>

#include "tests/network/ethernet_test/raw.hpp"
#include "tests/network/ethernet_test/station.hpp"

namespace pith::test {

namespace {

constexpr u32 kBufferSize = EthernetClient::kBufferSize;

/// The link is another's from now on: the station does not look at it.
Error take_over(Raw& raw) {
    station->client().detach();
    return raw.open();
}

/// The station has its interface again, and it works.
bool station_goes_on() {
    station->client().reborn();
    CHECK(look_until([] { return station->client().attached(); }));
    return station->ask_all(100, 16, 300);
}

u64 sent_frames() {
    auto told = station->client().statistics(now() + kSecond);
    return told.ok() ? told->sent_frames : 0;
}

}  // namespace

bool frames_without_answer_are_sent() {
    const u64 before = sent_frames();
    for (u32 i = 0; i < 1000; i++) {
        CHECK(wait_for([] {
            const bool sent = station->send_to_nobody(60);
            station->client().publish();
            return sent;
        }));
    }
    // Nobody is notified of the last ones: the driver looks now and then.
    CHECK(look_until([&] { return sent_frames() == before + 1000; }));
    return station->ask_all(1, 1, 56);
}

/// All buffers are taken at once, again and again: each time the client hears when there are some again.
bool buffers_run_out_and_come_back() {
    for (u32 round = 0; round < 50; round++) {
        while (station->send_to_nobody(1514)) {}
        CHECK(station->client().wants_buffers());
        station->client().publish();
        CHECK(wait_for([] {
            auto buffer = station->client().buffer();
            station->client().publish();
            return buffer.ok();
        }));
    }
    CHECK(!station->client().wants_buffers());
    return station->ask_all(200, 100, 1000);
}

bool bad_submissions_are_refused() {
    Raw raw(context.driver);
    CHECK(raw.open(1) == Error::not_found && raw.open(~u64{0}) == Error::not_found);
    CHECK(take_over(raw) == Error::ok);
    const u64 window = raw.facts().window_size;
    const u32 most = raw.facts().mtu + Ethernet::kHeaderSize;
    const auto send = [&](u64 offset, u32 length, u32 flags = 0, u16 start = 0, u16 at = 0) {
        return raw.send({7, offset, length, start, at, flags, 0});
    };
    CHECK(send(0, most) == Error::ok && send(window - most, most) == Error::ok && send(1, 14) == Error::ok);
    CHECK(send(window - most + 1, most) == Error::invalid && send(window, 60) == Error::invalid);
    CHECK(send(~u64{0}, 60) == Error::invalid && send(~u64{0} - 59, 60) == Error::invalid);
    CHECK(send(0, most + 1) == Error::invalid && send(0, ~u32{0}) == Error::invalid);
    CHECK(send(0, 0) == Error::invalid && send(0, 13) == Error::invalid);
    CHECK(send(0, 60, 2) == Error::unsupported && send(0, 60, ~0u) == Error::unsupported);
    const bool checksums = (raw.facts().features & Ethernet::kSendChecksum) != 0;
    CHECK(send(0, 60, Ethernet::kNeedsChecksum, 34, 16) == (checksums ? Error::ok : Error::unsupported));
    if (checksums) {
        CHECK(send(0, 60, Ethernet::kNeedsChecksum, 34, 25) == Error::invalid);
        CHECK(send(0, 60, Ethernet::kNeedsChecksum, 0xffff, 0xffff) == Error::invalid);
        CHECK(send(0, 60, Ethernet::kNeedsChecksum, 13, 16) == Error::invalid);
    }
    const auto receive = [&](u64 offset, u32 capacity) { return raw.receive({9, offset, capacity, 0}); };
    CHECK(receive(0, most - 1) == Error::invalid && receive(0, 0) == Error::invalid);
    CHECK(receive(window, kBufferSize) == Error::invalid);
    CHECK(receive(window - kBufferSize + 1, kBufferSize) == Error::invalid);
    CHECK(receive(~u64{0} - 100, kBufferSize) == Error::invalid);
    CHECK(receive(0, ~u32{0}) == Error::invalid);
    // It is good; nothing comes, or what is for everybody.
    const Error waited = raw.receive({9, window - kBufferSize, kBufferSize, 0}, 50 * kMillisecond);
    CHECK(waited == Error::timed_out || waited == Error::ok);
    return station_goes_on();
}

bool broken_rings_hurt_nobody_else() {
    const u64 lives = restarts("virtio_net");
    for (u32 which = 0; which < 4; which++) {
        Raw raw(context.driver);
        CHECK(take_over(raw) == Error::ok);
        u32& index = which == 0   ? raw.send_header().submit_tail
                     : which == 1 ? raw.receive_header().submit_tail
                     : which == 2 ? raw.send_header().complete_head
                                  : raw.receive_header().complete_head;
        index = 0x8000'0000;
        raw.notify();
        static_cast<void>(raw.send_queue().submit({1, 0, 60, 0, 0, 0, 0}));
        raw.notify();
        // More buffers than there can be, all in the same place.
        CHECK(take_over(raw) == Error::ok);
        for (u32 i = 0; i < 2000; i++) {
            static_cast<void>(raw.receive_queue().submit({i, 0, kBufferSize, 0}));
            static_cast<void>(raw.send_queue().submit({i, 0, 60, 0, 0, 0, 0}));
            raw.receive_header().complete_tail = raw.send_header().complete_tail = i;
            raw.notify();
        }
    }
    CHECK(restarts("virtio_net") == lives);
    return station_goes_on();
}

bool second_client_is_refused() {
    Raw second(context.second);
    CHECK(second.open() == Error::occupied);
    const u32 opened = station->opened();
    CHECK(restart("virtio_net"));
    CHECK(second.open() == Error::occupied);
    CHECK(wait_for([&] { return station->client().attached() && station->opened() != opened; }));
    CHECK(second.open() == Error::occupied);
    return station->ask_all(100, 16, 300);
}

/// Who opens again, in the middle of it all, has its window for itself from the answer on.
bool reopening_leaves_nothing() {
    Raw raw(context.driver);
    for (u32 round = 0; round < 30; round++) {
        for (u32 i = 0; i < 64 + round; i++) static_cast<void>(station->ask(static_cast<u16>(i), 1400));
        station->client().publish();
        CHECK(take_over(raw) == Error::ok);
        std::memset(raw.window(), 0xcc, raw.facts().window_size);
        run_for((1 + round % 5) * kMillisecond);
        CHECK(raw.send({1, 0, 60, 0, 0, 0, 0}) == Error::ok);
        const auto* words = reinterpret_cast<const u64*>(raw.window());
        for (u64 i = 0; i < raw.facts().window_size / 8; i++) CHECK(words[i] == 0xcccc'cccc'cccc'cccc);
        CHECK(station_goes_on());
    }
    return true;
}

bool statistics_count() {
    const auto counts = [] {
        auto told = station->client().statistics(now() + kSecond);
        return told.ok() ? told.value() : Ethernet::Statistics::Reply{};
    };
    const Ethernet::Statistics::Reply before = counts();
    CHECK(station->ask_all(100, 1, 58));
    // The gateway may have asked who we are.
    const Ethernet::Statistics::Reply after = counts();
    const u64 received = after.received_frames - before.received_frames;
    CHECK(received >= 100 && received < 110);
    CHECK(after.received_bytes - before.received_bytes >= received * 42);
    CHECK(after.sent_frames - before.sent_frames >= 99 && after.send_errors == before.send_errors);
    CHECK(after.receive_errors == 0);
    CHECK(restart("virtio_net"));
    CHECK(counts().received_frames >= after.received_frames);
    CHECK(context.driver.call(Ethernet::Statistics{1}).error() == Error::not_found);
    return station->ask_until(16, [&] { return counts().sent_frames > after.sent_frames + 1000; });
}

}  // namespace pith::test
