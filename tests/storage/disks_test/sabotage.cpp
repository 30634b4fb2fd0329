// SPDX-License-Identifier: MIT
#include "tests/storage/disks_test/sabotage.hpp"

#include "drivers/block/nvme/registers.hpp"
#include "lib/base/round.hpp"
#include "lib/driver/acpi.hpp"
#include "lib/driver/pci_capability.hpp"
#include "lib/driver/virtio/registers.hpp"
#include "lib/os/start_info.hpp"
#include "tests/storage/disks_test/harness.hpp"

namespace pith::test {

using namespace virtio;

namespace {

constexpr u32 kVirtioDisk = 0x1042'1af4;
constexpr u32 kNvmeDisk = 0x0010'1b36;
constexpr u64 kDeviceSize = 8 * abi::kPageSize;

/// Maps the configuration space of the first such device.
Result<> find_device(const Handle<Machine>& machine, u32 identity, Owned<Memory>& memory, Mapping& mapping) {
    const FirmwareMemory table = PITH_TRY(
        find_acpi_table({machine, own_pool(), find_start_handle("machine")->value}, "MCFG"));
    for (u64 device = 0; device < 32; device++) {
        mapping = Mapping();
        memory = PITH_TRY(machine.device_memory(own_pool(), table.read<u64>(44) + device * kDeviceSize,
                                                abi::kPageSize, abi::kDeviceUncached));
        mapping = PITH_TRY(Mapping::create(memory, 0, abi::kPageSize));
        if (*mapping.as<volatile u32>() == identity) return {};
    }
    return Error::not_found;
}

/// QEMU's controllers die of being disabled before they have taken up what they were told.
void let_it_settle() { sleep(2 * kMillisecond); }

u64 bar_address(const Mapping& configuration, u32 bar) {
    return *configuration.as<volatile u32>(0x10 + 4 * bar) & ~15u;
}

}  // namespace

Result<> Sabotage::map(const Handle<Machine>& access, u64 address) {
    const u64 first = round_down(address, abi::kPageSize);
    memory_ = PITH_TRY(access.device_memory(own_pool(), first, abi::kPageSize, abi::kDeviceUncached));
    mapping_ = PITH_TRY(Mapping::create(memory_, 0, abi::kPageSize));
    offset_ = address - first;
    return {};
}

Result<Sabotage> Sabotage::begin(const Handle<Machine>& access, std::string_view driver) {
    Owned<Memory> memory;
    Mapping mapping;
    Sabotage result;
    result.nvme_ = driver == "nvme";
    PITH_CHECK(find_device(access, result.nvme_ ? kNvmeDisk : kVirtioDisk, memory, mapping));
    if (result.nvme_) {
        PITH_CHECK(result.map(access, bar_address(mapping, 0)));
        return result;
    }
    const auto read8 = [&](u32 offset) { return *mapping.as<const volatile u8>(offset); };
    const u32 at = find_pci_capability(read8, [&](u32 here) {
        return read8(here) == kVendorCapability && read8(here + kCapabilityType) == kCommonConfig;
    });
    if (at == 0) return Error::not_found;
    const u64 offset = *mapping.as<volatile u32>(at + kCapabilityOffset);
    PITH_CHECK(result.map(access, bar_address(mapping, read8(at + kCapabilityBar)) + offset));
    return result;
}

void Sabotage::spoil() const {
    if (nvme_) {
        let_it_settle();
        // Enabled without administrative queues: a fatal error.
        registers().write(nvme::Configuration{});
        registers().write(nvme::AdminEntries{});
        registers().write(with_field<nvme::Configuration::Enable>(nvme::Configuration{}, 1));
        return;
    }
    registers().write(QueueSelect{});
    registers().write(QueueDriverLow{});
    registers().write(QueueDriverHigh{});
    QueueEnable enable;
    enable.value = 2;  // there is no such value
    registers().write(enable);
}

void Sabotage::silence() const {
    if (nvme_) {
        let_it_settle();
        registers().write(nvme::Configuration{});
    } else {
        registers().write(DeviceStatus{});
    }
}

bool Sabotage::spoilt() const {
    if (nvme_) return registers().read<nvme::AdminEntries>().value == 0;
    registers().write(QueueSelect{});
    return registers().read<QueueDriverLow>().value == 0;
}

}  // namespace pith::test
