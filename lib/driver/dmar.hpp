// SPDX-License-Identifier: MIT
// The firmware's word on DMA remapping: ACPI's DMAR table (Intel VT-d 3.0, 8.1). It is not trusted further than it makes
// sense: what is in it leads to registers that get mapped.
#pragma once

#include <span>

#include "lib/base/result.hpp"

namespace pith {

/// A remapping hardware unit (8.3).
struct DmarUnit {
    u64 registers;              ///< physical address of its first page of registers
    u64 size;                   ///< bytes of them, as the table says
    u16 segment;                ///< of PCI
    bool all;                   ///< it has every device of the segment that no other unit names
    std::span<const u8> scope;  ///< those that it names, in the table (8.3.1)
};

/// The buses behind a bridge.
struct DmarBuses {
    u32 first, last;  ///< first > last: there are none
};

/// Whether such a scope names the function `bus << 8 | device << 3 | function`. `behind(function)`: the buses behind a bridge
/// of the segment. Every bridge on a path costs a call.
template <typename Behind>
bool dmar_names(std::span<const u8> scope, u32 function, const Behind& behind);

struct Dmar {
    static constexpr u32 kMaxUnits = 8;
    u32 address_bits;  ///< of the widest address that devices may use
    u32 unit_count;
    DmarUnit units[kMaxUnits];

    std::span<const DmarUnit> all() const { return {units, unit_count}; }
    /// The function of that segment has a unit.
    template <typename Behind>
    bool covers(u16 segment, u32 function, const Behind& behind) const {
        for (const DmarUnit& unit : all())
            if (unit.segment == segment && (unit.all || dmar_names(unit.scope, function, behind)))
                return true;
        return false;
    }
};

/// `table`: all of it, header included; it has to stay where it is. Errors: protocol: it makes no sense; no_space: it has more units than
/// we know to drive.
Result<Dmar> parse_dmar(std::span<const u8> table);

namespace dmar {

/// An entry of a scope: type, length, two bytes, an identifier, the bus that it begins on; then device and function of each step.
inline constexpr usize kScopeHeader = 6;
inline constexpr u8 kEndpoint = 1;
inline constexpr u8 kBridge = 2;  ///< and all behind it
/// The length of the entry that a scope begins with; 0: it makes no sense.
inline usize entry_length(std::span<const u8> scope) {
    if (scope.size() < kScopeHeader) return 0;
    const usize length = scope[1];
    return length <= kScopeHeader || length % 2 != 0 || length > scope.size() ? 0 : length;
}

}  // namespace dmar

template <typename Behind>
bool dmar_names(std::span<const u8> scope, u32 function, const Behind& behind) {
    for (usize length; (length = dmar::entry_length(scope)) != 0; scope = scope.subspan(length)) {
        const u8 type = scope[0];
        if (type != dmar::kEndpoint && type != dmar::kBridge) continue;
        u32 bus = scope[5], place = 0;
        bool there = true;
        for (usize at = dmar::kScopeHeader; at < length && there; at += 2) {
            place = bus << 8 | (scope[at] & 31u) << 3 | (scope[at + 1] & 7u);
            if (at + 2 == length) break;
            const DmarBuses buses = behind(place);
            there = buses.first <= buses.last;
            bus = buses.first;
        }
        if (!there) continue;
        if (place == function) return true;
        if (type != dmar::kBridge) continue;
        const DmarBuses buses = behind(place);
        if (buses.first <= function >> 8 && function >> 8 <= buses.last) return true;
    }
    return false;
}

}  // namespace pith
