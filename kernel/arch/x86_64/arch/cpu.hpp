// SPDX-License-Identifier: MIT
// The architecture's part of a CPU: what the entry stubs find through gs, time, and interrupts between CPUs.
// While the kernel runs, gs points to this CPU's element of core::cpus, and the user's gs base is in the other MSR.
#pragma once

#include <stddef.h>

#include "arch/frame.hpp"
#include "kernel/arch/x86_64/clock.hpp"
#include "kernel/core/contract.hpp"

namespace pith::arch {

struct CpuTables;

/// The stubs know the offsets down to `idle`.
struct CpuArea {
    CpuArea* self = nullptr;
    core::Thread* current = nullptr;  ///< the thread to resume; null: none, the exit path idles
    u64 stack_top = 0;                ///< of the kernel's stack on this CPU
    u64 user_rsp = 0;                 ///< scratch of the system call stub
    u64 idle = 0;                     ///< halted: an interrupt starts afresh on the stack
    CpuTables* tables = nullptr;
    abi::Time timer_deadline = core::kNever;
    u32 id = 0;
    u32 apic_id = 0;
    bool has_ports = false;  ///< the I/O bitmap is in force
};
static_assert(offsetof(CpuArea, current) == 8 && offsetof(CpuArea, stack_top) == 16 &&
              offsetof(CpuArea, user_rsp) == 24 && offsetof(CpuArea, idle) == 32);

inline CpuArea& this_area() {
    CpuArea* area;
    asm("movq %%gs:0, %0" : "=r"(area));  // not volatile: no code of the kernel changes its CPU
    return *area;
}
/// The registers of the thread to resume; null: none.
inline Frame* current_frame(const CpuArea& area) {
    auto* thread = reinterpret_cast<char*>(area.current);
    return thread != nullptr ? reinterpret_cast<Frame*>(thread + kThreadFrame) : nullptr;
}
inline core::Cpu& this_cpu() { return reinterpret_cast<core::Cpu&>(this_area()); }

inline u64 read_fs_base() {
    u64 base;
    asm volatile("rdfsbase %0" : "=r"(base));
    return base;
}
inline void write_fs_base(u64 base) { asm volatile("wrfsbase %0" ::"r"(base)); }
/// The user's gs base, from kernel mode.
inline u64 read_user_gs_base() {
    u64 base;
    asm volatile("swapgs; rdgsbase %0; swapgs" : "=r"(base));
    return base;
}
inline void write_user_gs_base(u64 base) { asm volatile("swapgs; wrgsbase %0; swapgs" ::"r"(base)); }

inline void leave_frame(Frame& frame) {
    frame.fs_base = read_fs_base();
    if (frame.foreign) frame.gs_base = read_user_gs_base();  // a native thread's is 0 whenever it resumes
}
inline void enter_frame(const Frame& frame) {
    write_fs_base(frame.fs_base);
    write_user_gs_base(frame.gs_base);
}

/// Another CPU calls core::ipi_entry soon.
void send_ipi(u32 cpu);

/// The timer interrupt of this CPU; core::kNever disarms it.
void arm_timer(abi::Time deadline);

inline void relax() { asm volatile("pause" ::: "memory"); }
inline u64 ticks() { return read_tsc(); }

/// Lets pending interrupts in for an instant.
inline void interrupt_window() { asm volatile("sti; nop; cli" ::: "memory"); }

}  // namespace pith::arch
