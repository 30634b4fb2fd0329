// SPDX-License-Identifier: MIT
// From a device's interrupt to the first instruction of its driver. The device is counter 0 of the interval timer (Intel
// 8254 data sheet), which this thread starts. What is interrupted is a spinning thread in a second address space, the
// driver is a more urgent thread in a third: neither has I/O ports, whose opening and closing is not what is measured.
//
// The instant: the thread that is interrupted does nothing but read the time stamp counter. What it has read last is
// at most one turn of its loop (six instructions) before the interrupt: a value is never too small, and at most
// by so much too large.
#include <algorithm>

#include "bench/ipc/timer.hpp"

namespace pith::bench {
namespace {

constexpr u32 kShortest = 24, kLongest = 6000;  // counts, of 838 ns
constexpr u64 kBit = 1;

struct Driver {
    abi::HandleIndex signal;
    volatile u64 woken = 0;  ///< ticks at its first instruction; 0: not yet
};

void drive(void* argument) {
    auto& driver = *static_cast<Driver*>(argument);
    for (;;) {
        const Error error = invoke(abi::Syscall::signal_wait, driver.signal, kBit).error;
        const u64 now = ticks();
        must(error, "cannot wait");
        driver.woken = now;
    }
}

/// Reads the counter until the driver has run; gives the low half of what was read last before that, 0: it had run already.
/// The interrupt comes anywhere in the loop: its four instructions are the measurement's uncertainty.
u32 spin_until(const volatile u64& woken) {
    u32 before = 0, now = 0;
    asm volatile(
        "1: mov %1, %0\n"
        "rdtsc\n"
        "cmpq $0, %2\n"
        "je 1b\n"
        : "+r"(before), "+a"(now)
        : "m"(woken)
        : "rdx", "cc", "memory");
    return before;
}

struct Spinner {
    abi::HandleIndex start, done;
    Driver* driver;
    volatile u32 last = 0;  ///< low half of ticks
};

void spin(void* argument) {
    auto& spinner = *static_cast<Spinner*>(argument);
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, spinner.start, kBit).error, "cannot wait");
        spinner.last = spin_until(spinner.driver->woken);
        must(invoke(abi::Syscall::signal_notify, spinner.done, kBit).error, "cannot notify");
    }
}

}  // namespace

void irq_wake(Context& c) {
    const auto ports = open_counter(c.pool, own_space());
    const auto interrupt = must(machine().create_interrupt(c.pool, kCounterLine, 0), "no interrupt");
    const auto signal = must(c.pool.create_signal(), "no Signal");
    const auto start = must(c.pool.create_signal(), "no Signal");
    const auto done = must(c.pool.create_signal(), "no Signal");
    must(interrupt.bind(signal, kBit), "cannot bind the interrupt");
    Driver driver{c.other.give(signal)};
    const Partner driving(c.pool, &c.other, drive, &driver, {.priority = kPriority + 1});
    driving.wait_for(abi::ThreadState::waiting);
    const Domain third(c.pool);
    Spinner spinner{third.give(start), third.give(done), &driver};
    const Partner spinning(c.pool, &third, spin, &spinner);
    spinning.wait_for(abi::ThreadState::waiting);
    u32 counts = kShortest;
    const auto round = [&] {
        driver.woken = 0;
        must(interrupt.acknowledge(), "cannot acknowledge");
        start_counter(counts);
        must(start.notify(kBit), "cannot notify");
        static_cast<void>(must(done.wait(kBit), "cannot wait"));
    };
    measure("irq_wake", [&] {
        round();
        // The interrupt may come before the thread spins: then there was nobody to tell its instant.
        for (; spinner.last == 0; round()) counts = std::min(2 * counts, kLongest);
        return u64{static_cast<u32>(driver.woken) - spinner.last};
    });
}

}  // namespace pith::bench
