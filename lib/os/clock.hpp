// SPDX-License-Identifier: MIT
// Time without a system call, from the InfoPage.
#pragma once

#include "abi/boot.hpp"
#include "abi/types.hpp"

namespace pith {

/// Nanoseconds since boot.
abi::Time now();
/// Nanoseconds since 1970, UTC.
i64 wall_clock();
/// The information page.
const volatile abi::InfoPage& info_page();

inline constexpr abi::Time kMicrosecond = 1'000;
inline constexpr abi::Time kMillisecond = 1'000'000;
inline constexpr abi::Time kSecond = 1'000'000'000;

}  // namespace pith
