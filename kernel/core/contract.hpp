// SPDX-License-Identifier: MIT
// The few types that the core and an architecture share and that depend on neither.
#pragma once

#include "abi/types.hpp"
#include "lib/base/result.hpp"

/// Of a function that keeps no register for its caller: saves pushing them where the caller has few to keep, or none as in an
/// entry. The address sanitizer's frames need one of them.
#if __has_feature(address_sanitizer)
#define PITH_KEEPS_NONE
#else
#define PITH_KEEPS_NONE [[clang::preserve_none]]
#endif

namespace pith::arch {
struct Frame;
/// What an architecture's assembler code knows of the layout of the core's classes.
struct Offsets;
}  // namespace pith::arch

namespace pith::core {

struct Cpu;
struct Thread;
class Pool;

inline constexpr abi::Time kNever = ~u64{0};

/// How a page is cached.
enum class Cache : u8 { normal, uncached };

struct PortRange {
    u16 first;
    u16 last;  ///< inclusive
};

/// Where page tables come from: whole zeroed pages of one Pool, counted as tables.
class TableSource {
  public:
    explicit TableSource(Pool& pool) : pool_(pool) {}
    /// Physical address of a page of zeros, or no_memory.
    Result<u64> allocate();
    void release(u64 physical);
    /// Pages allocated less pages released through this.
    i64 balance() const { return balance_; }

  private:
    Pool& pool_;
    i64 balance_ = 0;
};

struct PhysicalRange {
    u64 base;
    u64 size;
};

/// What the architecture tells the core at boot. All of it must stay in place (kernel image or reserved
/// memory).
struct BootParameters {
    const PhysicalRange* free;  ///< RAM that nobody uses: page aligned, ascending, in the direct map
    usize free_count;
    PhysicalRange bundle;  ///< the boot bundle's pages: RAM, not in `free`
    u64 memory_size;       ///< bytes of usable RAM in the machine
    u64 kernel_size;       ///< bytes of the kernel image and boot data
    u64 rsdp;
    u32 cpus;  ///< that are there; the boot CPU is 0. Others call main_other_cpu when they are up
    u32 boot_flags;
    const char* command_line;  ///< NUL terminated
    u64 entry_tsc;
    u64 tsc_base, clock_base, multiplier, tsc_frequency;  ///< as in abi::InfoPage
};

/// What a user instruction did wrong.
struct FaultInfo {
    bool page_fault;
    u64 address;     ///< page fault, and others that have one
    u64 access;      ///< abi::FaultAccess bits of a page fault
    u64 vector;      ///< the processor's
    u64 error_code;  ///< the processor's
};

}  // namespace pith::core

namespace pith::arch {
/// The structure of the CPU that runs this.
core::Cpu& this_cpu();
}  // namespace pith::arch
