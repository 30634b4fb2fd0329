// SPDX-License-Identifier: MIT
// The entries of the core: what an architecture calls, with interrupts off, on the CPU's kernel stack.
//
// At each of them but the nested ones the user registers are in the Frame of area.current (unless the CPU was idle). When
// one returns, area.current is the thread to resume, null: idle (interrupts on, halt, until an interrupt; then
// its entry with nested = false, then look at area.current again). Nested: the interrupt came in inside
// arch::interrupt_window; return to where it was.
#pragma once

#include "kernel/core/contract.hpp"

namespace pith::core {

/// Once, on CPU 0, with the direct map, this_cpu(), clock and timer working. Starts root.
void main_boot_cpu(const BootParameters& boot);

/// Once on each other CPU, after main_boot_cpu has returned.
void main_other_cpu(u32 id);

/// The `syscall` instruction, of a foreign thread or a native one. Returns the thread from whose Frame the
/// one that is resumed gets message words and tag (w0..w7, tag): itself, or its partner in a message, which saves copying
/// them. Null only if area.current is null. These and raise_entry keep no register: all of a user's are in its Frame.
PITH_KEEPS_NONE Thread* foreign_syscall_entry();
PITH_KEEPS_NONE Thread* native_syscall_entry();
/// The same, of a native thread: for signal_notify, and for what is neither that nor `call` nor `reply_recv`.
PITH_KEEPS_NONE Thread* notify_entry();
PITH_KEEPS_NONE Thread* slow_syscall_entry();

/// A fault of user code (faults of the kernel are the architecture's to report, by `panic`) is noted in the current
/// thread, as its `event`. Then comes raise_entry; or the architecture delivers the event itself, where the handler waits.
void fault_entry(const FaultInfo& fault);
/// The event that is noted in the current thread goes to its handler.
PITH_KEEPS_NONE void raise_entry();

/// User code used the FPU while it was disabled. False: there is no memory for its state, so that is a fault.
bool fpu_trap();

void timer_entry(bool nested);
void ipi_entry(bool nested);
void interrupt_entry(u32 line, bool nested);

/// On CPU 0: the clock's rate has been corrected; the InfoPage gets these (all as in abi::InfoPage).
void clock_changed(u64 tsc_base, u64 clock_base, u64 multiplier, u64 tsc_frequency);

/// What an emulator is told at a panic through its debug exit (port 0xf4). QEMU's own status is then
/// (kPanicExit << 1) | 1 = 251; after machine_exit(0) it is 1.
inline constexpr u32 kPanicExit = 125;

/// Prints the text and the state of this CPU to the debug console and ends the machine with status 125 where
/// it can.
[[noreturn]] void panic(const char* text);

}  // namespace pith::core
