// SPDX-License-Identifier: MIT
// Registers of the common configuration (virtio 1.2, 4.1.4.3), and the capabilities that say where it is (4.1.4).
#pragma once

#include "lib/driver/registers.hpp"

namespace pith::virtio {

struct DeviceFeatureSelect : Register<u32, 0x00> {};
struct DeviceFeature : Register<u32, 0x04> {};
struct DriverFeatureSelect : Register<u32, 0x08> {};
struct DriverFeature : Register<u32, 0x0c> {};
struct ConfigMessage : Register<u16, 0x10> {};
struct DeviceStatus : Register<u8, 0x14> {
    static constexpr u8 kAcknowledge = 1;
    static constexpr u8 kDriver = 2;
    static constexpr u8 kDriverOk = 4;
    static constexpr u8 kFeaturesOk = 8;
    static constexpr u8 kNeedsReset = 64;
};
struct ConfigGeneration : Register<u8, 0x15> {};
struct QueueSelect : Register<u16, 0x16> {};
struct QueueSize : Register<u16, 0x18> {};
struct QueueMessage : Register<u16, 0x1a> {};
struct QueueEnable : Register<u16, 0x1c> {};
struct QueueNotifyOffset : Register<u16, 0x1e> {};
struct QueueDescriptorLow : Register<u32, 0x20> {};
struct QueueDescriptorHigh : Register<u32, 0x24> {};
struct QueueDriverLow : Register<u32, 0x28> {};
struct QueueDriverHigh : Register<u32, 0x2c> {};
struct QueueDeviceLow : Register<u32, 0x30> {};
struct QueueDeviceHigh : Register<u32, 0x34> {};
inline constexpr u64 kCommonSize = 0x38;

/// At any place in the notification or configuration area.
struct Notify : Register<u16, 0> {};
struct Word : Register<u32, 0> {};
struct Half : Register<u16, 0> {};
struct Byte : Register<u8, 0> {};

// Types of capabilities.
inline constexpr u8 kCommonConfig = 1;
inline constexpr u8 kNotifyConfig = 2;
inline constexpr u8 kDeviceConfig = 4;

// The vendor capability's fields.
inline constexpr u8 kVendorCapability = 9;
inline constexpr u32 kCapabilityType = 3;
inline constexpr u32 kCapabilityBar = 4;
inline constexpr u32 kCapabilityOffset = 8;
inline constexpr u32 kCapabilityLength = 12;
inline constexpr u32 kCapabilityMultiplier = 16;

}  // namespace pith::virtio
