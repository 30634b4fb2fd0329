// SPDX-License-Identifier: MIT
// The CPUs, the check of lock ranks, and the end of everything: panic.
#include <string.h>

#include "arch/machine.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/entry.hpp"

namespace pith {

void assertion_failed(const char* text) { core::panic(text); }

namespace core {

constinit Cpu cpus[abi::kMaxCpus];
u32 cpu_count = 1;
ThreadLocks thread_locks;

namespace {
alignas(abi::kPageSize) abi::MessageBuffer spare_buffers[abi::kMaxCpus];
}

abi::MessageBuffer& spare_buffer() { return spare_buffers[this_cpu().id]; }

void spin(std::atomic<u16>& held) {
    do {
        while (held.load(std::memory_order_relaxed) != 0) arch::relax();
    } while ((held.fetch_or(1, std::memory_order_acquire) & 1) != 0);
}

void rank_acquired(Rank rank) {
    Cpu& cpu = this_cpu();
    const auto value = static_cast<u32>(rank);
    if (cpu.held_count != 0 && cpu.held_ranks[cpu.held_count - 1] >= value) panic("Locks taken out of order");
    if (cpu.held_count == std::size(cpu.held_ranks)) panic("Too many locks");
    cpu.held_ranks[cpu.held_count++] = value;
}

void rank_released(Rank rank) {
    Cpu& cpu = this_cpu();
    for (u32 i = cpu.held_count; i > 0; i--) {
        if (cpu.held_ranks[i - 1] != static_cast<u32>(rank)) continue;
        for (u32 j = i; j < cpu.held_count; j++) cpu.held_ranks[j - 1] = cpu.held_ranks[j];
        cpu.held_count--;
        return;
    }
    panic("A lock released that is not held");
}

namespace {

constexpr u32 kNobody = ~0u;
std::atomic<u32> panicking{kNobody};  // the CPU that reports

void print(const char* text) { arch::debug_write(text, strlen(text)); }

void print_hex(u64 value) {
    char text[17];
    usize at = sizeof(text);
    do text[--at] = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    text[--at] = ' ';
    arch::debug_write(text + at, sizeof(text) - at);
}

/// What this CPU did last, newest at the end.
void print_trace(const TraceRing& ring) {
    constexpr u32 kShown = 12;
    constexpr const char* kNames[] = {"none",    "switch",   "call",     "reply",  "foreign",   "to call",
                                      "to send", "to event", "to reply", "resume", "queue",     "recv",
                                      "wake",    "syscall",  "linux",    "fault",  "exception", "interrupt",
                                      "timer",   "ipi",      "spent",    "refill", "reserve",   "destroy",
                                      "end",     "mark",     "process",  "name"};
    static_assert(std::size(kNames) == static_cast<usize>(TraceKind::count));
    abi::TraceRecord records[kShown];
    u64 from = ring.end() > kShown ? ring.end() - kShown : 0;
    const u32 count = ring.read(from, records, kShown);
    print("trace (ticks, thread, what):\n");
    for (u32 i = 0; i < count; i++) {
        const abi::TraceRecord& record = records[i];
        print_hex(record.time);
        print_hex(record.thread);
        print(" ");
        print(record.kind < std::size(kNames) ? kNames[record.kind] : "?");
        print_hex(record.a);
        print_hex(record.b);
        print("\n");
    }
}

}  // namespace

void panic(const char* text) {
    u32 first = kNobody;
    if (!panicking.compare_exchange_strong(first, this_cpu().id)) {
        if (first == this_cpu().id) arch::exit_machine(kPanicExit);  // a panic in the panic
        for (;;) arch::relax();                                      // until that CPU stops this one
    }
    arch::stop_other_cpus();
    print("\nKernel panic: ");
    print(text);
    print("\n");
    arch::print_cpu_state();
    this_cpu().trace.publish();
    print_trace(this_cpu().trace);
    arch::exit_machine(kPanicExit);
    __builtin_unreachable();
}

}  // namespace core
}  // namespace pith
