// SPDX-License-Identifier: MIT
// The firmware's tables (ACPI 6.5: 5.2.5 RSDP, 5.2.6 header, 5.2.7 RSDT, 5.2.8 XSDT). A table is mapped with the length that
// it says it has, which is checked; what is in it is copied out piece by piece.
#pragma once

#include <string_view>

#include "lib/os/mapping.hpp"

namespace pith {

/// What looking at them takes: the right to map physical memory, who pays, and where they begin.
struct FirmwareAccess {
    const Handle<Machine>& machine;  ///< right devices
    const Handle<Pool>& pool;
    u64 rsdp;  ///< physical address; 0: there are none
};

/// Physical memory that isn't ours, mapped read only for as long as the object lives.
class FirmwareMemory {
  public:
    static Result<FirmwareMemory> open(const FirmwareAccess& access, u64 address, u64 size);
    /// The T at byte `offset`; zero outside.
    template <typename T>
    T read(u64 offset) const {
        T value{};
        if (offset <= size_ && sizeof(T) <= size_ - offset)
            __builtin_memcpy(&value, mapping_.as<u8>(at_ + offset), sizeof(T));
        return value;
    }
    const u8* bytes() const { return mapping_.as<u8>(at_); }
    u64 size() const { return size_; }

  private:
    Owned<Memory> memory_;
    Mapping mapping_;
    u64 at_ = 0;
    u64 size_ = 0;
};

/// The whole table at a physical address, header included. protocol: its length can't be.
Result<FirmwareMemory> open_acpi_table(const FirmwareAccess& access, u64 address);

/// The first table with that signature of four characters. not_found.
Result<FirmwareMemory> find_acpi_table(const FirmwareAccess& access, std::string_view signature);

}  // namespace pith
