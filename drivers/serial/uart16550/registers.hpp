// SPDX-License-Identifier: MIT
// Registers of the 16550A (National Semiconductor PC16550D data sheet, section 8).
#pragma once

#include "lib/driver/registers.hpp"

namespace pith::uart {

struct Data : Register<u8, 0> {};

struct InterruptEnable : Register<u8, 1> {
    static constexpr u8 kReceived = 1;
    static constexpr u8 kTransmitterEmpty = 2;
    static constexpr u8 kLineStatus = 4;
};

/// Read only; writing reaches FifoControl.
struct InterruptIdentity : Register<u8, 2> {
    using None = Field<0>;  ///< 1: no interrupt is pending
    using Cause = Field<1, 3>;
    using FifosOn = Field<6, 2>;  ///< 3 on a 16550A
};

struct FifoControl : Register<u8, 2> {
    static constexpr u8 kEnable = 1;
    static constexpr u8 kClearReceiver = 2;
    static constexpr u8 kClearTransmitter = 4;
    static constexpr u8 kTrigger14 = 0xc0;  ///< interrupt at 14 bytes, or after four silent ones
};

struct LineControl : Register<u8, 3> {
    static constexpr u8 k8n1 = 3;
    static constexpr u8 kDivisorAccess = 0x80;  ///< registers 0 and 1 are the divisor's halves
};

struct ModemControl : Register<u8, 4> {
    static constexpr u8 kReady = 1;
    static constexpr u8 kRequestToSend = 2;
    static constexpr u8 kInterruptsOut = 8;  ///< OUT2: connects the interrupt line on a PC
};

struct LineStatus : Register<u8, 5> {
    using Received = Field<0>;
    using Overrun = Field<1>;
    using HoldingEmpty = Field<5>;  ///< with FIFOs: the whole transmit FIFO is empty
};

struct Scratch : Register<u8, 7> {};

inline constexpr usize kFifoSize = 16;

}  // namespace pith::uart
