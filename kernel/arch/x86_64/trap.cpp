// SPDX-License-Identifier: MIT
// Exceptions and interrupts after the stubs: what each means to the core.
#include "kernel/arch/x86_64/trap.hpp"

#include <atomic>

#include "abi/message.hpp"
#include "arch/cpu.hpp"
#include "arch/interrupt.hpp"
#include "kernel/arch/x86_64/panic.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/apic/local_apic.hpp"

namespace pith::arch {
namespace {

constexpr u64 kFaultPresent = 1, kFaultWrite = 2, kFaultFetch = 16;  // error code of a page fault

constinit std::atomic<bool> stopping{false};

core::FaultInfo describe(u64 vector, u64 error_code) {
    core::FaultInfo fault{vector == kVectorPageFault, 0, 0, vector, error_code};
    if (!fault.page_fault) return fault;
    fault.address = read_cr2();
    fault.access = (error_code & kFaultFetch   ? static_cast<u64>(abi::FaultAccess::execute)
                    : error_code & kFaultWrite ? static_cast<u64>(abi::FaultAccess::write)
                                               : static_cast<u64>(abi::FaultAccess::read)) |
                   (error_code & kFaultPresent ? static_cast<u64>(abi::FaultAccess::present) : 0);
    return fault;
}

void timer_interrupt(bool nested) {
    platform::LocalApic::end_of_interrupt();
    CpuArea& area = this_area();
    if (area.id == 0) refine_clock();
    abi::Time deadline = area.timer_deadline;
    if (deadline == core::kNever) return;  // disarmed just before it came
    if (now() < deadline) {                // further off than the timer counts, or its rate was off
        arm_timer(deadline);
        return;
    }
    area.timer_deadline = core::kNever;
    core::timer_entry(nested);
}

}  // namespace

void set_stopping() { stopping.store(true); }

extern "C" bool user_exception(u64 vector, u64 error_code) {
    if (vector == kVectorNoFpu && core::fpu_trap()) return false;
    core::fault_entry(describe(vector, error_code));
    return true;
}

extern "C" void interrupt_dispatch(u64 vector, bool nested) {
    if (const u64 line = vector - kVectorLines; line < kInterruptLines) {
        interrupt_mask(static_cast<u32>(line));
        platform::LocalApic::end_of_interrupt();
        core::interrupt_entry(static_cast<u32>(line), nested);
    } else if (vector == kVectorTimer) {
        timer_interrupt(nested);
    } else if (vector == kVectorIpi) {
        platform::LocalApic::end_of_interrupt();
        core::ipi_entry(nested);
    } else if (vector >= kVectorLines && vector != kVectorSpurious) {
        platform::LocalApic::end_of_interrupt();
    }
}

extern "C" void kernel_fault(const KernelRegisters* registers) {
    panic_at("Fault in the kernel", *registers);
}

extern "C" void paranoid_trap(const KernelRegisters* registers) {
    if (registers->vector == kVectorNmi) {
        while (stopping.load()) asm volatile("hlt");
        return;  // from the machine, with nothing to tell: let the interrupted code go on
    }
    panic_at(registers->vector == kVectorDoubleFault ? "Double fault" : "Machine check", *registers);
}

}  // namespace pith::arch
