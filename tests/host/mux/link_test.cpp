// SPDX-License-Identifier: MIT
// Two Links over a wire that loses, and over crashes of the guest's side: every byte arrives once, in order.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "lib/mux/link.hpp"

namespace pith::mux {
namespace {

constexpr usize kAll[] = {0, 1, 2, 3, 4, 5};

struct Streams : LinkUser {
    std::vector<u8> out[kChannels], in[kChannels];
    bool out_ended[kChannels] = {}, in_ended[kChannels] = {};
    u64 released[kChannels] = {};
    usize taken[kChannels] = {};  // by the reader; the room is 4 KiB beyond
    int restarts = 0;
    static usize index(Channel c) { return static_cast<usize>(c); }
    usize deliver(Channel c, std::span<const u8> bytes) override {
        usize n = std::min(room(c), bytes.size());
        in[index(c)].insert(in[index(c)].end(), bytes.begin(), bytes.begin() + static_cast<long>(n));
        return n;
    }
    void deliver_end(Channel c) override {
        EXPECT_FALSE(in_ended[index(c)]);
        in_ended[index(c)] = true;
    }
    usize room(Channel c) override { return 4096 - (in[index(c)].size() - taken[index(c)]); }
    u64 written(Channel c) override { return out[index(c)].size(); }
    bool ended(Channel c) override { return out_ended[index(c)]; }
    void copy(Channel c, u64 offset, std::span<u8> to) override {
        EXPECT_GE(offset, released[index(c)]);
        ASSERT_LE(offset + to.size(), out[index(c)].size());
        std::copy_n(out[index(c)].begin() + static_cast<long>(offset), to.size(), to.begin());
    }
    void release(Channel c, u64 offset) override { released[index(c)] = offset; }
    void restart() override { ++restarts; }
};

class Wire {
  public:
    explicit Wire(u32 seed) : random_(seed) {}
    double loss = 0;
    /// Moves up to `limit` frames from one side to the other.
    void pump(Link& from, Link& to, u64 now, int limit) {
        u8 buffer[kMaxWireFrame];
        for (int i = 0; i < limit; ++i) {
            usize n = from.produce(buffer, now);
            if (n == 0) return;
            std::vector<u8> bytes(buffer, buffer + n);
            if (loss > 0 && std::uniform_real_distribution<>(0, 1)(random_) < loss) {
                switch (random_() % 3) {
                    case 0: bytes.clear(); break;
                    case 1: bytes[random_() % n] ^= 0x10; break;
                    default: bytes.erase(bytes.begin() + static_cast<long>(random_() % n)); break;
                }
            }
            to.feed(bytes, now);
        }
    }

  private:
    std::mt19937 random_;
};

LinkState fresh(u64 epoch) {
    LinkState state;
    state.epoch = epoch;
    return state;
}

void fill(std::vector<u8>& out, usize n, u32 seed) {
    std::mt19937 random(seed);
    out.resize(n);
    for (u8& byte : out) byte = static_cast<u8>(random());
}

TEST(Link, CarriesAllChannelsBothWays) {
    Streams guest_streams, host_streams;
    for (usize c : kAll) {
        fill(guest_streams.out[c], 100'000 + c, 1);
        fill(host_streams.out[c], 50'000 + c, 2);
        guest_streams.out_ended[c] = host_streams.out_ended[c] = true;
    }
    Link guest(Link::Side::guest, guest_streams, fresh(5)), host(Link::Side::host, host_streams);
    Wire wire(1);
    u64 now = 1;
    for (int i = 0; i < 2000 && !(guest.synced() && guest.idle() && host.idle()); ++i, now += 1000) {
        wire.pump(guest, host, now, 20);
        wire.pump(host, guest, now, 20);
        for (usize c : kAll) {
            guest_streams.taken[c] = guest_streams.in[c].size();
            host_streams.taken[c] = host_streams.in[c].size();
        }
    }
    for (usize c : kAll) {
        EXPECT_EQ(guest_streams.in[c], host_streams.out[c]);
        EXPECT_EQ(host_streams.in[c], guest_streams.out[c]);
        EXPECT_TRUE(guest_streams.in_ended[c] && host_streams.in_ended[c]);
    }
    EXPECT_EQ(guest.resends() + host.resends(), 0u);
    EXPECT_EQ(host_streams.restarts, 1);
    EXPECT_EQ(host.deadline(), 0u + host.deadline());
}

/// A guest that is restored from numbers that look well and are not what they were: whether it is told.
void expect_contradiction(void (*spoil)(LinkState& state)) {
    Streams guest_streams, host_streams;
    for (usize c : kAll) {
        fill(guest_streams.out[c], 1000, 1);
        fill(host_streams.out[c], 1000, 2);
    }
    Link guest(Link::Side::guest, guest_streams, fresh(5)), host(Link::Side::host, host_streams);
    Wire wire(1);
    u64 now = 1;
    for (; now < 1'000'000'000 && !(guest.synced() && guest.idle() && host.idle()); now += 1'000'000) {
        wire.pump(guest, host, now, 20);
        wire.pump(host, guest, now, 20);
    }
    EXPECT_FALSE(guest.contradicted());
    LinkState state = guest.state();
    spoil(state);
    Link spoilt(Link::Side::guest, guest_streams, state);
    for (const u64 end = now + 10'000'000; now < end; now += 1'000'000) {
        wire.pump(spoilt, host, now, 20);
        wire.pump(host, spoilt, now, 20);
    }
    EXPECT_TRUE(spoilt.contradicted());
    EXPECT_FALSE(spoilt.synced());
    // Who begins anew is served.
    Streams nothing;
    std::ranges::fill(host_streams.released, 0);
    Link anew(Link::Side::guest, nothing, fresh(6));
    for (const u64 end = now + 10'000'000; now < end; now += 1'000'000) {
        wire.pump(anew, host, now, 20);
        wire.pump(host, anew, now, 20);
    }
    EXPECT_TRUE(anew.synced());
    EXPECT_FALSE(anew.contradicted());
}

TEST(Link, AGuestWithSpoiltNumbersIsTold) {
    expect_contradiction([](LinkState& state) { state.received[1] += 100; });      // it was never sent
    expect_contradiction([](LinkState& state) { state.received[1] -= 100; });      // it is gone
    expect_contradiction([](LinkState& state) { state.acknowledged[1] += 100; });  // the host has less
}

TEST(Link, NothingIsSentBeforeTheFirstHello) {
    Streams streams;
    fill(streams.out[1], 10, 3);
    Link host(Link::Side::host, streams);
    u8 buffer[kMaxWireFrame];
    EXPECT_EQ(host.produce(buffer, 1), 0u);
    EXPECT_EQ(host.deadline(), 0u);
}

TEST(Link, SlowReaderHoldsUpOnlyItsStream) {
    Streams guest_streams, host_streams;
    fill(guest_streams.out[2], 100'000, 1);
    fill(guest_streams.out[3], 100'000, 2);
    Link guest(Link::Side::guest, guest_streams, fresh(5)), host(Link::Side::host, host_streams);
    Wire wire(1);
    u64 now = 1;
    auto run = [&](int rounds) {
        for (int i = 0; i < rounds; ++i, now += 1000) {
            wire.pump(guest, host, now, 20);
            wire.pump(host, guest, now, 20);
            host_streams.taken[3] = host_streams.in[3].size();
        }
    };
    run(500);
    EXPECT_EQ(host_streams.in[3], guest_streams.out[3]);
    EXPECT_EQ(host_streams.in[2].size(), 4096u);
    host_streams.taken[2] = 4096;
    run(500);
    EXPECT_EQ(host_streams.in[2].size(), 8192u);
}

/// Also with crashes: the guest's Link and its state go back to the last commit; frames are only produced
/// after one.
void torture(u32 seed, double loss, bool crashes) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Streams guest_streams, host_streams;
    for (usize c : kAll) {
        fill(guest_streams.out[c], random() % 60'000, seed);
        fill(host_streams.out[c], random() % 60'000, seed + 1);
        guest_streams.out_ended[c] = random() % 2 == 0;
        host_streams.out_ended[c] = random() % 2 == 0;
    }
    auto guest = std::make_unique<Link>(Link::Side::guest, guest_streams, fresh(9));
    Link host(Link::Side::host, host_streams);
    Streams committed = guest_streams;
    LinkState committed_state = guest->state();
    Wire wire(seed);
    wire.loss = loss;
    u64 now = 1;
    int rounds = 0;
    for (; rounds < 20000; ++rounds, now += 10'000'000) {
        wire.pump(host, *guest, now, static_cast<int>(random() % 8));
        if (crashes && random() % 50 == 0) {
            guest_streams = committed;
            guest = std::make_unique<Link>(Link::Side::guest, guest_streams, committed_state);
            continue;
        }
        for (usize c : kAll) guest_streams.taken[c] = guest_streams.in[c].size();
        committed = guest_streams;
        committed_state = guest->state();
        if (crashes && random() % 50 == 0) guest->wire_lost();
        wire.pump(*guest, host, now, static_cast<int>(random() % 8));
        for (usize c : kAll) host_streams.taken[c] = host_streams.in[c].size();
        if (guest->synced() && guest->idle() && host.idle()) break;
    }
    EXPECT_LT(rounds, 20000);
    for (usize c : kAll) {
        EXPECT_EQ(guest_streams.in[c], host_streams.out[c]);
        EXPECT_EQ(host_streams.in[c], guest_streams.out[c]);
        EXPECT_EQ(guest_streams.in_ended[c], host_streams.out_ended[c]);
        EXPECT_EQ(host_streams.in_ended[c], guest_streams.out_ended[c]);
    }
}

TEST(Link, LosesNothingOnALossyWire) {
    for (u32 seed = 1; seed <= 40; ++seed) torture(seed, 0.05, false);
}

TEST(Link, LosesNothingWhenTheGuestCrashes) {
    for (u32 seed = 100; seed <= 140; ++seed) torture(seed, 0.02, true);
}

TEST(Link, ANewBootBeginsAtZero) {
    Streams first, second, host_streams;
    fill(first.out[4], 1000, 1);
    Link host(Link::Side::host, host_streams);
    Wire wire(1);
    {
        Link guest(Link::Side::guest, first, fresh(1));
        for (int i = 0; i < 5; ++i) {
            wire.pump(guest, host, 1, 10);
            wire.pump(host, guest, 1, 10);
        }
    }
    EXPECT_EQ(host_streams.in[4].size(), 1000u);
    host_streams.in[4].clear();
    fill(second.out[4], 500, 2);
    Link guest(Link::Side::guest, second, fresh(2));
    for (int i = 0; i < 5; ++i) {
        wire.pump(guest, host, 2, 10);
        wire.pump(host, guest, 2, 10);
    }
    EXPECT_EQ(host_streams.restarts, 2);
    EXPECT_EQ(host_streams.in[4], second.out[4]);
}

}  // namespace
}  // namespace pith::mux
