// SPDX-License-Identifier: MIT
#include "lib/driver/acpi.hpp"

#include <cstring>

#include "lib/base/round.hpp"

namespace pith {

namespace {

constexpr u32 kHeaderSize = 36;
constexpr u32 kLongestTable = 1 << 20;

}  // namespace

Result<FirmwareMemory> FirmwareMemory::open(const FirmwareAccess& access, u64 address, u64 size) {
    const u64 start = round_down(address, abi::kPageSize);
    const u64 length = round_up(address + size - start, abi::kPageSize);
    FirmwareMemory window;
    window.memory_ = PITH_TRY(access.machine.device_memory(access.pool, start, length, abi::kDeviceCached));
    window.mapping_ = PITH_TRY(Mapping::create(window.memory_, 0, length, abi::kMapRead));
    window.at_ = address - start;
    window.size_ = size;
    return window;
}

Result<FirmwareMemory> open_acpi_table(const FirmwareAccess& access, u64 address) {
    const FirmwareMemory header = PITH_TRY(FirmwareMemory::open(access, address, kHeaderSize));
    const u32 length = header.read<u32>(4);
    if (length < kHeaderSize || length > kLongestTable) return Error::protocol;
    return FirmwareMemory::open(access, address, length);
}

Result<FirmwareMemory> find_acpi_table(const FirmwareAccess& access, std::string_view signature) {
    if (access.rsdp == 0) return Error::not_found;
    const FirmwareMemory rsdp = PITH_TRY(FirmwareMemory::open(access, access.rsdp, kHeaderSize));
    if (std::memcmp(rsdp.bytes(), "RSD PTR ", 8) != 0) return Error::protocol;
    const bool extended = rsdp.read<u8>(15) >= 2 && rsdp.read<u64>(24) != 0;
    const FirmwareMemory list = PITH_TRY(
        open_acpi_table(access, extended ? rsdp.read<u64>(24) : rsdp.read<u32>(16)));
    const u64 step = extended ? 8 : 4;
    for (u64 at = kHeaderSize; at + step <= list.size(); at += step) {
        const u64 address = extended ? list.read<u64>(at) : list.read<u32>(at);
        const FirmwareMemory header = PITH_TRY(FirmwareMemory::open(access, address, kHeaderSize));
        if (std::memcmp(header.bytes(), signature.data(), 4) == 0) return open_acpi_table(access, address);
    }
    return Error::not_found;
}

}  // namespace pith
