// SPDX-License-Identifier: MIT
#include "tests/storage/disks_test/sabotage.hpp"

#include "lib/base/round.hpp"
#include "lib/driver/acpi.hpp"
#include "lib/driver/pci_capability.hpp"
#include "lib/driver/virtio/registers.hpp"
#include "lib/os/start_info.hpp"

namespace pith::test {

using namespace virtio;

namespace {

constexpr u32 kDisk = 0x1042'1af4;
constexpr u64 kDeviceSize = 8 * abi::kPageSize;

Result<MmioBlock> find_disk(const Handle<Machine>& machine, Owned<Memory>& memory, Mapping& mapping) {
    const FirmwareMemory table = PITH_TRY(
        find_acpi_table({machine, own_pool(), find_start_handle("machine")->value}, "MCFG"));
    for (u64 device = 0; device < 32; device++) {
        mapping = Mapping();
        memory = PITH_TRY(machine.device_memory(own_pool(), table.read<u64>(44) + device * kDeviceSize,
                                                abi::kPageSize, abi::kDeviceUncached));
        mapping = PITH_TRY(Mapping::create(memory, 0, abi::kPageSize));
        if (*mapping.as<volatile u32>() == kDisk) return MmioBlock(mapping.as());
    }
    return Error::not_found;
}

}  // namespace

Result<Sabotage> Sabotage::begin(const Handle<Machine>& machine) {
    Owned<Memory> memory;
    Mapping mapping;
    PITH_TRY(find_disk(machine, memory, mapping));
    const auto read8 = [&](u32 offset) { return *mapping.as<const volatile u8>(offset); };
    const u32 at = find_pci_capability(read8, [&](u32 here) {
        return read8(here) == kVendorCapability && read8(here + kCapabilityType) == kCommonConfig;
    });
    if (at == 0) return Error::not_found;
    const u64 bar = *mapping.as<volatile u32>(0x10 + 4 * read8(at + kCapabilityBar)) & ~15u;
    const u64 offset = *mapping.as<volatile u32>(at + kCapabilityOffset);
    const u64 first = round_down(offset, abi::kPageSize);
    Sabotage result;
    result.memory_ = PITH_TRY(
        machine.device_memory(own_pool(), bar + first, abi::kPageSize, abi::kDeviceUncached));
    result.mapping_ = PITH_TRY(Mapping::create(result.memory_, 0, abi::kPageSize));
    result.common_ = offset - first;
    return result;
}

void Sabotage::spoil_queue() const {
    const MmioBlock common(mapping_.as<u8>(common_));
    common.write(QueueSelect{});
    common.write(QueueDriverLow{});
    common.write(QueueDriverHigh{});
    QueueEnable enable;
    enable.value = 2;  // there is no such value
    common.write(enable);
}

void Sabotage::silence() const { MmioBlock(mapping_.as<u8>(common_)).write(DeviceStatus{}); }

bool Sabotage::spoilt() const {
    const MmioBlock common(mapping_.as<u8>(common_));
    common.write(QueueSelect{});
    return common.read<QueueDriverLow>().value == 0;
}

}  // namespace pith::test
