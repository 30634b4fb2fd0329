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

void panic(const char* text) {
    arch::stop_other_cpus();
    const auto print = [](const char* what) { arch::debug_write(what, strlen(what)); };
    print("\nKernel panic: ");
    print(text);
    print("\n");
    arch::print_cpu_state();
    arch::exit_machine(125);
    __builtin_unreachable();
}

}  // namespace core
}  // namespace pith
