// SPDX-License-Identifier: MIT
// The entries from user code but those with a short way (ipc_fast.cpp): system calls, faults, the FPU, interrupts.
#include "arch/machine.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/destroy.hpp"
#include "kernel/core/interrupt.hpp"

namespace pith::core {
namespace {

using abi::Syscall;

/// By number / 8; null: there are none.
constexpr const Handlers* kCalls[32] = {
    &message_calls, &signal_calls,   &capability_calls, &object_calls, &pool_calls,
    &memory_calls,  &space_calls,    &captable_calls,   &thread_calls, &more_thread_calls,
    &budget_calls,  &endpoint_calls, &interrupt_calls,  &ports_calls,  &machine_calls};
constexpr bool belongs(abi::Syscall number, const Handlers& handlers) {
    return kCalls[static_cast<u32>(number) / 8] == &handlers;
}
static_assert(belongs(Syscall::signal_notify, signal_calls) && belongs(Syscall::cap_copy, capability_calls) &&
              belongs(Syscall::object_destroy, object_calls) && belongs(Syscall::pool_create, pool_calls) &&
              belongs(Syscall::memory_create, memory_calls) && belongs(Syscall::space_create, space_calls) &&
              belongs(Syscall::captable_create, captable_calls) &&
              belongs(Syscall::thread_create, thread_calls) &&
              belongs(Syscall::thread_info, more_thread_calls) &&
              belongs(Syscall::budget_create, budget_calls) &&
              belongs(Syscall::endpoint_create, endpoint_calls) &&
              belongs(Syscall::ports_create, ports_calls) &&
              belongs(Syscall::interrupt_create, interrupt_calls) &&
              belongs(Syscall::machine_device_memory, machine_calls));

Error dispatch(Call& call, u32 number) {
    const Handlers* handlers = kCalls[number / 8 % 32];
    Handler* handler = handlers != nullptr ? (*handlers)[number % 8] : nullptr;
    return handler != nullptr ? handler(call) : Error::bad_syscall;
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

/// Nothing is left of a call that was preempted.
[[gnu::noinline]] void give_up_call(Thread& thread) {
    thread.restarted = false;
    thread.progress = thread.progress2 = 0;
    leave_job(thread);
    if (Object* partial = drop_partial(thread); partial != nullptr) abandon(*partial);
}

}  // namespace

Thread* slow_syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    cpu.entered_at = arch::ticks();
    Call call(thread);
    const u32 number = thread.frame.number();
    u64& left = cpu.trace.add_at(cpu.entered_at, TraceKind::system_call, thread.id,
                                 number | u64{thread.frame.handle()} << 32, 0);
    if (!thread.restarted) {
        thread.progress = thread.progress2 = 0;
    } else if (thread.restarted_call != thread.frame.call()) {
        give_up_call(thread);  // its code has been changed meanwhile, so that it goes on with another call
    }
    const Error error = dispatch(call, number);
    call.release_slot();
    thread.restarted = error == Error::restart;
    if (thread.restarted) {
        thread.restarted_call = thread.frame.call();
        thread.frame.restart();
        cpu.reschedule = true;
    } else if (error != kNoResult) {
        thread.frame.set_result(error, call.r0, call.r1, call.r2);
    }
    if (number <= static_cast<u32>(Syscall::reply)) cpu.counts.slow_calls++;
    left = leave_after_call(cpu);
    return cpu.area.current;
}

Thread* foreign_syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    cpu.entered_at = arch::ticks();
    cpu.trace.add_at(cpu.entered_at, TraceKind::foreign_call, thread.id, 0, thread.frame.foreign_number());
    raise_event(thread, abi::Event::syscall);
    leave_kernel();
    return cpu.area.current;
}

void fault_entry(const FaultInfo& info) {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    cpu.entered_at = arch::ticks();
    cpu.trace.add_at(cpu.entered_at, info.page_fault ? TraceKind::page_fault : TraceKind::exception,
                     thread.id, info.page_fault ? info.address : info.vector, thread.frame.ip());
    thread.event = info.page_fault ? abi::Event::page_fault : abi::Event::exception;
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
}

void raise_entry() {
    Thread& thread = *this_cpu().area.current;
    raise_event(thread, thread.event);
    leave_kernel();
}

bool fpu_trap() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.area.current;
    if (!make_fpu_area(cpu, thread)) return false;
    cpu.entered_at = arch::ticks();
    fpu_save_owner(cpu);
    arch::fpu_enable();
    arch::fpu_restore(thread.fpu_area);
    cpu.fpu_on = true;
    cpu.fpu_owner = &thread;
    cpu.unusual |= kFpuOwned;
    thread.fpu_cpu = cpu.id;
    leave_kernel();
    return true;
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
    if (!interrupt_arrived(line, thread != nullptr) || cpu.reschedule) leave_kernel();
}

}  // namespace pith::core
