// SPDX-License-Identifier: MIT
// Thread: registers, a Space, a CapTable, a fault handler, a CPU, a Budget; and its place in messages being
// exchanged.
//
// Everything from `state` on is guarded by the lock of the CPU that `cpu` names; `cpu` itself changes only
// with both locks held. A thread is in at most one queue: run queue, an Endpoint's receivers, or an
// Endpoint's callers (those of `queue_cpu`, whose lock guards that link).
//
// Who works for whom: `caller` is who gets this thread's reply; `server` is the inverse. `lender` is whose
// priority and Budget this thread runs with; `borrower` is the inverse. `payer` is the thread at the far end
// of lending, whose Budget pays.
#pragma once

#include "abi/message.hpp"
#include "abi/thread.hpp"
#include "arch/frame.hpp"
#include "kernel/core/object.hpp"
#include "kernel/core/timer.hpp"

namespace pith::core {

class Budget;
class CapTable;
class Endpoint;
class Memory;
class Signal;
class Space;
struct Slot;

/// The one-shot right to answer a caller: part of the caller's Thread.
struct Reply : Object {
    static constexpr ObjectType kType = ObjectType::reply;
    explicit Reply(Thread* thread) : Object(kType), caller(thread) {}
    Thread* const caller;  ///< null: the dead Reply, to which capabilities point that were cut off
};

enum class State : u8 {
    inactive,     ///< made, not started
    ready,        ///< running, in a run queue, or kept off it (attention, Budget)
    queued_call,  ///< in an Endpoint's callers
    queued_send,
    queued_event,    ///< fault, foreign system call or interruption, in the handler's callers
    awaiting_reply,  ///< its call or native fault has been received
    at_event,        ///< foreign, its event has been received: stopped until resumed
    receiving,
    waiting_signal,
    waiting_cpus,  ///< until other CPUs have acknowledged; then its system call goes on, or returns
    dead,
};

/// What a thread has to see to before it may run in user mode: bits of Thread::attention.
inline constexpr u8 kAttendStop = 1;  ///< thread_stop: stays off the run queue
inline constexpr u8 kAttendKill = 2;
inline constexpr u8 kAttendInterrupt = 4;  ///< foreign: raise Event::interrupted
inline constexpr u8 kAttendMigrate = 8;    ///< to `next_cpu`

/// Bits of Thread::hindrance.
inline constexpr u8 kTimed = 1;        ///< its timer is queued
inline constexpr u8 kNativeFault = 2;  ///< awaiting_reply to a fault, and not to a call

struct Thread : Object {
    static constexpr ObjectType kType = ObjectType::thread;
    static constexpr u8 kMaxDepth = 32;
    static constexpr u32 kNoCpu = ~0u;

    Thread(abi::ThreadKind thread_kind, u32 home)
        : Object(kType), cpu(static_cast<u8>(home)), kind(thread_kind), reply(this) {}

    // What is used most comes first: its addresses are short.
    // These four make one word, which says whether the thread can be switched to directly (`condition`).
    State state = State::inactive;
    u8 attention = 0;
    u8 hindrance = 0;  ///< kTimed, kNativeFault
    u8 cpu;
    // These two make one: what is lent.
    u8 priority = 0;  ///< effective
    u8 depth = 0;     ///< links of lending before it
    u8 base_priority = 0;
    bool on_reserve = false;  ///< what was lent is spent; runs on its own
    bool parked = false;      ///< ready, but off the queue for want of a Budget
    const abi::ThreadKind kind;
    u32 id = 0;
    Space* space = nullptr;
    Thread* caller = nullptr;
    Thread* lender = nullptr;
    Thread* payer = this;
    Endpoint* registered = nullptr;  ///< where it receives: whose part of this CPU counts it as receiver
    abi::MessageBuffer* buffer = nullptr;  ///< or the state page of a foreign thread

    arch::Frame frame;  ///< here, where the entry stubs look for it

    CapTable* captable = nullptr;
    const Slot* first_slots = nullptr;  ///< of the CapTable, to find them without it
    Endpoint* handler = nullptr;
    u64 badge = 0;  ///< of its events
    Budget* budget = nullptr;
    Signal* bound = nullptr;

    Thread* server = nullptr;
    Thread* borrower = nullptr;
    Endpoint* endpoint = nullptr;  ///< where it is queued as a caller
    u64 sent_badge = 0;            ///< of the capability that it called or sent with
    Slot* reply_slot = nullptr;    ///< of the Reply capability, under reply.caps_lock
    u32 next_cpu = 0;
    u32 queue_cpu = 0;
    u32 call_number = 0;
    ListLink queue_link;
    ListLink registered_link;
    Timer timer;

    Signal* waiting_on = nullptr;      ///< while it waits
    Signal* waiting_signal = nullptr;  ///< whose waiter it is, perhaps out of date
    u64 wait_mask = 0;
    u32 tickets[abi::kMaxCpus] = {};  ///< waiting_cpus: what each CPU's acknowledged has to reach
    u32 ticket_mask = 0;
    ListLink waiter_link;  ///< in Cpu::acknowledgement_waiters

    abi::Event event{};  ///< of the queued_event, awaiting_reply or at_event state
    u64 event_words[4] = {};
    bool restarted = false;  ///< the system call goes on: `progress` is valid
    u64 restarted_call = 0;  ///< number and handle of that call
    u64 progress = 0;
    u64 progress2 = 0;
    Object* job = nullptr;      ///< what it is destroying
    Object* partial = nullptr;  ///< what it is making

    u32 fpu_cpu = kNoCpu;     ///< where its FPU state is live
    bool fpu_recall = false;  ///< that CPU shall save it
    void* fpu_area = nullptr;
    u64 slice_left = 0;  ///< nanoseconds, of its turn when it was preempted; 0: a whole one
    u64 tls = 0;         ///< native: fs base at its start
    u64 ran = 0;  ///< ticks that it has run; while it runs, less those of the clock when it was switched to

    static constexpr u32 kReferences = 5;
    Reference references[kReferences];  ///< of kinds space, captable, handler, buffer, budget

    Reference& reference(Reference::Kind kind_of_reference) {
        return references[static_cast<u32>(kind_of_reference)];
    }
    /// Lets go of all that it refers to.
    void unrefer_all();

    alignas(64) Reply reply;
};
static_assert(sizeof(Thread) <= 2048 && offsetof(Thread, frame) == arch::kThreadFrame);

inline bool timed(const Thread& thread) { return (thread.hindrance & kTimed) != 0; }
inline bool native_fault(const Thread& thread) { return (thread.hindrance & kNativeFault) != 0; }

/// `state`, `attention`, `hindrance` and `cpu` of a thread, in one comparison.
constexpr u32 condition(State state, u32 cpu, u8 attention = 0, u8 hindrance = 0) {
    return static_cast<u32>(state) | u32{attention} << 8 | u32{hindrance} << 16 | cpu << 24;
}
[[gnu::always_inline]] inline u32 condition_of(const Thread& thread) {
    using Word [[gnu::may_alias]] = u32;
    return *reinterpret_cast<const Word*>(&thread.state);
}
static_assert(offsetof(Thread, state) % 4 == 0 && offsetof(Thread, cpu) == offsetof(Thread, state) + 3);
static_assert(std::endian::native == std::endian::little);

/// A new thread, inactive. no_memory.
Result<Thread*> make_thread(Pool& pool, abi::ThreadKind kind, u32 cpu);
/// To another CPU; if it is held (scheduler.hpp), when it leaves the processor. False: nothing has happened, its FPU
/// state is live. No lock held.
bool migrate(Thread& thread, u32 target);
/// It runs no more: dead at once, or when its CPU has been interrupted.
void kill_thread(Thread& thread);
/// Destruction: nothing refers to it any more, nor it to anything. It is dead, and current nowhere.
void sever_thread(Thread& thread);
/// Destruction of what a thread refers to.
void lose_target(Reference& reference, Thread& thread);
/// What stands in for a message buffer that is gone: a page of this CPU.
abi::MessageBuffer& spare_buffer();

}  // namespace pith::core
