// SPDX-License-Identifier: MIT
// Range operations on Spaces. Vectors of these go in the caller's message buffer, from words[0].
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

/// Bits of MapRange::flags.
inline constexpr u32 kMapRead = 1;
inline constexpr u32 kMapWrite = 2;
inline constexpr u32 kMapExecute = 4;  ///< never together with kMapWrite, but in a Space with the jit right
inline constexpr u32 kMapReplace = 8;  ///< take the place of mappings that are there; without it: `occupied`

/// One range of space_map. Address, offset and length are multiples of the page size.
struct MapRange {
    u64 address;
    HandleIndex memory;  ///< rights read, write, execute as the flags ask
    u32 flags;
    u64 offset;
    u64 length;
};
static_assert(sizeof(MapRange) == 32);
inline constexpr usize kMaxMapRanges = 16;

/// space_share: maps in the target what the source Space maps in [address, address + length), at the same
/// addresses, with rights reduced to `rights`; `source_rights` reduces the source's own in the same step
/// (copy-on-write fork: both without kMapWrite). Needs right map on both Spaces.
struct ShareRange {
    HandleIndex source;
    u32 rights;
    u64 address;
    u64 length;
    u32 source_rights;
    u32 reserved;
};
static_assert(sizeof(ShareRange) == 32);

/// Bits of memory_create's flags.
inline constexpr u32 kMemoryContiguous = 1;  ///< physically contiguous (for DMA without an IOMMU)
inline constexpr u32 kMemoryNoZero = 2;      ///< reserved; memory is always zeroed

/// Bits of machine_device_memory's flags.
inline constexpr u32 kDeviceUncached = 0;
inline constexpr u32 kDeviceCached = 1;  ///< ordinary RAM-like (ACPI tables)

/// Of interrupt_create's flags: it is raised by a message, and not by a line.
inline constexpr u32 kInterruptMessage = 4;

/// memory_info.
struct MemoryInfo {
    u64 size;          ///< bytes
    u64 mapped_pages;  ///< mappings of its pages, in all Spaces
};

/// pool_info.
struct PoolInfo {
    u64 limit;    ///< pages given to it
    u64 used;     ///< pages in use by its objects, the limits of sub-pools included
    u64 peak;     ///< highest `used`
    u64 objects;  ///< live objects made from it, sub-pools' objects not included
};

/// space_info.
struct SpaceInfo {
    u64 mapped_pages;
    u64 table_pages;
    u64 attachments;
};

}  // namespace pith::abi
