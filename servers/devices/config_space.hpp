// SPDX-License-Identifier: MIT
// A function's configuration space (PCI Local Bus 3.0, 6.1; PCI Express Base 5.0, 7.5), memory mapped.
#pragma once

#include "lib/driver/pci_capability.hpp"

namespace pith::devices {

// Offsets in the first 64 bytes.
inline constexpr u32 kVendor = 0x00;
inline constexpr u32 kId = 0x02;
inline constexpr u32 kCommand = 0x04;
inline constexpr u32 kClass = 0x08;  ///< revision in the low byte
inline constexpr u32 kHeaderType = 0x0e;
inline constexpr u32 kBar0 = 0x10;
inline constexpr u32 kSecondaryBus = 0x19;    ///< of a bridge
inline constexpr u32 kSubordinateBus = 0x1a;  ///< the last behind it
inline constexpr u32 kSubsystemVendor = 0x2c;
inline constexpr u32 kSubsystemId = 0x2e;

// Bits of the command register.
inline constexpr u16 kCommandMemory = 1 << 1;
inline constexpr u16 kCommandMaster = 1 << 2;
inline constexpr u16 kCommandNoLine = 1 << 10;  ///< it raises no INTx

// Capabilities.
inline constexpr u8 kCapabilityExpress = 0x10;
inline constexpr u8 kCapabilityMsi = 0x05;
inline constexpr u8 kCapabilityMsix = 0x11;

// PCI Express capability (7.5.3).
inline constexpr u32 kExpressDeviceCapabilities = 4;
inline constexpr u32 kFunctionReset = u32{1} << 28;
inline constexpr u32 kExpressDeviceControl = 8;
inline constexpr u16 kInitiateReset = 1 << 15;
inline constexpr u32 kExpressDeviceStatus = 10;
inline constexpr u16 kTransactionsPending = 1 << 5;

// MSI capability (7.7.1). Of several messages only the first is used.
inline constexpr u32 kMsiControl = 2;
inline constexpr u16 kMsiEnable = 1 << 0;
inline constexpr u16 kMsiMessages = 7 << 4;
inline constexpr u16 kMsiWide = 1 << 7;   ///< its address has 64 bits
inline constexpr u16 kMsiMasks = 1 << 8;  ///< it has a mask a message, behind the data
inline constexpr u32 kMsiAddress = 4;

// MSI-X capability (7.7.2).
inline constexpr u32 kMsixControl = 2;
inline constexpr u16 kMsixSize = 0x7ff;  ///< entries less one
inline constexpr u16 kMsixMaskAll = 1 << 14;
inline constexpr u16 kMsixEnable = 1 << 15;
inline constexpr u32 kMsixTable = 4;  ///< BAR in the low three bits
inline constexpr u32 kMsixPending = 8;
inline constexpr u64 kMsixEntrySize = 16;

/// One function's registers; each access has the width that it says.
class ConfigSpace {
  public:
    explicit ConfigSpace(u64 address) : base_(address) {}
    u8 read8(u32 offset) const { return *at<u8>(offset); }
    u16 read16(u32 offset) const { return *at<u16>(offset); }
    u32 read32(u32 offset) const { return *at<u32>(offset); }
    void write16(u32 offset, u16 value) const { *at<u16>(offset) = value; }
    void write32(u32 offset, u32 value) const { *at<u32>(offset) = value; }

  private:
    template <typename T>
    volatile T* at(u32 offset) const {
        return reinterpret_cast<volatile T*>(base_ + offset);
    }
    u64 base_;
};

/// The offset of the first capability with that number; 0: none. `Config` reads as ConfigSpace does.
template <typename Config>
u32 find_capability(const Config& config, u8 number) {
    const auto read8 = [&](u32 offset) { return config.read8(offset); };
    return find_pci_capability(read8, [&](u32 at) { return read8(at) == number; });
}

}  // namespace pith::devices
