// SPDX-License-Identifier: MIT
// What the processor says of itself.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

struct Cpuid {
    u32 eax, ebx, ecx, edx;
};

/// A leaf of CPUID; of those with subleaves the first. In a virtual machine it takes long.
inline Cpuid cpuid(u32 leaf) {
    Cpuid r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}

}  // namespace pith::lx
