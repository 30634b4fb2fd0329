// SPDX-License-Identifier: MIT
// The frame table (a record for each frame of RAM) and the allocator of frames: buddies of up to 128 MiB
// under one lock (rank 50), and a cache of single frames for each CPU, used by that CPU only, without a lock.
//
// Whoever allocates has charged a Pool before. Pool limits add up to no more than the frames there are less
// what the caches can hold, so allocating a single frame cannot fail.
#pragma once

#include <span>

#include "abi/types.hpp"
#include "kernel/core/contract.hpp"
#include "kernel/core/spinlock.hpp"

namespace pith::core {

class Memory;

enum class FrameKind : u8 { reserved, free, cached, table, objects, memory, quarantine, count };

/// What the kernel knows of a frame.
struct FrameRecord {
    FrameKind kind = FrameKind::reserved;
    u8 order = 0;           ///< of the free block that starts here
    u16 pins = 0;           ///< devices that may write here
    u32 index = 0;          ///< memory: page in its Memory. objects: size class
    void* owner = nullptr;  ///< memory: the Memory. objects, table: the Pool
    u32 next = 0;           ///< free blocks; objects: slabs with room. 0: none
    u32 previous = 0;
    u16 used = 0;       ///< objects: slots in use
    u16 free_slot = 0;  ///< objects: first free slot's offset / 64, 0xffff: none
    u32 reserved = 0;
};
static_assert(sizeof(FrameRecord) == 32);

inline constexpr u32 kFrameCache = 32;  ///< frames that a CPU keeps

struct FrameCache {
    u32 frames[kFrameCache] = {};
    u32 count = 0;
};

namespace frames {

/// Builds the table from the free ranges of RAM. The table itself is cut from the largest of them.
void initialise(std::span<const PhysicalRange> free, const PhysicalRange& bundle);

/// A frame (not cleared), now of that kind; always succeeds (see above).
u64 allocate(FrameKind kind, void* owner, u32 index);
/// `count` frames in a row, which count as of that kind; 0: there is no such run. Their records are the caller's to fill in:
/// until then they are of no kind that has an owner.
u64 allocate_run(u64 count, FrameKind kind);
/// Back to this CPU's cache.
void release(u64 physical);
/// `count` frames in a row, all or a part of what allocate_run gave for that kind.
void release_run(u64 physical, u64 count, FrameKind kind);

extern FrameRecord* table;  ///< set at boot, as is its size in records
extern u64 table_size;

/// The record of a frame, null: no RAM of ours.
inline FrameRecord* record(u64 physical) {
    const u64 frame = physical >> abi::kPageShift;
    return frame < table_size ? &table[frame] : nullptr;
}
/// The Memory that a frame belongs to, null: none.
inline Memory* memory_of(u64 physical) {
    const u64 frame = physical >> abi::kPageShift;
    if (frame >= table_size || table[frame].kind != FrameKind::memory) return nullptr;
    return static_cast<Memory*>(table[frame].owner);
}
/// The record of the page that an address of the direct map is in.
FrameRecord& record_of(const void* address);
/// Frames that Pools may share out.
u64 total();
/// How many frames are of that kind.
u64 count(FrameKind kind);

}  // namespace frames

}  // namespace pith::core
