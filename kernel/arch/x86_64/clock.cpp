// SPDX-License-Identifier: MIT
// Measuring the TSC (see clock.hpp). The reference is the HPET's counter, else the ACPI timer's, else a guess from CPUID.
#include "kernel/arch/x86_64/clock.hpp"

#include "arch/cpu.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/acpi/acpi.hpp"
#include "kernel/platform/apic/local_apic.hpp"
#include "kernel/platform/physical.hpp"

namespace pith::arch {
namespace {

constexpr u64 kNanoseconds = 1'000'000'000;
constexpr u64 kFirstMeasure = 200'000;      // nanoseconds
constexpr u64 kSecondMeasure = 20'000'000;  // then ten times as long, again and again
constexpr u64 kLastMeasure = 20 * kNanoseconds;
constexpr u64 kPmTimerFrequency = 3'579'545;
constexpr u64 kFemtoPerNano = 1'000'000;

/// A counter of known frequency. Its width says how long a stretch can be measured.
struct Reference {
    volatile u8* hpet = nullptr;
    u16 pm_port = 0;
    u32 bits = 0;
    u64 frequency = 0;

    bool present() const { return bits != 0; }
    u64 mask() const { return bits >= 64 ? ~u64{0} : (u64{1} << bits) - 1; }
    u64 read() const {
        if (hpet != nullptr) return *reinterpret_cast<volatile u32*>(hpet + 0xf0);
        return in32(pm_port) & mask();
    }
};

/// TSC, reference and local timer at one moment.
struct Sample {
    u64 tsc, reference;
    u32 timer;
};

constinit Reference reference;
constinit Sample first{};
constinit u64 next_measure = ~u64{0};
constinit u64 measure_length = kSecondMeasure;

Reference find_reference(const platform::MachineDescription& machine) {
    Reference r;
    if (machine.hpet != 0) {
        auto* registers = static_cast<volatile u8*>(platform::map_device(machine.hpet, abi::kPageSize));
        u64 capabilities = *reinterpret_cast<volatile u64*>(registers);
        u64 period = capabilities >> 32;  // femtoseconds
        if (period != 0 && period <= 100 * kFemtoPerNano) {
            *reinterpret_cast<volatile u64*>(registers + 0x10) |= 1;  // counts
            r.hpet = registers;
            r.bits = 32;
            r.frequency = kNanoseconds * kFemtoPerNano / period;
            return r;
        }
    }
    if (machine.pm_timer != 0) {
        r.pm_port = machine.pm_timer;
        r.bits = machine.pm_timer_32 ? 32 : 24;
        r.frequency = kPmTimerFrequency;
    }
    return r;
}

/// The reference is read between two looks at the TSC; of a few tries the closest counts.
Sample take_sample() {
    Sample best{};
    u64 best_gap = ~u64{0};
    for (int i = 0; i < 4; i++) {
        u64 before = read_tsc();
        u64 value = reference.read();
        u32 timer = platform::LocalApic::timer();
        u64 after = read_tsc();
        if (after - before < best_gap) {
            best_gap = after - before;
            best = {before + (after - before) / 2, value, timer};
        }
    }
    return best;
}

/// a * b / c, which must fit in 64 bits.
u64 multiply_divide(u64 a, u64 b, u64 c) {
    u64 low, high;
    asm("mulq %3\n\tdivq %4" : "=&a"(low), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return low;
}

/// Hertz, from the ticks of both counters over one stretch; and from that nanoseconds a tick, 32.32.
u64 frequency_of(u64 ticks, u64 reference_ticks) {
    return multiply_divide(ticks, reference.frequency, reference_ticks);
}
u64 multiplier_of(u64 frequency) { return (kNanoseconds << 32) / frequency; }

/// An emulator that counts instructions has a TSC of exactly 1 GHz: taken for that if within what can be resolved.
u64 snap(u64 frequency, u64 reference_ticks) {
    u64 tolerance = kNanoseconds / reference_ticks * 4 + 1;
    return frequency + tolerance > kNanoseconds && frequency < kNanoseconds + tolerance ? kNanoseconds
                                                                                        : frequency;
}

u64 guessed_frequency() {
    u32 last = cpuid(0).eax;
    if (last >= 0x15) {
        auto ratio = cpuid(0x15);
        if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0) return u64{ratio.ecx} * ratio.ebx / ratio.eax;
    }
    if (last >= 0x16 && cpuid(0x16).eax != 0) return u64{cpuid(0x16).eax & 0xffff} * 1'000'000;
    return kNanoseconds;
}

}  // namespace

constinit Clock clock{};

void init_clock(const platform::MachineDescription& machine, u64 entry_tsc) {
    reference = find_reference(machine);
    u64 tsc_frequency = guessed_frequency();
    u64 timer_frequency = kNanoseconds;
    if (reference.present()) {
        platform::LocalApic::set_timer(~u32{0});
        first = take_sample();
        u64 wait = kFirstMeasure * reference.frequency / kNanoseconds;
        while (((reference.read() - first.reference) & reference.mask()) < wait) relax();
        Sample second = take_sample();
        platform::LocalApic::set_timer(0);
        u64 elapsed = (second.reference - first.reference) & reference.mask();
        tsc_frequency = snap(frequency_of(second.tsc - first.tsc, elapsed), elapsed);
        timer_frequency = snap(frequency_of(first.timer - second.timer, elapsed), elapsed);
    }
    clock.tsc_base = entry_tsc;
    clock.clock_base = 0;
    clock.multiplier = multiplier_of(tsc_frequency);
    clock.tsc_frequency = tsc_frequency;
    clock.timer_multiplier = multiply_divide(timer_frequency, u64{1} << 32, kNanoseconds);
    if (reference.present()) next_measure = now() + kSecondMeasure;
}

void refine_clock() {
    abi::Time time = now();
    if (time < next_measure) return;
    Sample sample = take_sample();
    u64 elapsed = (sample.reference - first.reference) & reference.mask();
    // Too late for the reference's width: it may have wrapped. Start again from here.
    u64 longest = reference.mask() / reference.frequency * kNanoseconds / 2;
    if (scale(sample.tsc - first.tsc, clock.multiplier) > longest) {
        first = sample;
        next_measure = time + measure_length;
        return;
    }
    u64 frequency = snap(frequency_of(sample.tsc - first.tsc, elapsed), elapsed);
    u32 sequence = clock.sequence.load(std::memory_order_relaxed);
    u64 tsc = read_tsc();
    u64 reached = clock.clock_base + scale(tsc - clock.tsc_base, clock.multiplier);
    clock.sequence.store(sequence + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    clock.tsc_base = tsc;
    clock.clock_base = reached;
    clock.multiplier = multiplier_of(frequency);
    clock.tsc_frequency = frequency;
    clock.sequence.store(sequence + 2, std::memory_order_release);
    core::clock_changed(tsc, reached, clock.multiplier, frequency);
    bool more = measure_length < kLastMeasure && measure_length < longest / 10;
    if (more) measure_length *= 10;
    next_measure = more ? time + measure_length : ~u64{0};
}

}  // namespace pith::arch
