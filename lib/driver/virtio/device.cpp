// SPDX-License-Identifier: MIT
#include "lib/driver/virtio/device.hpp"

#include "lib/driver/pci_capability.hpp"
#include "lib/driver/virtio/registers.hpp"
#include "lib/os/clock.hpp"

namespace pith {

using namespace virtio;

namespace {

constexpr abi::Time kResetTime = 200 * kMillisecond;

template <typename R>
void write(const PciRegion& region, typename R::Value value) {
    R r;
    r.value = value;
    region.registers().write(r);
}
template <typename R>
typename R::Value read(const PciRegion& region) {
    return region.registers().read<R>().value;
}
template <typename Low, typename High>
void write_address(const PciRegion& region, u64 address) {
    write<Low>(region, static_cast<u32>(address));
    write<High>(region, static_cast<u32>(address >> 32));
}

}  // namespace

/// The first capability of that type: the device prefers it.
Result<VirtioDevice::Place> VirtioDevice::find_place(const PciDevice& device, u8 type) {
    const auto read8 = [&](u32 offset) { return device.config8(offset); };
    const u32 at = find_pci_capability(read8, [&](u32 here) {
        return read8(here) == kVendorCapability && read8(here + kCapabilityType) == type &&
               read8(here + kCapabilityBar) < Devices::kBars;  // others are reserved: to be skipped
    });
    if (at == 0) return Error::unsupported;
    return Place{read8(at + kCapabilityBar), device.config32(at + kCapabilityOffset),
                 device.config32(at + kCapabilityLength), device.config32(at + kCapabilityMultiplier)};
}

Result<> VirtioDevice::attach(const PciDevice& device) {
    const Place common = PITH_TRY(find_place(device, kCommonConfig));
    if (common.length < kCommonSize || common.offset % 4 != 0) return Error::unsupported;
    common_ = PITH_TRY(device.map(common.bar, common.offset, kCommonSize));
    const Place notify = PITH_TRY(find_place(device, kNotifyConfig));
    if (notify.length < 2 || notify.offset % 2 != 0) return Error::unsupported;
    notify_ = PITH_TRY(device.map(notify.bar, notify.offset, notify.length));
    notify_multiplier_ = notify.multiplier;
    if (auto config = find_place(device, kDeviceConfig); config.ok() && config->offset % 4 == 0)
        config_ = PITH_TRY(device.map(config->bar, config->offset, config->length));
    return {};
}

u8 VirtioDevice::status() const { return read<DeviceStatus>(common_); }
void VirtioDevice::add_status(u8 bits) const {
    write<DeviceStatus>(common_, static_cast<u8>(status() | bits));
}
u8 VirtioDevice::generation() const { return read<ConfigGeneration>(common_); }
bool VirtioDevice::failed() const { return (status() & DeviceStatus::kNeedsReset) != 0; }

u8 VirtioDevice::read_byte(u32 offset) const { return config_.registers(offset).read<Byte>().value; }
u16 VirtioDevice::read_half(u32 offset) const { return config_.registers(offset).read<Half>().value; }
void VirtioDevice::read_words(u32 offset, u32 count, u32 (&words)[2]) const {
    for (u32 i = 0; i < count; i++) words[i] = config_.registers(offset + 4 * i).read<Word>().value;
}

Result<> VirtioDevice::reset() const {
    write<DeviceStatus>(common_, 0);
    const abi::Time deadline = now() + kResetTime;
    while (status() != 0) {
        if (now() > deadline) return Error::timed_out;
        yield_cpu();
    }
    return {};
}

Result<u64> VirtioDevice::begin(u64 wanted) {
    PITH_CHECK(reset());
    add_status(DeviceStatus::kAcknowledge);
    add_status(DeviceStatus::kDriver);
    u64 offered = 0;
    for (u32 half = 0; half < 2; half++) {
        write<DeviceFeatureSelect>(common_, half);
        offered |= u64{read<DeviceFeature>(common_)} << 32 * half;
    }
    const u64 agreed = offered & (wanted | kFeatureVersion1 | kFeatureAccessPlatform);
    if ((agreed & kFeatureVersion1) == 0) return Error::unsupported;
    for (u32 half = 0; half < 2; half++) {
        write<DriverFeatureSelect>(common_, half);
        write<DriverFeature>(common_, static_cast<u32>(agreed >> 32 * half));
    }
    add_status(DeviceStatus::kFeaturesOk);
    if ((status() & DeviceStatus::kFeaturesOk) == 0) return Error::unsupported;
    return agreed;
}

u16 VirtioDevice::queue_size(u16 queue) const {
    write<QueueSelect>(common_, queue);
    return read<QueueSize>(common_);
}

Result<> VirtioDevice::start_queue(u16 queue, const VirtqueuePlace& place) {
    if (queue >= kMaxQueues) return Error::unsupported;
    write<QueueSelect>(common_, queue);
    if (read<QueueSize>(common_) < place.size) return Error::unsupported;
    const u64 offset = read<QueueNotifyOffset>(common_) * notify_multiplier_;
    if (offset + 2 > notify_.size() || offset % 2 != 0) return Error::unsupported;
    notify_offsets_[queue] = offset;
    write<QueueSize>(common_, place.size);
    write<QueueMessage>(common_, place.message);
    if (read<QueueMessage>(common_) != place.message) return Error::unsupported;
    write_address<QueueDescriptorLow, QueueDescriptorHigh>(common_, place.address);
    write_address<QueueDriverLow, QueueDriverHigh>(common_,
                                                   place.address + Virtqueue::available_offset(place.size));
    write_address<QueueDeviceLow, QueueDeviceHigh>(common_,
                                                   place.address + Virtqueue::used_offset(place.size));
    write<QueueEnable>(common_, 1);
    return {};
}

Result<> VirtioDevice::set_config_message(u16 message) {
    write<ConfigMessage>(common_, message);
    return read<ConfigMessage>(common_) == message ? Result<>() : Result<>(Error::unsupported);
}

void VirtioDevice::ready() { add_status(DeviceStatus::kDriverOk); }

void VirtioDevice::notify(u16 queue) const {
    if (queue >= kMaxQueues) return;
    Notify number;
    number.value = queue;
    notify_.registers(notify_offsets_[queue]).write(number);
}

}  // namespace pith
