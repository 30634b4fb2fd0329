// SPDX-License-Identifier: MIT
// Registers of a remapping hardware unit (Intel VT-d 3.0, 10.4), and what it reads in memory: root and context entries
// (9.1, 9.3), and descriptors of invalidations (6.5.2).
#pragma once

#include "lib/driver/registers.hpp"

namespace pith::devices::vtd {

struct Version : Register<u32, 0x00> {  // 10.4.1
    using Major = Field<4, 4>;
};
struct Capability : Register<u64, 0x08> {  // 10.4.2
    using Domains = Field<0, 3>;           ///< 2^(4 + 2n) of them
    using NeedsWriteFlush = Field<4>;
    using CachingMode = Field<7>;  ///< it may remember that there was no entry
    using ThreeLevels = Field<9>;  ///< tables for 39 bits
    using FourLevels = Field<10>;  ///< for 48 bits
    using FaultOffset = Field<24, 10>;
    using FaultCount = Field<40, 8>;  ///< less one
};
struct ExtendedCapability : Register<u64, 0x10> {  // 10.4.3
    using Coherent = Field<0>;                     ///< it sees tables that are in the CPU's caches
    using Queue = Field<1>;
};
struct GlobalCommand : Register<u32, 0x18> {};  // 10.4.4
struct GlobalStatus : Register<u32, 0x1c> {     // 10.4.5; the bits of commands are in the same places
    static constexpr u32 kTranslation = u32{1} << 31;
    static constexpr u32 kRoot = u32{1} << 30;
    static constexpr u32 kWriteFlush = u32{1} << 27;
    static constexpr u32 kQueue = u32{1} << 26;
    static constexpr u32 kLasting = 0x96ff'ffff;  ///< what a command doesn't do just once
};
struct RootAddress : Register<u64, 0x20> {};  // 10.4.6
struct FaultStatus : Register<u32, 0x34> {    // 10.4.9
    using Overflow = Field<0>;
    using Pending = Field<1>;
    using QueueError = Field<4>;
    static constexpr u32 kClear = 0x71;  ///< all that is cleared by writing a one
};
struct FaultControl : Register<u32, 0x38> {  // 10.4.10
    static constexpr u32 kMask = u32{1} << 31;
};
struct FaultData : Register<u32, 0x3c> {};         // 10.4.11
struct FaultAddress : Register<u32, 0x40> {};      // 10.4.12
struct FaultAddressHigh : Register<u32, 0x44> {};  // 10.4.13
struct QueueTail : Register<u64, 0x88> {};         // 10.4.21
struct QueueAddress : Register<u64, 0x90> {};      // 10.4.22

// A fault recording register (10.4.14), from the place that FaultOffset says on.
struct FaultPage : Register<u64, 0> {};
struct FaultRecord : Register<u64, 8> {
    using Source = Field<0, 16>;
    using Reason = Field<32, 8>;
    using Read = Field<62>;
    using There = Field<63>;
};
struct FaultRecordHigh : Register<u32, 12> {
    static constexpr u32 kThere = u32{1} << 31;
};
inline constexpr u64 kFaultRecordSize = 16;

// A root entry's first word, and a context entry's two.
inline constexpr u64 kPresent = 1;
inline constexpr u64 kNoFaultRecords = 2;  ///< of a context entry, present or not
constexpr u64 context_width(u32 levels) { return levels - 2; }
constexpr u64 context_high(u32 levels, u32 domain) { return context_width(levels) | u64{domain} << 8; }
constexpr u32 context_domain(u64 high) { return static_cast<u32>(high >> 8 & 0xffff); }

/// An invalidation descriptor (6.5.2).
struct Descriptor {
    u64 low, high;
};
static_assert(sizeof(Descriptor) == 16);
inline constexpr u64 kAllOfThem = u64{1} << 4;
inline constexpr u64 kOfDomain = u64{2} << 4;
inline constexpr u64 kOfDevice = u64{3} << 4;
inline constexpr u64 kContexts = 1;  // 6.5.2.1
inline constexpr u64 kTranslations = 2 | u64{1} << 6 |
                                     u64{1} << 7;  // 6.5.2.3; accesses under way are waited for
inline constexpr u64 kWait = 5 | u64{1} << 5;      // 6.5.2.8; it writes a status
constexpr Descriptor forget_all_contexts() { return {kContexts | kAllOfThem, 0}; }
constexpr Descriptor forget_all_translations() { return {kTranslations | kAllOfThem, 0}; }
constexpr Descriptor forget_context(u16 source, u32 domain) {
    return {kContexts | kOfDevice | u64{domain} << 16 | u64{source} << 32, 0};
}
constexpr Descriptor forget_domain(u32 domain) { return {kTranslations | kOfDomain | u64{domain} << 16, 0}; }
constexpr Descriptor write_status(u64 address, u32 value) { return {kWait | u64{value} << 32, address}; }

}  // namespace pith::devices::vtd
