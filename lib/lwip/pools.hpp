// SPDX-License-Identifier: MIT
// lwIP's pools (its memp.h), in place of its own memp.c: an element is carved from memory that was never used only when no freed one is there. So a stack
// that has just been started neither touches nor links the 25,000 elements that it may have.
#pragma once

#include "abi/types.hpp"

namespace pith {

/// Bytes of all pools. So many the stack gives at memp_init() (pith_lwip_pools).
usize lwip_pool_bytes();

}  // namespace pith
