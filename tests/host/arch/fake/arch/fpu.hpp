// SPDX-License-Identifier: MIT
// The fake architecture: an FPU of 64 words, of which word 0 is reserved and must be 0 to be restored.
#pragma once

#include "fake/machine.hpp"

namespace pith::arch {

inline usize fpu_size() { return sizeof(fake::Machine::FpuState); }
inline void fpu_init(void* area) { memset(area, 0, fpu_size()); }
inline void fpu_save(void* area) { memcpy(area, fake::machine().here().fpu.data(), fpu_size()); }
inline void fpu_restore(void* area) {
    memcpy(fake::machine().here().fpu.data(), area, fpu_size());
    if (fake::machine().here().fpu[0] != 0) fake::machine().fail("FPU state restored that was not made safe");
}
inline void fpu_sanitise(void* area) { memset(area, 0, sizeof(u64)); }
inline void fpu_enable() { fake::machine().here().fpu_enabled = true; }
inline void fpu_disable() { fake::machine().here().fpu_enabled = false; }

}  // namespace pith::arch
