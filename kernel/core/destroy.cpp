// SPDX-License-Identifier: MIT
// Destruction: object_destroy of one object, or of a Pool with all below it, in phases that can be resumed:
//   closing   (Pools) other CPUs leave the kernel: nobody works on a destruction below this Pool any more
//   marking   everything becomes dying, threads are killed; look-ups fail
//   settling  other CPUs leave the kernel: nobody uses what was looked up before, no killed thread runs
//   severing  capabilities, references, queues, mappings go
//   fencing   other CPUs flush and leave the kernel: no link that was followed before is still in use
//   releasing memory goes back to the Pool
//
// The job is in the `unfinished` list of the object's Pool. If its worker dies, the next destruction there goes
// on with it. Locks: the Pool's for the lists; otherwise those of what a step calls.
// Modelled in tests/models/destroy.pml.
#include "kernel/core/destroy.hpp"

#include "kernel/core/call.hpp"
#include "kernel/core/interrupt.hpp"
#include "kernel/core/signal.hpp"

namespace pith::core {
namespace {

constexpr u64 kWaited = 1;  // progress2: this thread has waited for other CPUs in this phase
constexpr u32 kFrameBatch = 16;

bool ancestor_dying(const Object& job) {
    for (const Pool* pool = job.pool; pool != nullptr; pool = pool->parent) {
        if (pool->dying.load(std::memory_order_acquire)) return true;
    }
    return false;
}

/// The deepest first sub-pool, or the Pool itself.
Pool& deepest(Pool& top) {
    Pool* pool = &top;
    for (;;) {
        Guard guard(pool->lock);
        Pool* child = pool->children.front();
        if (child == nullptr) return *pool;
        pool = child;
    }
}

/// The Pool after this one in an order that has each Pool before its sub-pools; null: that was the last.
Pool* next_pool(Pool& pool, Pool& top) {
    {
        Guard guard(pool.lock);
        if (Pool* child = pool.children.front(); child != nullptr) return child;
    }
    for (Pool* at = &pool; at != &top; at = at->parent) {
        Guard guard(at->parent->lock);
        if (Pool* sibling = at->parent->children.next(*at); sibling != nullptr) return sibling;
    }
    return nullptr;
}

void take_over_locked(Object& object) {
    if (object.worker != nullptr) object.worker->job = nullptr;
    object.worker = nullptr;
}

/// Marks one object of the Pool; false: all are.
bool mark_step(Pool& pool) {
    Object* object;
    {
        Guard guard(pool.lock);
        object = pool.objects.pop_front();
        if (object == nullptr) return false;
        pool.unfinished.push_back(*object);
        object->dying.store(true, std::memory_order_release);
        if (object->worker != nullptr) object->worker->partial = nullptr;
        object->worker = nullptr;
    }
    if (object->type == ObjectType::thread) kill_thread(static_cast<Thread&>(*object));
    return true;
}

/// Jobs of others in this Pool become part of this one. They come before what has just been marked, of which there may
/// be a lot.
void take_over_jobs(Pool& pool) {
    Guard guard(pool.lock);
    for (Object* object = pool.unfinished.front(); object != nullptr && object->phase != Phase::live;
         object = pool.unfinished.next(*object)) {
        take_over_locked(*object);
    }
}

/// The thread that must not outlive what the Reference leads to; null: there is none.
Thread* dependent_of(const Reference& reference) {
    using Kind = Reference::Kind;
    const bool depends = reference.kind == Kind::space || reference.kind == Kind::captable ||
                         reference.kind == Kind::buffer;
    return depends ? static_cast<Thread*>(reference.owner) : nullptr;
}

/// Whether another CPU may still run it.
bool runs_elsewhere(const Thread& thread) {
    return thread.state != State::dead && home_of(thread) != this_cpu().id;
}

/// Severs one Reference to the object, if its thread runs nowhere else; false: there is none.
bool lose_user_step(Object& object) {
    Reference* reference;
    {
        Guard guard(object.caps_lock);
        reference = object.users.front();
        if (reference == nullptr) return false;
        // It is killed first (Job::kill_dependent): one that has just come to the front is so next time.
        if (const Thread* thread = dependent_of(*reference); thread != nullptr && runs_elsewhere(*thread))
            return true;
        object.users.remove(*reference);
        reference->target = nullptr;
    }
    switch (reference->kind) {
        case Reference::Kind::delivery: break;  // the owner sees that the target is gone
        case Reference::Kind::ports: lose_ports(static_cast<Space&>(*reference->owner)); break;
        default: lose_target(*reference, static_cast<Thread&>(*reference->owner)); break;
    }
    return true;
}

bool expel_memory_step(Memory& memory) {
    Space* space;
    {
        Guard guard(memory.lock);
        Attachment* attachment = memory.attachments.front();
        if (attachment == nullptr) return false;
        space = attachment->space;
    }
    space->expel_step(memory);
    return true;
}

void sever_budget(Budget& budget) {
    Cpu& cpu = this_cpu();
    if (cpu.charged == &budget || cpu.overdrawn == &budget) {
        charge_time(cpu, arch::now());
        cpu.charged = cpu.overdrawn = nullptr;
        cpu.reschedule = true;
    }
    unrefer(budget.delivery);
}

/// One step of severing what is special to the type; false: done. `cursor` starts at 0.
bool sever_own_step(Object& object, u64& cursor) {
    switch (object.type) {
        case ObjectType::memory: return expel_memory_step(static_cast<Memory&>(object));
        case ObjectType::space: {
            auto& space = static_cast<Space&>(object);
            release_ports(space);
            return space.detach_step();
        }
        case ObjectType::captable: {
            auto at = static_cast<HandleIndex>(cursor);
            const bool more = static_cast<CapTable&>(object).empty_step(at);
            cursor = at;
            return more;
        }
        case ObjectType::endpoint: return sever_endpoint_step(static_cast<Endpoint&>(object));
        case ObjectType::thread: sever_thread(static_cast<Thread&>(object)); return false;
        case ObjectType::budget: sever_budget(static_cast<Budget&>(object)); return false;
        case ObjectType::signal: static_cast<Signal&>(object).sever(); return false;
        case ObjectType::interrupt: sever_interrupt(static_cast<Interrupt&>(object)); return false;
        default: return false;
    }
}

bool sever_step(Object& object, u64& cursor) {
    // Without the locks: nothing is added to a dying object any more.
    if (object.has_capabilities() && capability::sever_step(object)) return true;
    if (object.type == ObjectType::thread) {
        Reply& reply = static_cast<Thread&>(object).reply;
        if (reply.has_capabilities() && capability::sever_step(reply)) return true;
    }
    if (object.has_users() && lose_user_step(object)) return true;
    return sever_own_step(object, cursor);
}

usize size_of(const Object& object) {
    switch (object.type) {
        case ObjectType::pool: return sizeof(Pool);
        case ObjectType::memory: return sizeof(Memory);
        case ObjectType::space: return sizeof(Space);
        case ObjectType::captable: return sizeof(CapTable);
        case ObjectType::thread: return sizeof(Thread);
        case ObjectType::budget: return sizeof(Budget);
        case ObjectType::endpoint: return sizeof(Endpoint);
        case ObjectType::signal: return sizeof(Signal);
        case ObjectType::interrupt: return sizeof(Interrupt);
        case ObjectType::io_ports: return sizeof(IoPorts);
        default: return sizeof(Object);
    }
}

/// One step of giving memory back; false: the object itself is gone.
bool release_step(Object& object, u64& cursor) {
    Pool& pool = *object.pool;
    switch (object.type) {
        case ObjectType::memory:
            if (static_cast<Memory&>(object).release_step(kFrameBatch)) return true;
            break;
        case ObjectType::space:
            if (static_cast<Space&>(object).release_step()) return true;
            break;
        case ObjectType::captable: {
            // What a call that was under way filled after the first pass goes now.
            auto at = static_cast<HandleIndex>(cursor);
            const bool more = static_cast<CapTable&>(object).empty_step(at);
            cursor = at;
            if (more || static_cast<CapTable&>(object).release_step()) return true;
            break;
        }
        case ObjectType::thread:
            if (void* area = static_cast<Thread&>(object).fpu_area; area != nullptr)
                pool.release_bytes(area, arch::fpu_size());
            break;
        case ObjectType::pool: pool.close_pool(static_cast<Pool&>(object)); break;
        default: break;
    }
    pool.free_object(object, size_of(object));
    return false;
}

/// The destruction of one object, or a Pool, by the current thread.
class Job {
  public:
    Job(Call& call, Object& object) : call_(call), thread_(call.thread), object_(object) {}

    /// ok: it is gone; restart: preempted, or waiting.
    Error run() {
        Error error = Error::ok;
        if (object_.phase == Phase::closing) error = wait(Phase::marking);
        if (error == Error::ok && object_.phase == Phase::marking) error = mark();
        if (error == Error::ok && object_.phase == Phase::settling) error = wait(Phase::severing);
        if (error == Error::ok && object_.phase == Phase::severing) error = sever();
        if (error == Error::ok && object_.phase == Phase::fencing) error = wait(Phase::releasing);
        return error == Error::ok ? release() : error;
    }

  private:
    bool pool() const { return object_.type == ObjectType::pool; }
    Pool& as_pool() { return static_cast<Pool&>(object_); }

    void enter(Phase phase) {
        object_.phase = phase;
        thread_.progress = thread_.progress2 = 0;
    }

    Error pause() {
        const bool killed = thread_.dying.load(std::memory_order_relaxed) ||
                            (thread_.attention & kAttendKill) != 0;
        if (killed) this_cpu().reschedule = true;
        return preempted() || killed ? Error::restart : Error::ok;
    }

    Error wait(Phase next) {
        if ((thread_.progress2 & kWaited) == 0) {
            thread_.progress2 |= kWaited;
            if (next == Phase::releasing)
                forget_dying(this_cpu());  // this thread may have been on another CPU before
            if (cpu_count > 1 && wait_for_cpus(thread_, other_cpus())) return Error::restart;
        }
        enter(next);
        return Error::ok;
    }

    Error mark() {
        if (!pool()) {
            if (object_.type == ObjectType::thread) kill_thread(static_cast<Thread&>(object_));
            enter(Phase::settling);
            return Error::ok;
        }
        Pool* at = thread_.progress != 0 ? reinterpret_cast<Pool*>(thread_.progress) : &as_pool();
        while (at != nullptr) {
            thread_.progress = reinterpret_cast<u64>(at);
            at->dying.store(true, std::memory_order_release);
            take_over_jobs(*at);
            while (mark_step(*at)) {
                if (Error error = pause(); error != Error::ok) return error;
            }
            at = next_pool(*at, as_pool());
        }
        enter(Phase::settling);
        return pause();
    }

    /// The thread that refers to the object first dies before it loses it. restart: it is another CPU's at the moment, which
    /// has been told. If it waits when that CPU has left the kernel, it is taken out of its wait.
    Error kill_dependent(Object& object) {
        Thread* thread;
        {
            Guard guard(object.caps_lock);
            const Reference* first = object.users.front();
            thread = first != nullptr ? dependent_of(*first) : nullptr;
        }
        if (thread == nullptr || thread->state == State::dead) return Error::ok;
        kill_thread(*thread);
        if (!runs_elsewhere(*thread)) return Error::ok;
        wait_for_cpus(thread_, cpu_bit(home_of(*thread)));
        return Error::restart;
    }

    Error sever_one(Object& object) {
        for (;;) {
            if (Error error = kill_dependent(object); error != Error::ok) return error;
            if (!sever_step(object, thread_.progress)) break;
            if (Error error = pause(); error != Error::ok) return error;
        }
        thread_.progress = 0;
        return Error::ok;
    }

    /// Each Pool below, deepest first: its objects, then itself; each goes to its Pool's severed list.
    Error sever() {
        while (pool()) {
            Pool& at = deepest(as_pool());
            Object* object;
            {
                Guard guard(at.lock);
                object = at.unfinished.front();
            }
            if (object == nullptr && &at == &object_) break;
            Object& victim = object != nullptr ? *object : at;
            if (Error error = sever_one(victim); error != Error::ok) return error;
            {
                Guard guard(victim.pool->lock);
                Pool::ObjectList::remove(victim);
                victim.pool->severed.push_back(victim);
                if (object == nullptr) victim.pool->children.remove(at);
            }
            if (Error error = pause(); error != Error::ok) return error;
        }
        if (Error error = sever_one(object_); error != Error::ok) return error;
        enter(Phase::fencing);
        return pause();
    }

    Error release_one(Object& object) {
        while (release_step(object, thread_.progress)) {
            if (Error error = pause(); error != Error::ok) return error;
        }
        thread_.progress = 0;
        return Error::ok;
    }

    /// The first object without objects of its own, below the top.
    static Object* first_to_release(Pool& top) {
        Pool* pool = &top;
        for (;;) {
            Guard guard(pool->lock);
            Object* object = pool->severed.front();
            if (object == nullptr) return pool == &top ? nullptr : pool;
            if (object->type != ObjectType::pool) return object;
            pool = static_cast<Pool*>(object);
        }
    }

    Error release() {
        while (pool()) {
            Object* object = first_to_release(as_pool());
            if (object == nullptr) break;
            if (Error error = release_one(*object); error != Error::ok) return error;
            if (Error error = pause(); error != Error::ok) return error;
        }
        while (release_step(object_, thread_.progress)) {
            if (Error error = pause(); error != Error::ok) return error;
        }
        return Error::ok;
    }

    [[maybe_unused]] Call& call_;
    Thread& thread_;
    Object& object_;
};

bool destructible(const Object& object) {
    switch (object.type) {
        case ObjectType::reply:
        case ObjectType::machine: return false;
        case ObjectType::pool: return static_cast<const Pool&>(object).parent != nullptr;
        default: return true;
    }
}

/// Commits: from here on the object is dying.
Error begin(Thread& thread, Object& object) {
    Guard guard(object.pool->lock);
    if (object.dying.exchange(true, std::memory_order_acq_rel)) return Error::bad_handle;
    Pool::ObjectList::remove(object);
    object.pool->unfinished.push_front(object);
    object.phase = object.type == ObjectType::pool ? Phase::closing : Phase::marking;
    object.worker = &thread;
    thread.job = &object;
    return Error::ok;
}

/// A job in that Pool that nobody works on becomes this thread's; false: there is none.
bool take_job(Thread& thread, Pool& pool) {
    Guard guard(pool.lock);
    if (pool.dying.load(std::memory_order_relaxed)) return false;
    for (Object* object = pool.unfinished.front(); object != nullptr;
         object = pool.unfinished.next(*object)) {
        if (object->worker != nullptr) continue;
        object->worker = &thread;
        thread.job = object;
        return true;
    }
    return false;
}

}  // namespace

static Handler destroy;
static Error destroy(Call& call) {
    Thread& thread = call.thread;
    if (!thread.restarted) {
        const Capability found = PITH_CALL(lookup_any(thread, call.handle()));
        if (!found.allows(abi::kRightManage)) return Error::no_right;
        if (!destructible(*found.object())) return Error::invalid;
        if (Error error = begin(thread, *found.object()); error != Error::ok) return error;
        // Nobody severs before this CPU has left the kernel: the handle that the caller gave up is free when
        // severing reaches it, whoever does it.
        capability::consume(found);
        trace(TraceKind::destroy, static_cast<u64>(found.object()->type), call.handle());
    }
    while (Object* job = thread.job) {
        if (ancestor_dying(*job)) {  // it is part of a greater destruction now, which is another's to do
            leave_job(thread);
            return Error::ok;
        }
        Pool& pool = *job->pool;
        if (Error error = Job(call, *job).run(); error != Error::ok) return error;
        thread.job = nullptr;
        thread.progress = thread.progress2 = 0;
        take_job(thread, pool);
    }
    return Error::ok;
}

void leave_job(Thread& thread) {
    Object* job = thread.job;
    if (job == nullptr) return;
    Guard guard(job->pool->lock);
    if (job->worker == &thread) job->worker = nullptr;
    thread.job = nullptr;
}

void abandon(Object& object) {
    Guard guard(object.pool->lock);
    if (object.dying.exchange(true, std::memory_order_acq_rel)) return;
    Pool::ObjectList::remove(object);
    object.phase = Phase::severing;
    object.worker = nullptr;
    object.pool->unfinished.push_front(object);
}

// An object that is not dying has a worker only if that is making it. Whoever marks it as dying clears the worker's
// pointer, and frees it after this CPU has left the kernel once more.
Error keep_partial(Thread& thread, Object& object) {
    Guard guard(object.pool->lock);
    if (!object.dying.load(std::memory_order_relaxed)) {
        object.worker = &thread;
        thread.partial = &object;
    }
    return Error::restart;
}

Object* drop_partial(Thread& thread) {
    Object* object = thread.partial;
    if (object == nullptr) return nullptr;
    Guard guard(object->pool->lock);
    thread.partial = nullptr;
    if (object->dying.load(std::memory_order_relaxed)) return nullptr;
    object->worker = nullptr;
    return object;
}

void discard(Thread& thread) {
    thread.unrefer_all();
    thread.pool->free_object(thread, sizeof(Thread));
}

constinit const Handlers object_calls = {destroy};

}  // namespace pith::core
