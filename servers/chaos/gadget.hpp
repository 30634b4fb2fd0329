// SPDX-License-Identifier: MIT
// A few instructions that do the deed, put in place of what a component would run next.
#pragma once

#include <span>

#include "abi/message.hpp"
#include "abi/syscall.hpp"
#include "servers/chaos/fault.hpp"
#include "servers/chaos/random.hpp"

namespace pith::chaos {

/// Slots of a component's CapTable (its StartInfo names them).
struct Slots {
    abi::HandleIndex endpoint = 0;
    abi::HandleIndex supervisor = 0;
};

class Gadget {
  public:
    /// Of those faults that are done by instructions; for others it is empty.
    static Gadget of(Fault fault, const Slots& slots, Random& random);
    std::span<const u8> bytes() const { return {bytes_, size_}; }

  private:
    template <typename... Bytes>
    Gadget& put(Bytes... bytes) {
        ((bytes_[size_++] = static_cast<u8>(bytes)), ...);
        return *this;
    }
    Gadget& put64(u64 value);
    Gadget& syscall(abi::Syscall call, abi::HandleIndex handle, abi::Tag tag);
    /// Back to the first instruction.
    Gadget& again() { return put(0xeb, 0u - (size_ + 2)); }
    Gadget& undefined() { return put(0x0f, 0x0b); }

    u8 bytes_[96] = {};
    usize size_ = 0;
};

}  // namespace pith::chaos
