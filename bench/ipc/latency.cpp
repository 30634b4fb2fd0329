// SPDX-License-Identifier: MIT
// The longest that a device's interrupt has to wait for the first instruction of its driver, and the longest that the
// kernel keeps interrupts off, while less urgent threads give the kernel its longest jobs (loads.hpp), on every CPU at
// once.
//
// The device is counter 0 of the interval timer (Intel 8254 data sheet). An urgent thread starts it anew after each
// interrupt, for a count that changes each time, so that the interrupts fall everywhere in what the loads do; with
// icount its end is known exactly by the time stamp counter. The driver, in another address space, is the most urgent of
// all.
#include <algorithm>

#include "bench/ipc/loads.hpp"
#include "bench/ipc/timer.hpp"

namespace pith::bench {
namespace {

constexpr u64 kBit = 1;
constexpr u32 kShortest = 10, kSpread = 32;  // counts: 8 to 35 microseconds

/// What driver and starter share.
struct Device {
    abi::HandleIndex interrupt_signal, interrupt, to_starter;  ///< the driver's
    abi::HandleIndex from_driver;                              ///< the starter's
    volatile u64 due = 0;                                      ///< ticks
    volatile u64 worst = 0;
    volatile u64 started = 0;
    volatile u64 count = 0;        ///< interrupts that have come
    volatile bool enough = false;  ///< the starter starts it no more
};

void drive(void* argument) {
    auto& device = *static_cast<Device*>(argument);
    for (;;) {
        const Error error = invoke(abi::Syscall::signal_wait, device.interrupt_signal, kBit).error;
        const u64 now = ticks();
        must(error, "cannot wait");
        if (now < device.due) panic("an interrupt came too early");
        device.worst = std::max(u64{device.worst}, now - device.due);
        device.count = device.count + 1;
        must(invoke(abi::Syscall::interrupt_acknowledge, device.interrupt).error, "cannot acknowledge");
        must(invoke(abi::Syscall::signal_notify, device.to_starter, kBit).error, "cannot notify");
    }
}

void start_anew(void* argument) {
    auto& device = *static_cast<Device*>(argument);
    u32 random = 1;
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, device.from_driver, kBit).error, "cannot wait");
        if (device.enough) continue;
        random = random * 1'664'525 + 1'013'904'223;
        const u32 counts = kShortest + random / (~0u / kSpread + 1);
        device.started = device.started + 1;
        // Read before the count begins: an instant that is too early by the instructions between makes no value
        // too small.
        device.due = ticks() + counter_ticks(counts);
        start_counter(counts);
    }
}

using Load = void (*)(Loads& loads);
constexpr Load kLoads[] = {load_destroy, load_unmap, load_revoke, load_calls, load_fork, load_run};

/// Another CPU's loads.
struct Helper {
    abi::HandleIndex start, done;
    Loads* loads;
    volatile usize load = 0;
};

void help(void* argument) {
    auto& helper = *static_cast<Helper*>(argument);
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, helper.start, kBit).error, "cannot wait");
        kLoads[helper.load](*helper.loads);
        must(invoke(abi::Syscall::signal_notify, helper.done, kBit).error, "cannot notify");
    }
}

/// All loads, on this CPU and, if there is one, on another at the same time.
void run_loads(const Handle<Pool>& pool) {
    static Loads own(pool, 0);
    if (boot_info().cpus == 1) {
        for (const Load load : kLoads) load(own);
        return;
    }
    static Loads others(pool, 1);
    const auto start = must(pool.create_signal(), "no Signal");
    const auto done = must(pool.create_signal(), "no Signal");
    static Helper helper{start.index(), done.index(), &others};
    const Partner helping(pool, nullptr, help, &helper, {.priority = kPriority, .cpu = 1});
    helping.wait_for(abi::ThreadState::waiting);
    for (usize i = 0; i < std::size(kLoads); i++) {
        helper.load = i;
        must(start.notify(kBit), "cannot notify");
        kLoads[i](own);
        static_cast<void>(must(done.wait(kBit), "cannot wait"));
    }
}

}  // namespace

void latency(Context& c) {
    constexpr u64 kPages = 40'000;
    auto pool = must(own_pool().create_pool(kPages), "no Pool for the loads");
    const Domain third(pool);
    const auto ports = open_counter(pool, third.space());
    const auto interrupt = must(machine().create_interrupt(pool, kCounterLine, 0), "no interrupt");
    const auto signal = must(pool.create_signal(), "no Signal");
    const auto again = must(pool.create_signal(), "no Signal");
    must(interrupt.bind(signal, kBit), "cannot bind the interrupt");
    static Device device{c.other.give(signal), c.other.give(interrupt), c.other.give(again),
                         third.give(again)};
    const Partner driving(pool, &c.other, drive, &device, {.priority = kPriority + 2});
    const Partner starting(pool, &third, start_anew, &device, {.priority = kPriority + 1});
    driving.wait_for(abi::ThreadState::waiting);
    starting.wait_for(abi::ThreadState::waiting);
    must(interrupt.acknowledge(), "cannot acknowledge");
    must(again.notify(kBit), "cannot notify");
    run_loads(pool);
    device.enough = true;
    while (device.count != device.started) asm volatile("pause");
    u64 longest = 0;
    for (u32 cpu = 0; cpu < boot_info().cpus; cpu++)
        longest = std::max(longest, must(machine().cpu_counts(cpu), "no counts").longest_window);
    if (device.count == 0) panic("no interrupt came");
    u64 values[] = {device.worst};
    report_values("irq_latency_max", values);
    values[0] = longest;
    report_values("irq_off_max", values);
    must(pool.destroy(), "the loads' Pool cannot be destroyed");
}

}  // namespace pith::bench
