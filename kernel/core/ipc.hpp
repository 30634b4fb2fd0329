// SPDX-License-Identifier: MIT
// Messages between threads: the general paths (ipc_fast.cpp has the short one), events of foreign and
// faulting threads, and every way in which a wait ends early.
//
// Functions named _locked need the locks of the CPUs of all threads named, and of the part that a thread is
// queued in.
#pragma once

#include "kernel/core/endpoint.hpp"
#include "kernel/core/scheduler.hpp"

namespace pith::core {

/// What a handler of a system call returns if the thread's Frame is not to be given a result (it blocks, or
/// has one).
inline constexpr Error kNoResult = static_cast<Error>(0x100);

enum class Delivery : u8 { call, send, event };

/// system calls call and send: the message is in the Frame. kNoResult, or the error.
Error send_message(Thread& thread, Endpoint& endpoint, u64 badge, Delivery kind);
/// recv: waits, or has a message in its Frame.
Error receive(Thread& thread, Endpoint& endpoint, abi::Time deadline);
/// Answers `caller` with the message in the Frame: as its server, or by the Reply capability in `held`. not_found: it
/// does not wait for this answer any more.
Error reply_to(Thread& thread, Thread& caller, const Slot* held);
/// What receiving anew does to a current caller that was not answered.
/// The caller, if it dies of it (its fault will never be mended): the caller of this is to pass it to thread_died.
Thread* drop_caller(Thread& thread);
/// What the dead owe: their callers learn of it, others get their queue, their Signal can be bound anew, what they were
/// destroying is anybody's. Without locks; it may be called again.
void thread_died(Thread& thread);

/// Raises an event of a thread that is ready, not queued (current or being attended to), with the words in `event_words`: to
/// its handler, or it dies.
void raise_event(Thread& thread, abi::Event event);
/// Lets a foreign thread go on. bad_state: it is not at an event. With a server: only while that has its event, else
/// not_found.
Error resume_foreign(Thread& thread, abi::Resume how, u64 value, const Thread* server = nullptr);
/// Delivers the bits of its bound Signal to a thread that is about to receive, or that does: then it is to be made ready.
/// False: there are none.
bool deliver_signal_locked(Thread& thread) REQUIRES(thread_locks);

/// A deadline has passed (or a parked thread's Budget is refilled).
void time_out(Thread& thread, abi::Time now);
/// One wait of a thread, and not the next one of the same kind.
struct Wait {
    State state = State::inactive;
    const Object* partner = nullptr;  ///< whom it waits for: an Endpoint, a Signal, a thread
    u32 call_number = 0;
    abi::Time deadline = abi::kNoDeadline;
    bool operator==(const Wait&) const = default;
};
Wait wait_of(const Thread& thread) REQUIRES(thread_locks);
/// Takes the thread out of that wait if it still is in it; it then is `after`: with `error` as its call's result if it
/// becomes ready. False: it waits no more, or otherwise.
bool withdraw(Thread& thread, const Wait& wait, Error error, State after);
/// A thread's wait on the Reply with that number ends with peer_died.
void abandon_call(Thread& caller, u32 call_number);

/// Transfers words, buffer and capabilities; `badge` for the receiver. `receiver_error`: it has no room for the
/// capabilities, and nothing has arrived.
Error transfer_locked(Thread& from, Thread& to, u64 badge, Error& receiver_error) REQUIRES(thread_locks);
/// The same without the words in registers.
Error transfer_load_locked(Thread& from, Thread& to, Error& receiver_error) REQUIRES(thread_locks);

/// After an answer that its receiver had no room for: what it was to move is deleted. No lock held.
void drop_moved(Thread& from);

/// The words of a kernel message for an event of `from`.
void fill_event(const Thread& from, Thread& to) REQUIRES(thread_locks);

/// What transfer would say to the sender.
Error check_message(Thread& from);

/// Lending: see docs/kernel.md, Scheduling.
void lend_locked(Thread& lender, Thread& borrower) REQUIRES(thread_locks);
void unlend_locked(Thread& borrower) REQUIRES(thread_locks);

/// Endpoint queues.
void enqueue_caller_locked(Endpoint& endpoint, u32 part, Thread& caller) REQUIRES(thread_locks);
void dequeue_caller_locked(Thread& caller) REQUIRES(thread_locks);
void register_receiver_locked(Endpoint& endpoint, Thread& thread) REQUIRES(thread_locks);
/// The part's callers may have become orphans: whoever can take them is told (no lock held).
void unregister_receiver(Thread& thread);
/// The same without telling anybody.
void unregister_receiver_locked(Thread& thread) REQUIRES(thread_locks);
/// Brings orphaned callers and waiting receivers of an Endpoint together (no lock held).
void rebalance(Endpoint& endpoint);
/// Destruction: one waiting or registered thread is let go; false: none is left.
bool sever_endpoint_step(Endpoint& endpoint);

}  // namespace pith::core
