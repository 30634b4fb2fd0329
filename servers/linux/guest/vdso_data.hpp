// SPDX-License-Identifier: MIT
// What the vDSO reads: two pages right before its image. The first is the kernel's InfoPage (abi/boot.hpp), the second
// is the zone's. Shared by the vDSO, which runs in programs, and the server that writes it.
#pragma once

#include "abi/boot.hpp"

namespace pith::lx {

struct VdsoData {
    /// Nanoseconds: the time since boot and this are CLOCK_REALTIME. One word, so that it needs no lock.
    i64 realtime_offset;
    /// RDTSCP tells the CPU's number (the kernel has set TSC_AUX).
    u32 has_rdtscp;
    u32 reserved;
};

/// Pages before the image, as [vvar].
struct VdsoPages {
    alignas(abi::kPageSize) abi::InfoPage info;
    alignas(abi::kPageSize) VdsoData data;
};
inline constexpr u64 kVdsoDataPages = 2;
static_assert(sizeof(VdsoPages) == kVdsoDataPages * abi::kPageSize);

}  // namespace pith::lx
