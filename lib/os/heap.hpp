// SPDX-License-Identifier: MIT
// What the component's heap uses. Allocation itself is operator new and malloc (lib/os/heap.cpp).
#pragma once

#include "abi/types.hpp"

namespace pith {

struct HeapUse {
    u64 mapped = 0;     ///< bytes taken from the run Pool
    u64 allocated = 0;  ///< bytes in use, with what the heap adds
};
HeapUse heap_use();

}  // namespace pith
