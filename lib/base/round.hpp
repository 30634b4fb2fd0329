// SPDX-License-Identifier: MIT
#pragma once

#include "abi/types.hpp"

namespace pith {

/// The multiple of `to`, a power of two, that is next to `value`, below or above.
constexpr u64 round_down(u64 value, u64 to) { return value & ~(to - 1); }
constexpr u64 round_up(u64 value, u64 to) { return round_down(value + to - 1, to); }

}  // namespace pith
