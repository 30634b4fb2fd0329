// SPDX-License-Identifier: MIT
// What the kernel hands to root, the information page, and the boot bundle's format.
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

/// Slots of root's CapTable at its start.
enum class RootSlot : HandleIndex {
    pool = 1,  ///< all memory that the kernel does not use itself
    space = 2,
    captable = 3,
    thread = 4,
    budget = 5,  ///< unlimited, all CPUs, ceiling 255
    machine = 6,
    bundle = 7,  ///< Memory: the boot bundle, read and execute
    info = 8,    ///< Memory: the InfoPage, read only
    buffer = 9,  ///< Memory of root's message buffer
    first_free = 16,
};

inline constexpr u64
    kRootBootInfo = 0x0000'1000'0000;                 ///< where root finds its BootInfo (one page, read only)
inline constexpr u64 kRootBuffer = 0x0000'1000'1000;  ///< root's message buffer
inline constexpr u64 kRootStackTop = 0x0000'1010'0000;  ///< root's stack: 64 KiB below it
inline constexpr u64 kRootBundle = 0x0000'2000'0000;    ///< the bundle, read only
inline constexpr u64 kBootMagic = 0x3130'4854'4950'0001;

struct BootInfo {
    u64 magic;
    u64 bundle_size;  ///< bytes
    u64 memory_size;  ///< bytes of usable RAM in the machine
    u64 kernel_size;  ///< bytes that the kernel image and its boot data take
    u64 rsdp;         ///< physical address of the ACPI root pointer; 0: none
    u32 cpus;
    u32 boot_flags;
    char command_line[3072];
};
static_assert(sizeof(BootInfo) <= kPageSize);

/// The information page, readable by whoever is given its Memory. Time: nanoseconds since boot =
/// clock_base + ((tsc - tsc_base) * multiplier >> 32); retry while `sequence` is odd or has changed.
struct InfoPage {
    u32 sequence;
    u32 cpus;
    u64 tsc_base;
    u64 clock_base;
    u64 multiplier;     ///< nanoseconds a tick, 32.32 fixed point
    u64 tsc_frequency;  ///< Hz
    u64 entry_tsc;      ///< TSC at kernel entry
    u64 user_tsc;       ///< TSC at the first user instruction
};

/// The boot bundle: a header, entries, then contents, each page aligned. Segments are chained: a further
/// bundle may follow at the next page boundary after `size` bytes, and its entries add to the first one's
/// (a name that occurs twice: the last one counts).
inline constexpr u64 kBundleMagic = 0x4c44'4e42'4854'4950;  // "PITHBNDL"
struct BundleHeader {
    u64 magic;
    u64 size;  ///< bytes of this segment, a multiple of the page size
    u32 entries;
    u32 names_size;  ///< bytes of the name area that follows the entries
    u64 reserved;
};
static_assert(sizeof(BundleHeader) == 32);

enum class BundleKind : u32 { file = 0, directory = 1, symlink = 2, component = 3, data = 4 };

struct BundleEntry {
    u64 offset;       ///< of the content, from the segment's start; page aligned (symlink: of the target)
    u64 size;         ///< bytes
    u32 name_offset;  ///< in the name area; not NUL terminated
    u32 name_length;
    BundleKind kind;
    u32 mode;   ///< permission bits, for the root file system
    i64 mtime;  ///< seconds since 1970, for the root file system
    u64 reserved;
};
static_assert(sizeof(BundleEntry) == 48);
// Names: "component/NAME" an ELF executable, "component/root" the first process; "system" the compiled
// composition; "rootfs/PATH" the root file system; "run/config" what this run is to do (protocol/run.hpp).

}  // namespace pith::abi
