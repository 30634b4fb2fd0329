// SPDX-License-Identifier: MIT
// The log's ring: order, overwriting, taking over after a death at any moment, garbage.
#include "servers/log/ring.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

using namespace pith;
using log::Ring;

std::vector<u64> storage(4096 / 8);
std::span<u8> area() { return {reinterpret_cast<u8*>(storage.data()), storage.size() * 8}; }

std::string text(u64 n) { return "record " + std::to_string(n) + std::string(n * 7 % 90, 'x'); }

/// Reads everything; checks that the numbers rise and the texts are right.
u64 read_all(Ring& ring) {
    u64 count = 0;
    u64 next = 1;
    while (const log::RecordHeader* record = ring.find(next)) {
        EXPECT_GE(record->sequence, next);
        EXPECT_EQ(Ring::text_of(*record), text(record->sequence));
        next = record->sequence + 1;
        count++;
    }
    EXPECT_EQ(next, ring.next_sequence());
    return count;
}

TEST(Ring, KeepsTheLast) {
    storage.assign(storage.size(), 0);
    Ring ring;
    ring.open(area());
    EXPECT_EQ(ring.find(0), nullptr);
    for (u64 n = 1; n < 3000; n++) {
        ASSERT_EQ(ring.append(Severity::info, 3, n, text(n)), n);
        const log::RecordHeader* last = ring.find(n);
        ASSERT_NE(last, nullptr);
        ASSERT_EQ(Ring::text_of(*last), text(n));
    }
    EXPECT_GT(read_all(ring), 20u);
}

TEST(Ring, OutlivesItsServer) {
    storage.assign(storage.size(), 0);
    u64 before = 0;
    for (u64 life = 0; life < 50; life++) {
        Ring ring;
        ring.open(area());
        if (life > 0) EXPECT_EQ(read_all(ring), before);
        for (u64 k = 0; k < life; k++) ring.append(Severity::info, 1, 0, text(ring.next_sequence()));
        before = read_all(ring);
    }
}

TEST(Ring, Garbage) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 3000; round++) {
        Ring writer;
        storage.assign(storage.size(), 0);
        writer.open(area());
        for (u64 k = 0; k < 60; k++) writer.append(Severity::info, 1, 0, text(k));
        for (int flips = 0; flips < 3; flips++)
            area()[random() % (round % 2 == 0 ? 64 : area().size())] ^= static_cast<u8>(random());
        Ring ring;
        ring.open(area());
        u64 next = 0;
        while (const log::RecordHeader* record = ring.find(next)) {
            ASSERT_LE(record->length, area().size());
            next = record->sequence + 1;
        }
        for (u64 k = 0; k < 60; k++) ring.append(Severity::info, 1, 0, text(k));
    }
}

}  // namespace
