// SPDX-License-Identifier: MIT
// Names of a component's functions, for reports: the bundle's entry "symbols/NAME" (kSymbolsPrefix), which tools/bundle makes of the
// ELF's symbol table. A SymbolHeader, `count` SymbolEntries in the order of their addresses, then names without terminators. Looking up
// checks what it uses: a damaged table gives no names, or wrong ones.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "abi/types.hpp"

namespace pith {

inline constexpr std::string_view kSymbolsPrefix = "symbols/";
inline constexpr u64 kSymbolsMagic = 0x3130'4d59'5348'5450;

struct SymbolHeader {
    u64 magic;
    u64 count;
};

struct SymbolEntry {
    u32 address;  ///< of the first byte: components are linked below 4 GiB
    u32 size;
    u32 name_offset;  ///< from the first name
    u32 name_length;
};

/// A view of such a table, 8 aligned.
class Symbols {
  public:
    /// A function and where in it. Empty name: not known.
    struct Place {
        std::string_view name;
        u64 offset;
        u64 start;
    };

    Symbols() = default;
    explicit Symbols(std::span<const u8> bytes) {
        SymbolHeader header;
        if (bytes.size() < sizeof(header)) return;
        std::memcpy(&header, bytes.data(), sizeof(header));
        const usize room = bytes.size() - sizeof(header);
        if (header.magic != kSymbolsMagic || header.count > room / sizeof(SymbolEntry)) return;
        entries_ = {reinterpret_cast<const SymbolEntry*>(bytes.data() + sizeof(header)), header.count};
        const usize names = sizeof(header) + header.count * sizeof(SymbolEntry);
        names_ = {reinterpret_cast<const char*>(bytes.data()) + names, bytes.size() - names};
    }

    Place find(u64 address) const {
        usize low = 0;
        for (usize high = entries_.size(); low < high;) {
            const usize middle = low + (high - low) / 2;
            if (entries_[middle].address <= address) low = middle + 1;
            else high = middle;
        }
        if (low == 0) return {};
        const SymbolEntry& entry = entries_[low - 1];
        const u64 offset = address - entry.address;
        if (offset >= entry.size || entry.name_offset > names_.size() ||
            entry.name_length > names_.size() - entry.name_offset)
            return {};
        return {names_.substr(entry.name_offset, entry.name_length), offset, entry.address};
    }

  private:
    std::span<const SymbolEntry> entries_;
    std::string_view names_;
};

}  // namespace pith
