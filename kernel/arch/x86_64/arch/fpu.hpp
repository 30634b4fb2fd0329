// SPDX-License-Identifier: MIT
// Extended state: XSAVE (standard format) where the CPU has it, else FXSAVE. The core decides when to switch it;
// while it is disabled (CR0.TS), its first use traps to core::fpu_trap.
#pragma once

#include "kernel/arch/x86_64/registers.hpp"

namespace pith::arch {

/// What XSAVE saves: 0 without XSAVE. Set at boot.
extern constinit u64 fpu_components;
extern constinit usize fpu_area_size;

/// On each CPU: turns XSAVE on and the FPU off. Its size is found on the first.
void init_fpu();

inline usize fpu_size() { return fpu_area_size; }

/// A fresh state.
void fpu_init(void* area);

/// Makes whatever bytes a user wrote safe to restore.
void fpu_sanitise(void* area);

inline void fpu_save(void* area) {
    if (fpu_components != 0)
        asm volatile("xsave64 (%0)" ::"r"(area), "a"(static_cast<u32>(fpu_components)),
                     "d"(static_cast<u32>(fpu_components >> 32))
                     : "memory");
    else asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}
inline void fpu_restore(void* area) {
    if (fpu_components != 0)
        asm volatile("xrstor64 (%0)" ::"r"(area), "a"(static_cast<u32>(fpu_components)),
                     "d"(static_cast<u32>(fpu_components >> 32))
                     : "memory");
    else asm volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}
inline void fpu_enable() { clear_task_switched(); }
inline void fpu_disable() { write_cr0(read_cr0() | kCr0TaskSwitched); }

}  // namespace pith::arch
