// SPDX-License-Identifier: MIT
// Connections of the tests, and bytes through them that follow from their position.
#pragma once

#include <gtest/gtest.h>

#include "tests/host/net/support/world.hpp"

namespace pith::stack {

/// One direction of a connection: bytes that follow from their position.
struct Pump {
    Machine& from;
    u32 sender;
    Machine& to;
    u32 receiver;
    u64 length;
    u64 sent = 0, received = 0;
    bool wrong = false;
    u64 seed = 1;

    u8 byte(u64 at) const { return static_cast<u8>((at * 2654435761u + seed) >> 13); }
    void step(u32 most = 65536) {
        std::vector<u8> bytes(std::min<u64>(most, length - sent));
        for (u64 i = 0; i < bytes.size(); i++) bytes[i] = byte(sent + i);
        sent += from.client().send(sender, bytes.data(), static_cast<u32>(bytes.size()));
        bytes.resize(most);
        const u32 got = to.client().receive(receiver, bytes.data(), most);
        for (u32 i = 0; i < got; i++) wrong |= bytes[i] != byte(received + i);
        received += got;
    }
    bool done() const { return received == length; }
};

/// Until all has come, or for so many milliseconds: whether it has.
inline bool carry(World& world, Pump& pump, u64 milliseconds) {
    return world.run([&] { return pump.step(), pump.done(); }, milliseconds);
}

struct Pair {
    u32 listener, a, b;
};

inline Pair connect(World& world, Machine& one, Machine& two, u16 port = 80, u16 from = 4000) {
    Pair pair{};
    pair.listener = two.client().listen(port);
    world.run_for(1);
    pair.a = one.client().connect(ipv4(one.number(), from), ipv4(two.number(), port));
    EXPECT_TRUE(world.run([&] { return one.client().state(pair.a) == Net::State::established; }, 60'000));
    EXPECT_TRUE(world.run([&] { return (pair.b = two.client().accept(pair.listener)) != 0; }, 60'000));
    return pair;
}

}  // namespace pith::stack
