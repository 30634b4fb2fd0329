// SPDX-License-Identifier: MIT
// System calls on Threads: making, starting, stopping, resuming, moving.
#include "kernel/core/call.hpp"
#include "kernel/core/destroy.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

using abi::Syscall;
using abi::ThreadRight;
using Kind = Reference::Kind;

std::atomic<u32> next_thread_id{1};

/// What thread_create names, looked up.
struct Parts {
    Space* space;
    CapTable* captable;
    Endpoint* handler;
    Memory* buffer;
    Budget* budget;
};

Result<Parts> look_up_parts(Call& call, const abi::ThreadCreate& wanted) {
    Parts parts{};
    parts.space = PITH_TRY(lookup<Space>(call.thread, wanted.space, abi::SpaceRight::map));
    const bool foreign = wanted.kind == abi::ThreadKind::foreign;
    if (!foreign) {
        parts.captable = PITH_TRY(lookup<CapTable>(call.thread, wanted.captable, abi::CapTableRight::take));
    } else if (wanted.captable != abi::kNoHandle) {
        return Error::invalid;
    }
    if (wanted.handler != abi::kNoHandle) {
        parts.handler = PITH_TRY(lookup<Endpoint>(call.thread, wanted.handler, abi::EndpointRight::send));
    }
    constexpr auto kReadWrite = static_cast<RightsBits>(abi::MemoryRight::read) |
                                static_cast<RightsBits>(abi::MemoryRight::write);
    parts.buffer = PITH_TRY(lookup<Memory>(call.thread, wanted.buffer, static_cast<RightsBits>(kReadWrite)));
    if (wanted.budget != abi::kNoHandle) {
        parts.budget = PITH_TRY(lookup<Budget>(call.thread, wanted.budget, abi::BudgetRight::bind));
    }
    return parts;
}

Result<> validate(const abi::ThreadCreate& wanted, const Parts& parts) {
    if (wanted.kind != abi::ThreadKind::native && wanted.kind != abi::ThreadKind::foreign)
        return Error::invalid;
    if (wanted.cpu >= cpu_count || wanted.buffer_offset % abi::kBufferSize != 0) return Error::invalid;
    if (wanted.buffer_offset >= parts.buffer->pages() * abi::kPageSize || parts.buffer->device())
        return Error::invalid;
    if (parts.budget != nullptr && wanted.priority > parts.budget->ceiling()) return Error::invalid;
    return {};
}

Result<> refer_parts(Thread& thread, const Parts& parts) {
    Object* const targets[Thread::kReferences] = {parts.space, parts.captable, parts.handler, parts.buffer,
                                                  parts.budget};
    for (u32 i = 0; i < Thread::kReferences; i++) {
        if (targets[i] != nullptr)
            PITH_CHECK(refer(thread.references[i], *targets[i], thread, static_cast<Kind>(i)));
    }
    return {};
}

Handler create, start, resume, interrupt, set_cpu, set_priority, set_budget, bind_signal, stop, go_on, name;

Error create(Call& call) {
    auto pool = PITH_CALL(call.object<Pool>(abi::PoolRight::allocate));
    const auto wanted = call.input<abi::ThreadCreate>();
    const Parts parts = PITH_CALL(look_up_parts(call, wanted));
    if (auto valid = validate(wanted, parts); !valid.ok()) return valid.error();
    PITH_PASS(call.reserve());
    Thread* thread = PITH_CALL(make_thread(*pool, wanted.kind, wanted.cpu));
    thread->space = parts.space;
    thread->captable = parts.captable;
    if (parts.captable != nullptr) thread->first_slots = parts.captable->first_slots();
    thread->handler = parts.handler;
    // An Endpoint that a badge was minted for keeps it out of the creator's hands: the event has its own
    // badge.
    thread->badge = wanted.badge;
    thread->budget = parts.budget;
    thread->base_priority = thread->priority = wanted.priority;
    const u64 frame = parts.buffer->frame(wanted.buffer_offset / abi::kPageSize);
    auto* page = static_cast<char*>(arch::physical_to_virtual(frame));
    thread->buffer = reinterpret_cast<abi::MessageBuffer*>(page + wanted.buffer_offset % abi::kPageSize);
    thread->tls = wanted.buffer_address;
    Error error = refer_parts(*thread, parts).error();
    if (error == Error::ok) error = call.fill(*thread);
    if (error != Error::ok) discard(*thread);
    return error;
}

Error start(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::run));
    if (thread->kind != abi::ThreadKind::native) return Error::bad_state;
    const u64 ip = call.argument(0);
    const u64 sp = call.argument(1);
    if (ip >= abi::kUserTop || sp > abi::kUserTop) return Error::invalid;
    ThreadLock locked(*thread);
    if (thread->state != State::inactive || !alive(*thread)) return Error::bad_state;
    thread->frame.init_native(ip, sp, call.argument(2), thread->tls);
    make_ready_locked(*thread);
    return Error::ok;
}

Error resume(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::run));
    if (thread->kind != abi::ThreadKind::foreign) return Error::bad_state;
    if (call.argument(0) > static_cast<u64>(abi::Resume::state)) return Error::invalid;
    return resume_foreign(*thread, static_cast<abi::Resume>(call.argument(0)), call.argument(1));
}

/// Sets an attention bit; the thread sees to it before it runs in user mode again.
void attract_locked(Thread& thread, u8 bit) REQUIRES(thread_locks) {
    thread.attention |= bit;
    if (cpus[thread.cpu].area.current == &thread) kick(thread.cpu);
}

Error interrupt(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::run));
    if (thread->kind != abi::ThreadKind::foreign) return Error::bad_state;
    ThreadLock locked(*thread);
    if (thread->state == State::dead) return Error::bad_state;
    attract_locked(*thread, kAttendInterrupt);
    if (thread->parked) {
        unqueue_locked(*thread);
        make_ready_locked(*thread);
    }
    return Error::ok;
}

Error stop(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::run));
    ThreadLock locked(*thread);
    if (thread->state == State::dead) return Error::bad_state;
    attract_locked(*thread, kAttendStop);
    unqueue_locked(*thread);
    return Error::ok;
}

Error go_on(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::run));
    ThreadLock locked(*thread);
    if ((thread->attention & kAttendStop) == 0) return Error::bad_state;
    thread->attention &= static_cast<u8>(~kAttendStop);
    const bool off_queue = thread->state == State::ready && !thread->queue_link.linked();
    if (off_queue && !held_locked(*thread)) make_ready_locked(*thread);
    return Error::ok;
}

Error set_cpu(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::manage));
    const u64 cpu = call.argument(0);
    if (cpu >= cpu_count || !cpus[cpu].online) return Error::invalid;
    const u32 target = static_cast<u32>(cpu);
    {
        ThreadLock locked(*thread);
        thread->next_cpu = target;
        if (thread->cpu == target) {
            thread->attention &= static_cast<u8>(~kAttendMigrate);
            return Error::ok;
        }
        if (held_locked(*thread) || thread->state == State::waiting_cpus) {
            attract_locked(*thread, kAttendMigrate);
            return Error::ok;
        }
    }
    if (thread->fpu_cpu == this_cpu().id) {
        fpu_save_owner(this_cpu());
    } else if (const u32 holder = thread->fpu_cpu; holder != Thread::kNoCpu) {
        thread->fpu_recall = true;
        wait_for_cpus(call.thread, cpu_bit(holder));
        return Error::restart;
    }
    return migrate(*thread, target) ? Error::ok : Error::restart;
}

Error set_priority(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::manage));
    const u64 priority = call.argument(0);
    {
        ThreadLock locked(*thread);
        const u64 ceiling = thread->budget != nullptr ? thread->budget->ceiling() : 0;
        if (priority >= abi::kPriorities || (priority > ceiling && priority > thread->base_priority))
            return Error::invalid;
        thread->base_priority = static_cast<u8>(priority);
    }
    propagate(*thread);
    return Error::ok;
}

Error set_budget(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::manage));
    auto budget = PITH_CALL(call.object_argument<Budget>(0, abi::BudgetRight::bind));
    if (thread->base_priority > budget->ceiling()) return Error::invalid;
    Reference& reference = thread->reference(Kind::budget);
    rebind(reference, budget, *thread, Kind::budget);
    {
        ThreadLock locked(*thread);
        thread->budget = static_cast<Budget*>(reference.target);
        if (cpus[thread->cpu].area.current == thread) kick(thread->cpu);
    }
    propagate(*thread);
    return Error::ok;
}

Error bind_signal(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::manage));
    if (call.handle_argument(0) == abi::kNoHandle) {
        if (Signal* bound = thread->bound; bound != nullptr) bound->unbind(*thread);
        return Error::ok;
    }
    auto signal = PITH_CALL(call.object_argument<Signal>(0, abi::SignalRight::wait));
    Signal* before = thread->bound;
    const Error error = signal->bind(*thread).error();
    if (error == Error::ok && before != nullptr && before != signal) before->unbind(*thread);
    return error;
}

Error name(Call& call) {
    auto thread = PITH_CALL(call.object<Thread>(ThreadRight::manage));
    if (call.argument(2) >= abi::kTraceForeign) return Error::invalid;
    const u32 foreign = thread->kind == abi::ThreadKind::foreign ? abi::kTraceForeign : 0;
    this_cpu().trace.add_names(thread->id, static_cast<u32>(call.argument(2)) | foreign,
                               {call.argument(0), call.argument(1)}, {call.argument(3), call.argument(4)});
    return Error::ok;
}

}  // namespace

Result<Thread*> make_thread(Pool& pool, abi::ThreadKind kind, u32 cpu) {
    Thread* thread = PITH_TRY(pool.create<Thread>(kind, cpu));
    thread->id = next_thread_id.fetch_add(1, std::memory_order_relaxed);
    thread->reply.pool = &pool;
    return thread;
}

constinit const Handlers thread_calls = {create,  start,        resume,     interrupt,
                                         set_cpu, set_priority, set_budget, bind_signal};
constinit const Handlers more_thread_calls = {thread_info, thread_fpu_read, thread_fpu_write,
                                              stop,        go_on,           name};

}  // namespace pith::core
