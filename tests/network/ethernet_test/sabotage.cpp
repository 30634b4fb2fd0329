// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/sabotage.hpp"

#include "lib/base/round.hpp"
#include "lib/driver/acpi.hpp"
#include "lib/driver/pci_capability.hpp"
#include "lib/driver/virtio/registers.hpp"
#include "lib/os/start_info.hpp"

namespace pith::test {

using namespace virtio;

namespace {

constexpr u32 kInterface = 0x1041'1af4;
constexpr u64 kDeviceSize = 8 * abi::kPageSize;

Result<Mapping> map_device_page(const Handle<Machine>& machine, u64 address, Owned<Memory>& memory) {
    memory = PITH_TRY(machine.device_memory(own_pool(), address, abi::kPageSize, abi::kDeviceUncached));
    return Mapping::create(memory, 0, abi::kPageSize);
}

}  // namespace

Result<Sabotage> Sabotage::begin(const Handle<Machine>& machine) {
    const FirmwareMemory table = PITH_TRY(
        find_acpi_table({machine, own_pool(), find_start_handle("machine")->value}, "MCFG"));
    for (u64 device = 0; device < 32; device++) {
        Owned<Memory> memory;
        const Mapping configuration = PITH_TRY(
            map_device_page(machine, table.read<u64>(44) + device * kDeviceSize, memory));
        if (*configuration.as<volatile u32>() != kInterface) continue;
        const auto read8 = [&](u32 offset) { return *configuration.as<const volatile u8>(offset); };
        const u32 at = find_pci_capability(read8, [&](u32 here) {
            return read8(here) == kVendorCapability && read8(here + kCapabilityType) == kCommonConfig;
        });
        if (at == 0) return Error::not_found;
        const u64 bar = *configuration.as<volatile u32>(0x10 + 4 * read8(at + kCapabilityBar)) & ~15u;
        const u64 place = bar + *configuration.as<volatile u32>(at + kCapabilityOffset);
        Sabotage result;
        result.mapping_ = PITH_TRY(
            map_device_page(machine, round_down(place, abi::kPageSize), result.memory_));
        result.offset_ = place % abi::kPageSize;
        return result;
    }
    return Error::not_found;
}

void Sabotage::spoil() const {
    registers().write(QueueSelect{});
    registers().write(QueueDriverLow{});
    registers().write(QueueDriverHigh{});
    QueueEnable enable;
    enable.value = 2;  // there is no such value
    registers().write(enable);
}

void Sabotage::silence() const { registers().write(DeviceStatus{}); }

bool Sabotage::at_work() const {
    constexpr u8 kWorks = DeviceStatus::kDriverOk | DeviceStatus::kFeaturesOk;
    return (registers().read<DeviceStatus>().value & (kWorks | DeviceStatus::kNeedsReset)) == kWorks;
}

}  // namespace pith::test
