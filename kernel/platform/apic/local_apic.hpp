// SPDX-License-Identifier: MIT
// The local APIC of the CPU that calls (Intel SDM volume 3, chapter 10), by its memory registers. Every CPU's is at
// the same address. Interrupts must be off around a command of two writes (start_cpu, send_*).
#pragma once

#include "abi/types.hpp"

namespace pith::platform {

class LocalApic {
  public:
    /// Maps the registers. Once, on the boot CPU.
    static void map(u64 physical);

    /// Turns this CPU's on, with the given vectors for its timer and spurious interrupts.
    static void enable(u8 timer_vector, u8 spurious_vector, u8 error_vector);

    static u8 id();
    static void end_of_interrupt() { write(kEndOfInterrupt, 0); }

    /// One-shot timer: an interrupt after `ticks` of it; 0 stops it.
    static void set_timer(u32 ticks) { write(kTimerInitial, ticks); }
    static u32 timer() { return read(kTimerCurrent); }

    /// Interrupts to another CPU.
    static void send(u8 apic_id, u8 vector);
    static void send_nmi_to_others();
    static void send_init(u8 apic_id);
    static void send_startup(u8 apic_id, u8 page);

  private:
    enum Register : u32 {
        kId = 0x20,
        kTaskPriority = 0x80,
        kEndOfInterrupt = 0xb0,
        kSpurious = 0xf0,
        kErrorStatus = 0x280,
        kCommandLow = 0x300,
        kCommandHigh = 0x310,
        kTimer = 0x320,
        kLine0 = 0x350,
        kLine1 = 0x360,
        kError = 0x370,
        kTimerInitial = 0x380,
        kTimerCurrent = 0x390,
        kTimerDivide = 0x3e0,
    };
    static u32 read(Register r) { return *reinterpret_cast<volatile u32*>(registers_ + r); }
    static void write(Register r, u32 value) { *reinterpret_cast<volatile u32*>(registers_ + r) = value; }
    static void command(u32 high, u32 low);

    static u64 registers_;
};

}  // namespace pith::platform
