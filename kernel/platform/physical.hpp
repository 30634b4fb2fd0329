// SPDX-License-Identifier: MIT
// How platform code reaches physical addresses: the architecture provides these.
#pragma once

#include "abi/types.hpp"

namespace pith::platform {

/// Maps device registers, uncached; for ever. Panics if no window is left. Boot only.
volatile void* map_device(u64 physical, u64 size);

/// Firmware tables, readable. The mapping stays. nullptr if no window is left. Boot only.
const void* map_firmware(u64 physical, u64 size);

}  // namespace pith::platform
