// SPDX-License-Identifier: MIT
// A stack as the tests see it, across the border of the module that it lives in.
#pragma once

#include <span>

#include "protocol/net.hpp"
#include "servers/net/stack/port.hpp"

namespace pith::stack {

class AnyStack {
  public:
    virtual ~AnyStack() = default;
    virtual void open(u64 session) = 0;
    virtual void attach(const InterfaceSetup& setup) = 0;
    virtual void set_link(bool up) = 0;
    virtual void receive(u64 id, std::span<u8> frame, bool checksum_good) = 0;
    virtual void round() = 0;
    virtual u64 deadline() const = 0;
    virtual bool sleep() = 0;
    virtual Net::Statistics::Reply statistics() = 0;
};

using MakeStack = AnyStack* (*)(Port& port, u8* link, u8* records);

}  // namespace pith::stack
