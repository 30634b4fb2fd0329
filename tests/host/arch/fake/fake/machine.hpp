// SPDX-License-Identifier: MIT
// The simulated hardware of the host tests: RAM, CPUs with TLBs, a clock, interrupt lines, a console.
//
// One host thread plays all CPUs in turn (`Machine::current`); so a run is exactly repeatable, and inter-processor interrupts
// arrive when the test lets them. What hardware would do wrong silently fails the test loudly: `fail`.
#pragma once

#include <stdlib.h>
#include <string.h>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernel/core/contract.hpp"

namespace pith::arch::fake {

inline constexpr u64 kRamBase = 0x10'0000;
inline constexpr u32 kLines = 32;

struct Translation {
    u64 physical;
    u32 rights;
    bool dirty = false;  ///< as the entry was: then the CPU writes without setting its dirty bit again
};

struct Machine {
    using FpuState = std::array<u64, 64>;
    struct Cpu {
        bool ipi_pending = false;
        abi::Time timer = core::kNever;
        u64 root = 0;                    ///< page tables that are loaded
        std::map<u64, Translation> tlb;  ///< by page address
        FpuState fpu{};
        bool fpu_enabled = false;
        std::vector<core::PortRange> ports;
    };
    struct Line {
        bool routed = false, masked = true;
        u32 cpu = 0;
    };

    std::array<Cpu, abi::kMaxCpus> cpus;
    core::Cpu* current = nullptr;
    u32 current_index = 0;
    abi::Time now = 1000;
    std::array<Line, kLines> lines;
    std::string console;
    bool may_exit =
        false;  ///< the end of the machine is the end of this process with its status, and no failure
    char* ram = nullptr;
    u64 ram_size = 0;
    u64 windows = 0;                  ///< preemption points passed
    std::function<void()> on_window;  ///< what comes in at a preemption point

    Cpu& here() { return cpus[current_index]; }
    void load(u64 root) {
        here().root = root;
        here().tlb.clear();
    }
    void* at(u64 physical) {
        if (physical < kRamBase || physical >= kRamBase + ram_size)
            fail("access to physical memory that is not there");
        return ram + (physical - kRamBase);
    }
    u64 physical(const void* p) const {
        auto offset = static_cast<const char*>(p) - ram;
        if (offset < 0 || static_cast<u64>(offset) >= ram_size)
            fail("physical address of what is not in RAM");
        return kRamBase + static_cast<u64>(offset);
    }
    void interrupt_window() {
        windows++;
        if (on_window) on_window();
    }
    /// What user code of this CPU would find at an address: from the TLB, filled from the page tables. False: a fault.
    bool translate(u64 address, Translation& found);
    /// User code of this CPU writes to an address. False: a fault.
    bool write(u64 address);
    [[noreturn]] void fail(const char* text) const;
    [[noreturn]] void exit(u32 status) const;
    void reset(u64 bytes);
};

Machine& machine();

/// The `syscall` instruction on the current CPU: the entry, and what the exit path does with the Frame it returns.
void system_call();
/// The current thread uses the FPU, which is off.
void fpu_trap();

}  // namespace pith::arch::fake
