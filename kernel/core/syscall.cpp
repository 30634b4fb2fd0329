// SPDX-License-Identifier: MIT
// The entries from user code but the fast paths (ipc_fast.cpp): system calls, faults, the FPU, interrupts.
#include "arch/machine.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/interrupt.hpp"
#include "kernel/core/ipc_fast.hpp"

namespace pith::core {
namespace {

using abi::Syscall;

constexpr u32 kVectorNoFpu = 7;

Error dispatch(Call& call, u32 number) {
    const auto what = static_cast<Syscall>(number);
    switch (number) {
        case static_cast<u32>(Syscall::null): return Error::ok;
        case static_cast<u32>(Syscall::yield):
            this_cpu().rotate = this_cpu().reschedule = true;
            return Error::ok;
        case static_cast<u32>(Syscall::trace_mark):
            trace(TraceKind::mark, call.argument(0), call.argument(1));
            return Error::ok;
        case static_cast<u32>(Syscall::clock): call.r0 = arch::now(); return Error::ok;
        case static_cast<u32>(Syscall::object_destroy): return call_destroy(call);
        case 1 ... 7: return call_message(call, what);
        case 8 ... 10: return call_signal(call, what);
        case 16 ... 20: return call_capability(call, what);
        case 32 ... 34:
        case static_cast<u32>(Syscall::captable_create):
        case static_cast<u32>(Syscall::endpoint_create): return call_pool(call, what);
        case 40 ... 41: return call_memory(call, what);
        case 48 ... 54: return call_space(call, what);
        case 64 ... 71:
        case 75 ... 77: return call_thread(call, what);
        case 72 ... 74: return call_thread_state(call, what);
        case 80 ... 82: return call_budget(call, what);
        case 96 ... 98:
        case 104 ... 105: return call_device(call, what);
        case 112 ... 116: return call_machine(call, what);
        default: return Error::bad_syscall;
    }
}

/// To its handler, by the short path if that will do; leaves the kernel.
[[gnu::always_inline]] inline void fault(Cpu& cpu, Thread& thread, const FaultInfo& info) {
    const u64 entered_at = arch::ticks();
    cpu.trace.add_at(entered_at, info.page_fault ? TraceKind::page_fault : TraceKind::exception, thread.id,
                     info.page_fault ? info.address : info.vector, thread.frame.ip());
    const abi::Event event = info.page_fault ? abi::Event::page_fault : abi::Event::exception;
    u64* words = thread.event_words;
    words[0] = info.page_fault ? info.address : info.vector;
    words[1] = info.page_fault ? info.access : info.error_code;
    words[2] = thread.frame.ip();
    words[3] = info.page_fault ? 0 : info.address;
    if (thread.kind == abi::ThreadKind::foreign) {
        auto& page = *reinterpret_cast<abi::ForeignState*>(thread.buffer);
        page.fault_address = info.address;
        page.error_code = info.error_code;
        page.vector = info.vector;
    }
    if (raise_directly(cpu, thread, event) != nullptr) return;
    cpu.entered_at = entered_at;
    raise_event(thread, event);
    leave_kernel();
}

/// False: no memory. Others may make the area now, too (thread_fpu), so it takes the lock.
bool make_fpu_area(Cpu& cpu, Thread& thread) {
    CpuLock locked(cpu);
    if (thread.fpu_area != nullptr) return true;
    auto area = thread.pool->allocate_bytes(arch::fpu_size());
    if (!area.ok()) return false;
    arch::fpu_init(*area);
    thread.fpu_area = *area;
    return true;
}

}  // namespace

Thread* slow_syscall(Cpu& cpu, Thread& thread) {
    cpu.entered_at = arch::ticks();
    Call call(thread);
    const u32 number = thread.frame.number();
    u64& left = cpu.trace.add_at(cpu.entered_at, TraceKind::system_call, thread.id,
                                 number | u64{thread.frame.handle()} << 32, 0);
    if (!thread.restarted) thread.progress = thread.progress2 = 0;
    const Error error = dispatch(call, number);
    call.release_slot();
    thread.restarted = error == Error::restart;
    if (thread.restarted) {
        thread.frame.restart();
        cpu.reschedule = true;
    } else if (error != kNoResult) {
        thread.frame.set_result(error, call.r0, call.r1, call.r2);
    }
    if (number <= static_cast<u32>(Syscall::reply)) cpu.counts.slow_calls++;
    left = leave_kernel();
    return cpu.area.current;
}

Thread* slow_foreign_call(Cpu& cpu, Thread& thread) {
    cpu.entered_at = arch::ticks();
    u64 words[abi::kRegisterWords];
    thread.frame.foreign_words(words);
    cpu.trace.add_at(cpu.entered_at, TraceKind::foreign_call, thread.id, 0, words[0]);
    raise_event(thread, abi::Event::syscall);
    leave_kernel();
    return cpu.area.current;
}

void fault_entry(const FaultInfo& info) {
    Cpu& cpu = this_cpu();
    fault(cpu, *cpu.area.current, info);
}

void fpu_trap() {
    Cpu& cpu = this_cpu();
    cpu.entered_at = arch::ticks();
    Thread& thread = *cpu.area.current;
    if (!make_fpu_area(cpu, thread)) return fault_entry({false, 0, 0, kVectorNoFpu, 0});
    fpu_save_owner(cpu);
    arch::fpu_enable();
    arch::fpu_restore(thread.fpu_area);
    cpu.fpu_on = true;
    cpu.fpu_owner = &thread;
    cpu.unusual |= kFpuOwned;
    thread.fpu_cpu = cpu.id;
    leave_kernel();
}

void timer_entry(bool nested) {
    Cpu& cpu = this_cpu();
    cpu.armed = kNever;
    cpu.reschedule = true;
    cpu.counts.interrupts++;
    trace(TraceKind::timer);
    if (nested) return;
    awake(cpu);
    cpu.entered_at = arch::ticks();
    leave_kernel();
}

void ipi_entry(bool nested) {
    Cpu& cpu = this_cpu();
    cpu.reschedule = true;
    cpu.counts.ipis++;
    trace(TraceKind::ipi);
    if (nested) return;
    awake(cpu);
    cpu.entered_at = arch::ticks();
    leave_kernel();
}

void interrupt_entry(u32 line, bool nested) {
    Cpu& cpu = this_cpu();
    cpu.counts.interrupts++;
    const u64 now = arch::ticks();
    const Thread* thread = cpu.area.current;
    cpu.trace.add_at(now, TraceKind::interrupt, thread != nullptr ? thread->id : 0, line, 0);
    if (nested) {
        interrupt_arrived(line, false);
        return;
    }
    awake(cpu);
    cpu.entered_at = now;
    if (!interrupt_arrived(line, thread != nullptr)) leave_kernel();
}

}  // namespace pith::core
