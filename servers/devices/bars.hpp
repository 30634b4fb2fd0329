// SPDX-License-Identifier: MIT
// Base address registers (PCI Local Bus 3.0, 6.2.5.1): how large they are, and where there is room for them. What is
// here touches no hardware but through `Config`, and is tested on the host.
//
// A place is a multiple of the BAR's size and at least a page, so that no two functions share a page. Firmware's
// choices stay where they keep to that.
#pragma once

#include "lib/base/result.hpp"
#include "lib/base/round.hpp"
#include "servers/devices/config_space.hpp"

namespace pith::devices {

inline constexpr u32 kBarCount = 6;

struct Bar {
    u64 address;  ///< 0: it has no place
    u64 size;     ///< bytes; 0: no BAR, or one of ports
    u32 wide;     ///< 1: it has 64 bits, and takes the next register too
    u32 reserved;
};

/// Reads and measures all BARs of a function with an ordinary header. It must not answer in memory meanwhile.
template <typename Config>
void measure_bars(const Config& config, Bar (&bars)[kBarCount]) {
    for (u32 i = 0; i < kBarCount; i++) bars[i] = Bar{};
    for (u32 i = 0; i < kBarCount; i++) {
        const u32 offset = kBar0 + 4 * i;
        const u32 low = config.read32(offset);
        if ((low & 1) != 0) continue;  // ports
        const bool wide = (low & 6) == 4 && i + 1 < kBarCount;
        const u32 high = wide ? config.read32(offset + 4) : 0;
        config.write32(offset, ~u32{0});
        if (wide) config.write32(offset + 4, ~u32{0});
        const u64 ones = (config.read32(offset) & ~u64{15}) |
                         (wide ? u64{config.read32(offset + 4)} << 32 : u64{0xffff'ffff} << 32);
        config.write32(offset, low);
        if (wide) config.write32(offset + 4, high);
        Bar& bar = bars[i];
        if ((ones & 0xffff'fff0) != 0 || (wide && ones != 0)) {
            const u64 size = ones & -ones;  // the lowest bit that can be set
            bar = {(low & ~u64{15}) | u64{high} << 32, size, wide ? 1u : 0u, 0};
        }
        if (wide) i++;
    }
}

template <typename Config>
void write_bar(const Config& config, u32 number, const Bar& bar) {
    config.write32(kBar0 + 4 * number, static_cast<u32>(bar.address));
    if (bar.wide != 0) config.write32(kBar0 + 4 * number + 4, static_cast<u32>(bar.address >> 32));
}

/// Free addresses for BARs: two windows, less what is taken.
class AddressMap {
  public:
    static constexpr u32 kMaxTaken = 128;
    /// Below 4 GiB, from the end of configuration space to where a PC's interrupt controllers, timers and
    /// firmware begin; there is RAM, and then nothing but it, below both on every PC chip set.
    static constexpr u64 kLowBegin = 0xc000'0000;
    static constexpr u64 kLowEnd = 0xfec0'0000;
    /// Above: beyond any RAM that there will be, within 40 bits of physical addresses.
    static constexpr u64 kHighBegin = u64{1} << 39;
    static constexpr u64 kHighEnd = u64{1} << 40;

    /// Nothing overlaps this from now on. False: too much is taken.
    bool take(u64 address, u64 size) {
        if (size == 0) return true;
        if (count_ == kMaxTaken) return false;
        taken_[count_++] = {round_down(address, abi::kPageSize), round_up(address + size, abi::kPageSize)};
        return true;
    }
    bool free(u64 address, u64 size) const {
        return blocker(address, round_up(size, abi::kPageSize)) == nullptr;
    }
    /// A free place, which is not taken by this. Errors: no_space.
    Result<u64> find(u64 size, bool wide) const {
        const u64 low = search(size, kLowBegin, kLowEnd);
        if (low != 0) return low;
        const u64 high = wide ? search(size, kHighBegin, kHighEnd) : 0;
        if (high != 0) return high;
        return Error::no_space;
    }

  private:
    struct Range {
        u64 begin, end;
    };
    const Range* blocker(u64 address, u64 size) const {
        for (u32 i = 0; i < count_; i++)
            if (address < taken_[i].end && taken_[i].begin < address + size) return &taken_[i];
        return nullptr;
    }
    u64 search(u64 size, u64 begin, u64 end) const {
        const u64 step = size < abi::kPageSize ? abi::kPageSize : size;
        if (size == 0 || (size & (size - 1)) != 0 || size > end) return 0;
        for (u64 at = round_up(begin, step); at <= end - step;) {
            const Range* taken = blocker(at, step);
            if (taken == nullptr) return at;
            at = round_up(taken->end, step);
        }
        return 0;
    }
    Range taken_[kMaxTaken];
    u32 count_ = 0;
};

}  // namespace pith::devices
