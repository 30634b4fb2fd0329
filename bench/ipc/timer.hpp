// SPDX-License-Identifier: MIT
// Counter 0 of the interval timer (Intel 8254 data sheet), as a device that interrupts when it is told to.
#pragma once

#include "bench/ipc/bench.hpp"

namespace pith::bench {

inline constexpr u32 kCounterLine = 2;  ///< where a PC's I/O APIC has the counter

/// Opens its ports to the threads of a Space, as long as the handle's object lives.
inline Handle<IoPorts> open_counter(const Handle<Pool>& pool, const HandleBase<Space>& space) {
    constexpr u16 kFirst = 0x40, kPorts = 4;
    auto ports = must(machine().create_ports(pool, kFirst, kPorts), "no ports");
    must(ports.bind(space), "cannot bind the ports");
    return ports;
}

/// Interrupts after so many counts.
inline void start_counter(u32 counts) {
    constexpr u16 kCounter = 0x40, kControl = 0x43;
    constexpr u8 kOneShot = 0x30;  // counter 0, both bytes, mode 0: the output rises at the end of the count
    const auto out8 = [](u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); };
    out8(kControl, kOneShot);
    out8(kCounter, static_cast<u8>(counts));
    out8(kCounter, static_cast<u8>(counts >> 8));
}

/// Nanoseconds of so many counts, rounded down: ticks, with icount.
inline u64 counter_ticks(u32 counts) {
    constexpr u64 kFrequency = 1'193'182, kBillion = 1'000'000'000;
    return counts * kBillion / kFrequency;
}

}  // namespace pith::bench
