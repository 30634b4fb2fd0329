// SPDX-License-Identifier: MIT
// Two machines that send each other datagrams.
#pragma once

#include <gtest/gtest.h>

#include "tests/host/net/support/world.hpp"

namespace pith::stack {

struct Datagrams : testing::Test {
    World world{1};
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    Net::Datagram header{};
    std::vector<u8> bytes;

    bool receive(Machine& machine, u32 socket) {
        return world.run([&] { return machine.client().receive_datagram(socket, header, bytes); }, 5'000);
    }
};

}  // namespace pith::stack
