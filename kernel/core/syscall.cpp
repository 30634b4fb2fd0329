// SPDX-License-Identifier: MIT
// The entries from user code but the fast paths (ipc_fast.cpp): system calls, faults, the FPU, interrupts.
#include "arch/machine.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/interrupt.hpp"

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

void fault(Thread& thread, abi::Event event, const FaultInfo& info) {
    u64 words[4] = {info.address, info.access, thread.frame.ip(), 0};
    if (event == abi::Event::exception) {
        words[0] = info.vector;
        words[1] = info.error_code;
        words[3] = info.address;
    }
    if (thread.kind == abi::ThreadKind::foreign) {
        auto& page = *reinterpret_cast<abi::ForeignState*>(thread.buffer);
        page.fault_address = info.address;
        page.error_code = info.error_code;
        page.vector = info.vector;
    }
    raise_event(thread, event, words);
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

arch::Frame* slow_syscall(Cpu& cpu, Thread& thread) {
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
    return cpu.area.frame;
}

arch::Frame* slow_foreign_call(Cpu& cpu, Thread& thread) {
    cpu.entered_at = arch::ticks();
    u64 words[abi::kRegisterWords];
    thread.frame.foreign_words(words);
    cpu.trace.add_at(cpu.entered_at, TraceKind::foreign_call, thread.id, 0, words[0]);
    raise_event(thread, abi::Event::syscall, {});
    leave_kernel();
    return cpu.area.frame;
}

void fault_entry(const FaultInfo& info) {
    Cpu& cpu = this_cpu();
    cpu.entered_at = arch::ticks();
    Thread& thread = *cpu.current;
    cpu.trace.add_at(cpu.entered_at, info.page_fault ? TraceKind::page_fault : TraceKind::exception,
                     thread.id, info.page_fault ? info.address : info.vector, thread.frame.ip());
    fault(thread, info.page_fault ? abi::Event::page_fault : abi::Event::exception, info);
    leave_kernel();
}

void fpu_trap() {
    Cpu& cpu = this_cpu();
    cpu.entered_at = arch::ticks();
    Thread& thread = *cpu.current;
    if (!make_fpu_area(cpu, thread)) {
        fault(thread, abi::Event::exception, {false, 0, 0, kVectorNoFpu, 0});
        leave_kernel();
        return;
    }
    fpu_save_owner(cpu);
    arch::fpu_enable();
    arch::fpu_restore(thread.fpu_area);
    cpu.fpu_on = true;
    cpu.fpu_owner = &thread;
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
    if (!nested) {
        awake(cpu);
        cpu.entered_at = arch::ticks();
    }
    trace(TraceKind::interrupt, line);
    interrupt_arrived(line);
    if (!nested) leave_kernel();
}

}  // namespace pith::core
