// SPDX-License-Identifier: MIT
#include "lib/driver/dmar.hpp"

#include <cstring>

#include "abi/types.hpp"

namespace pith {

namespace {

constexpr usize kStructures = 48;  // behind the header, the width, flags and ten reserved bytes
constexpr usize kLengthAt = 4;
constexpr usize kWidthAt = 36;
constexpr u64 kPhysicalEnd = u64{1} << 46;  // of what the kernel maps

// Types of structures (8.2), and a unit's fields.
constexpr u16 kTypeUnit = 0;
constexpr usize kStructureHeader = 4;
constexpr usize kUnitSize = 16;
constexpr u8 kIncludeAll = 1;

template <typename T>
T read(std::span<const u8> bytes, usize at) {
    T value{};
    if (at <= bytes.size() && sizeof(T) <= bytes.size() - at)
        std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
}

u8 sum(std::span<const u8> bytes) {
    u8 total = 0;
    for (const u8 byte : bytes) total = static_cast<u8>(total + byte);
    return total;
}

/// The devices that a unit names: each entry must have its path within the structure.
bool scope_sound(std::span<const u8> scope) {
    while (!scope.empty()) {
        const usize length = dmar::entry_length(scope);
        if (length == 0) return false;
        scope = scope.subspan(length);
    }
    return true;
}

bool overlap(const DmarUnit& a, const DmarUnit& b) {
    return a.registers < b.registers + b.size && b.registers < a.registers + a.size;
}

Result<> add_unit(Dmar& dmar, std::span<const u8> structure) {
    if (structure.size() < kUnitSize || !scope_sound(structure.subspan(kUnitSize))) return Error::protocol;
    DmarUnit unit{};
    unit.all = (structure[4] & kIncludeAll) != 0;
    unit.size = abi::kPageSize << (structure[5] & 15);
    unit.segment = read<u16>(structure, 6);
    unit.registers = read<u64>(structure, 8);
    unit.scope = structure.subspan(kUnitSize);
    if (unit.registers == 0 || unit.registers % abi::kPageSize != 0 || unit.registers >= kPhysicalEnd ||
        unit.size > kPhysicalEnd - unit.registers)
        return Error::protocol;
    for (const DmarUnit& other : dmar.all()) {
        // The one for all comes last in its segment.
        if (overlap(unit, other) || (other.all && other.segment == unit.segment)) return Error::protocol;
    }
    if (dmar.unit_count == Dmar::kMaxUnits) return Error::no_space;
    dmar.units[dmar.unit_count++] = unit;
    return {};
}

}  // namespace

Result<Dmar> parse_dmar(std::span<const u8> table) {
    if (table.size() < kStructures || std::memcmp(table.data(), "DMAR", 4) != 0 ||
        read<u32>(table, kLengthAt) != table.size() || sum(table) != 0)
        return Error::protocol;
    Dmar dmar{};
    dmar.address_bits = table[kWidthAt] + 1u;
    if (dmar.address_bits < 32 || dmar.address_bits > 64) return Error::protocol;
    for (std::span<const u8> rest = table.subspan(kStructures); !rest.empty();) {
        const usize length = read<u16>(rest, 2);
        if (length < kStructureHeader || length > rest.size()) return Error::protocol;
        if (read<u16>(rest, 0) == kTypeUnit) PITH_CHECK(add_unit(dmar, rest.first(length)));
        rest = rest.subspan(length);
    }
    if (dmar.unit_count == 0) return Error::protocol;
    return dmar;
}

}  // namespace pith
