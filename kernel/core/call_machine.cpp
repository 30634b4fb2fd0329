// SPDX-License-Identifier: MIT
// System calls on the Machine, Budgets, and what threads tell of themselves.
#include <algorithm>
#include <bit>

#include "arch/machine.hpp"
#include "kernel/core/call.hpp"
#include "kernel/core/machine.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

using abi::MachineRight;
using abi::Syscall;
using abi::ThreadRight;

constexpr u32 kTraceBatch = 16;

abi::KernelCounts kernel_counts() {
    abi::KernelCounts counts{};
    for (u32 i = 0; i < cpu_count; i++) {
        const Cpu& cpu = cpus[i];
        for (u32 type = 0; type < 16; type++)
            counts.objects[type] += static_cast<u64>(cpu.object_counts[type]);
        counts.capabilities += static_cast<u64>(cpu.capability_count);
        counts.slots += static_cast<u64>(cpu.slot_count);
        counts.mappings += static_cast<u64>(cpu.mapping_count);
    }
    counts.pages_total = root_pool->limit();
    counts.pages_tables = frames::count(FrameKind::table);
    counts.pages_objects = frames::count(FrameKind::objects);
    counts.pages_memory = frames::count(FrameKind::memory);
    counts.pages_quarantine = frames::count(FrameKind::quarantine);
    const u64 used = counts.pages_tables + counts.pages_objects + counts.pages_memory +
                     counts.pages_quarantine;
    counts.pages_free = counts.pages_total - std::min(counts.pages_total, used);
    return counts;
}

Handler device_memory, machine_info, machine_exit, machine_log, machine_trace, dma_address, budget_create,
    budget_configure, budget_info;

Error machine_info(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::info));
    const u64 cpu = call.argument(1);
    if (call.argument(0) > static_cast<u64>(abi::MachineInfo::trace)) return Error::invalid;
    switch (static_cast<abi::MachineInfo>(call.argument(0))) {
        case abi::MachineInfo::kernel: call.output(kernel_counts()); return Error::ok;
        case abi::MachineInfo::cpu:
            if (cpu >= cpu_count) return Error::invalid;
            call.output(cpus[cpu].counts);
            return Error::ok;
        case abi::MachineInfo::trace: {
            if (cpu >= cpu_count) return Error::invalid;
            u64 from = call.argument(2);
            auto* records = reinterpret_cast<abi::TraceRecord*>(call.thread.buffer->words);
            call.r0 = cpus[cpu].trace.read(from, records, kTraceBatch);
            call.r1 = from;
            return Error::ok;
        }
        default: return Error::invalid;
    }
}

Error device_memory(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::devices));
    auto pool = PITH_CALL(call.object_argument<Pool>(0, abi::PoolRight::allocate));
    const u64 base = call.argument(1);
    const u64 bytes = call.argument(2);
    constexpr u64 kTop = u64{1} << 46;
    if (base % abi::kPageSize != 0 || bytes == 0 || bytes > kTop || base > kTop - bytes ||
        call.argument(3) > 1)
        return Error::invalid;
    const u64 pages = (bytes + abi::kPageSize - 1) / abi::kPageSize;
    if (arch::reserved_physical(base, pages * abi::kPageSize)) return Error::invalid;
    const Cache cache = call.argument(3) == abi::kDeviceCached ? Cache::normal : Cache::uncached;
    PITH_PASS(call.reserve());
    return call.fill(*PITH_CALL(Memory::create_foreign(*pool, base, pages, cache)));
}

/// A view of the run that the CPU's rings are in. They outlive it: what the kernel writes to does not go.
Error machine_trace(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::info));
    auto pool = PITH_CALL(call.object_argument<Pool>(0, abi::PoolRight::allocate));
    if (call.argument(1) >= cpu_count) return Error::invalid;
    const abi::TraceHeader& run = cpus[call.argument(1)].trace.header();
    if (run.physical == 0) return Error::unsupported;
    PITH_PASS(call.reserve());
    const u64 pages = TraceRing::run_bytes(run.mask + 1) / abi::kPageSize;
    Memory* memory = PITH_CALL(Memory::create_foreign(*pool, run.physical, pages, Cache::normal));
    constexpr auto kRights = static_cast<RightsBits>(abi::MemoryRight::read) | abi::kRightManage |
                             abi::kRightCopy;
    return call.fill(*memory, static_cast<RightsBits>(kRights));
}

Error dma_address(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::devices));
    auto memory = PITH_CALL(call.object_argument<Memory>(0, abi::MemoryRight::read));
    if (!memory->contiguous()) return Error::invalid;
    call.r0 = memory->frame(0);
    return Error::ok;
}

Error machine_log(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::debug));
    const u64 bytes = call.argument(0);
    if (bytes > sizeof(call.thread.buffer->words)) return Error::invalid;
    arch::debug_write(reinterpret_cast<const char*>(call.thread.buffer->words), bytes);
    return Error::ok;
}

/// Parameters from the buffer, checked; the Signal that they name is looked up.
struct CheckedBudget {
    abi::BudgetParameters parameters;
    Signal* signal;
};

Result<CheckedBudget> check_budget(Call& call, const Budget* parent) {
    CheckedBudget checked{call.input<abi::BudgetParameters>(), nullptr};
    PITH_CHECK(Budget::check(checked.parameters, parent));
    if (checked.parameters.signal != abi::kNoHandle) {
        checked.signal = PITH_TRY(
            lookup<Signal>(call.thread, checked.parameters.signal, abi::SignalRight::notify));
    }
    return checked;
}

void configure(Budget& budget, const CheckedBudget& checked) {
    budget.delivery_bits.store(checked.parameters.signal_bits, std::memory_order_relaxed);
    rebind(budget.delivery, checked.signal, budget, Reference::Kind::delivery);
    budget.configure(checked.parameters, arch::now());
}

/// Threads that were waiting for the Budget's next period look at it again.
void wake_users(Budget& budget) {
    u64 count = 0;
    {
        Guard guard(budget.caps_lock);
        for (Reference* user = budget.users.front(); user != nullptr; user = budget.users.next(*user))
            count++;
    }
    for (; count != 0; count--) {
        Object* owner;
        {
            Guard guard(budget.caps_lock);
            Reference* user = budget.users.pop_front();
            if (user == nullptr) return;
            budget.users.push_back(*user);
            owner = user->owner;
        }
        // The thread stays in place until this CPU leaves the kernel.
        propagate(static_cast<Thread&>(*owner));
    }
}

Error budget_create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(abi::PoolRight::allocate));
    auto parent = PITH_CALL(call.object_argument<Budget>(0, abi::BudgetRight::manage));
    const auto checked = PITH_CALL(check_budget(call, parent));
    PITH_PASS(call.reserve());
    Budget* budget = PITH_CALL(pool->create<Budget>());
    configure(*budget, checked);
    return call.fill(*budget);
}

Error budget_configure(Call& call) {
    auto budget = PITH_CALL(call.object<Budget>(abi::BudgetRight::manage));
    // It may shrink, or move within what it was created with; more takes a new Budget from the parent.
    const auto checked = PITH_CALL(check_budget(call, budget));
    configure(*budget, checked);
    wake_users(*budget);
    // Whoever runs on it, by its own or another's, looks at it anew.
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        if (cpus[cpu].online) kick(cpu);
    }
    return Error::ok;
}

abi::ThreadState visible_state(const Thread& thread) {
    using abi::ThreadState;
    if (thread.state != State::dead && (thread.attention & kAttendStop) != 0) return ThreadState::stopped;
    switch (thread.state) {
        case State::inactive: return ThreadState::inactive;
        case State::ready:
            return cpus[thread.cpu].area.current == &thread ? ThreadState::running : ThreadState::ready;
        case State::queued_call:
        case State::awaiting_reply: return ThreadState::calling;
        case State::queued_send: return ThreadState::sending;
        case State::queued_event:
        case State::at_event: return ThreadState::stopped;
        case State::receiving: return ThreadState::receiving;
        case State::waiting_signal:
        case State::waiting_cpus: return ThreadState::waiting;
        default: return ThreadState::dead;
    }
}

Error write_thread_info(Call& call) {
    Capability capability;
    Thread& thread = *PITH_CALL(lookup<Thread>(call.thread, call.handle(), ThreadRight::info, capability));
    abi::ThreadInfo info{};
    {
        ThreadLock locked(thread);
        u64 ran = thread.ran;
        if (cpus[thread.cpu].area.current == &thread) ran += arch::ticks();
        info.cpu_time = ticks_to_nanoseconds(ran);
        info.rip = thread.frame.ip();
        info.rsp = thread.frame.sp();
        info.state = static_cast<u32>(visible_state(thread));
        info.cpu = static_cast<u16>(thread.cpu);
        info.priority = thread.base_priority;
        info.effective_priority = thread.priority;
        if (capability.allows(static_cast<RightsBits>(ThreadRight::registers)))
            thread.frame.registers(info.registers);
    }
    call.output(info);
    return Error::ok;
}

/// Modelled in tests/models/fpu.pml. FPU state is in the area, or the call waits for the CPU where it is live.
Error settle_fpu(Call& call, Thread& thread) {
    if (thread.fpu_cpu == this_cpu().id) fpu_save_owner(this_cpu());
    const u32 holder = thread.fpu_cpu;
    if (holder == Thread::kNoCpu) return Error::ok;
    thread.fpu_recall = true;
    wait_for_cpus(call.thread, cpu_bit(holder));
    return Error::restart;
}

Error thread_fpu(Call& call, bool write) {
    Thread& thread = *PITH_CALL(call.object<Thread>(ThreadRight::registers));
    const u64 size = arch::fpu_size();
    const u64 offset = call.argument(0);
    if (offset % abi::kFpuChunk != 0 || offset >= size) return Error::invalid;
    if (Error error = settle_fpu(call, thread); error != Error::ok) return error;
    // Under the lock it does not begin to run, so nothing is loaded before it is safe to load.
    ThreadLock locked(thread);
    if (write && thread.state != State::at_event && thread.state != State::inactive) return Error::bad_state;
    if (thread.state != State::ready && thread.fpu_cpu != Thread::kNoCpu) return Error::restart;
    if (thread.fpu_area == nullptr) {
        thread.fpu_area = PITH_CALL(thread.pool->allocate_bytes(size));
        arch::fpu_init(thread.fpu_area);
    }
    char* at = static_cast<char*>(thread.fpu_area) + offset;
    const u64 count = std::min<u64>(abi::kFpuChunk, size - offset);
    if (write) {
        __builtin_memcpy(at, call.thread.buffer->words, count);
        arch::fpu_sanitise(thread.fpu_area);
    } else {
        __builtin_memcpy(call.thread.buffer->words, at, count);
    }
    call.r0 = size;
    return Error::ok;
}

Error machine_exit(Call& call) {
    PITH_CALL(call.object<Machine>(MachineRight::manage));
    arch::exit_machine(static_cast<u32>(call.argument(0)));
}

Error budget_info(Call& call) {
    auto budget = PITH_CALL(call.object<Budget>(abi::BudgetRight::info));
    call.output(budget->info(arch::now()));
    return Error::ok;
}

}  // namespace

constinit const Handlers machine_calls = {device_memory, machine_info,  machine_exit,
                                          machine_log,   machine_trace, dma_address};
constinit const Handlers budget_calls = {budget_create, budget_configure, budget_info};

Error thread_info(Call& call) { return write_thread_info(call); }
Error thread_fpu_read(Call& call) { return thread_fpu(call, false); }
Error thread_fpu_write(Call& call) { return thread_fpu(call, true); }

}  // namespace pith::core
