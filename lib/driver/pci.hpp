// SPDX-License-Identifier: MIT
// A PCI device of this driver's, from the devices server (protocol/device.hpp): what is in its configuration space, its
// registers, its interrupts, and memory that it can move data in.
#pragma once

#include "lib/driver/registers.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/device.hpp"

namespace pith {

/// Part of a BAR, mapped.
class PciRegion {
  public:
    PciRegion() = default;
    PciRegion(Mapping&& mapping, u64 skipped, u64 size)
        : mapping_(std::move(mapping)), skipped_(skipped), size_(size) {}
    bool valid() const { return mapping_.valid(); }
    u64 size() const { return size_; }
    /// Its registers from byte `offset` on, which must be below `size`.
    MmioBlock registers(u64 offset = 0) const { return MmioBlock(mapping_.as<u8>(skipped_ + offset)); }

  private:
    Mapping mapping_;
    u64 skipped_ = 0;  ///< from the mapping's first byte to the part's
    u64 size_ = 0;
};

/// Memory that the device and we see. It outlives the driver, with what is in it.
struct DmaMemory {
    Handle<Memory> memory;
    Mapping mapping;
    u64 address = 0;  ///< the device's for its first byte
    u64 size = 0;
};

class PciDevice {
  public:
    /// The driver's device number `index` (not_found: there is none), without opening it. `client` must outlive it.
    static Result<PciDevice> find(const Client<Devices>& client, u64 index);

    /// Resets it and turns it on. Before anything below; again to begin anew. What was had from it stays good, but
    /// interrupts have to be asked for again.
    Result<> open();
    /// Stops it: nothing that it was told to do goes on. Until the next `open`.
    Result<> close();
    const Devices::Find::Reply& identity() const { return identity_; }
    /// What its configuration space held at the opening.
    u8 config8(u32 offset) const { return static_cast<u8>(word(offset) >> offset % 4 * 8); }
    u16 config16(u32 offset) const { return static_cast<u16>(word(offset) >> (offset & 2) * 8); }
    u32 config32(u32 offset) const { return word(offset); }
    u64 bar_size(u32 bar) const { return bar < Devices::kBars ? opened_.bar_sizes[bar] : 0; }
    u64 interrupts() const { return opened_.interrupts; }
    /// [offset, offset + size) of a BAR. invalid: it doesn't reach so far; access: the table of interrupts is in it.
    Result<PciRegion> map(u32 bar, u64 offset, u64 size) const;
    /// The interrupt that its message `number` raises: for InterruptLine.
    Result<Handle<Interrupt>> interrupt(u32 number) const;
    /// Memory under a name of the driver's choice; the same for the same name, also after a restart. `size` 0: as large as it
    /// was; not_found: it never was.
    Result<DmaMemory> dma_memory(u64 key, u64 size) const;

  private:
    u32 word(u32 offset) const { return offset < 256 ? config_.words[offset / 4] : ~u32{0}; }
    const Client<Devices>* client_ = nullptr;
    Devices::Find::Reply identity_{};
    Devices::Open::Reply opened_{};
    Devices::Configuration::Reply config_{};
};

}  // namespace pith
