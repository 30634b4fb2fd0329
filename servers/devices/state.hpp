// SPDX-License-Identifier: MIT
// What the server leaves to its successor, in preserved Memory: the functions that it found, and what was handed out. A
// record names the slot of its object in the kept CapTable. All zero: never written. Read back it is trusted
// no further than `plausible` and the devices' own registers confirm.
#pragma once

#include "lib/driver/dmar.hpp"
#include "servers/devices/bars.hpp"

namespace pith::devices {

inline constexpr u32 kMaxFunctions = 48;
inline constexpr u32 kMaxKept = 200;
inline constexpr u32 kMaxKeptOfFunction = 12;
inline constexpr u32 kMaxDomains = 20;
inline constexpr u32 kIommuPlace = 0xffff'ffff;  ///< of what is kept for no function

// What a function's `opened` says.
inline constexpr u32 kOpen = 1;  ///< a driver has it
inline constexpr u32
    kStopped = 2;  ///< one had it when it was stopped: it is to be opened again, which resets it

struct Function {
    u32 place;  ///< segment << 16 | bus << 8 | device << 3 | function
    u16 vendor;
    u16 id;
    u16 subsystem_vendor;
    u16 subsystem_id;
    u32 class_code;
    u32 opened;   ///< 0: nobody has it; kOpen, kStopped
    u16 express;  ///< offset of the capability; 0: none
    u16 msix;
    u16 messages;  ///< entries of the MSI-X table
    u8 table_bar;
    u8 pending_bar;
    u32 table_offset;
    u32 pending_offset;
    u16 msi;  ///< offset of the capability; 0: none, or not needed
    u16 reserved;
    Bar bars[kBarCount];

    /// Messages that it can send.
    u32 interrupts() const { return msix != 0 ? messages : msi != 0 ? 1 : 0; }
};
static_assert(sizeof(Function) == 40 + kBarCount * sizeof(Bar));

enum class KeptKind : u32 {
    none = 0,
    making = 1,   ///< what is in the slot, if anything, is unknown
    region = 2,   ///< a: BAR << 56 | offset; address: where that is
    message = 3,  ///< a: number; address and data of the message
    dma = 4,      ///< a: key; size; address for the device
    tables = 5,   ///< a: number; size; address: where the IOMMU finds them
};

struct Kept {
    KeptKind kind;
    u32 owner;  ///< number of the component that it was made for
    u32 place;  ///< of the function
    u32 reserved;
    u64 a;
    u64 size;
    u64 address;
    u64 data;
};
static_assert(sizeof(Kept) == 48);

/// Where the IOMMU's tables are: physical addresses of pages in Memories of kind `tables`. They are believed as far as walking
/// the tables confirms them (servers/devices/iommu).
struct IommuState {
    u64 root;  ///< 0: it was not turned on
    u64 status;
    u64 queues[Dmar::kMaxUnits];
    u64 tops[kMaxDomains];  ///< of domain n + 1; 0: there is none
};

inline constexpr u64 kStateMagic = 0x3130'5645'4449'4350;

struct State {
    u64 magic;
    u64 function_count;
    Function functions[kMaxFunctions];
    Kept kept[kMaxKept];  ///< number n is in slot n + 1
    IommuState iommu;
};

/// Nothing in it could lead outside of anything.
inline bool plausible(const State& state) {
    if (state.magic != kStateMagic || state.function_count > kMaxFunctions) return false;
    for (u64 i = 0; i < state.function_count; i++) {
        const Function& f = state.functions[i];
        if (f.express > 0xfc || f.msix > 0xfc || f.msi > 0xf0 || f.messages > 2048 ||
            f.table_bar >= kBarCount || f.pending_bar >= kBarCount ||
            (i != 0 && f.place <= state.functions[i - 1].place))
            return false;
        const u64 table_end = u64{f.table_offset} + f.messages * kMsixEntrySize;
        if (f.messages != 0 && table_end > f.bars[f.table_bar].size) return false;
        for (const Bar& bar : f.bars)
            if ((bar.size & (bar.size - 1)) != 0 || bar.address + bar.size < bar.address) return false;
    }
    for (const Kept& kept : state.kept) {
        if (kept.kind > KeptKind::tables) return false;
        // A message is a write to memory: it goes to an interrupt controller (Intel SDM volume 3, 11.11.1).
        if (kept.kind == KeptKind::message && (kept.address >> 20 != 0xfee || kept.data > 0xffff))
            return false;
    }
    return true;
}

}  // namespace pith::devices
