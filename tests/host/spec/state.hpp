// SPDX-License-Identifier: MIT
// The state of the specified kernel: plain values in standard containers, nothing about how a kernel stores them.
//
// Objects and capabilities have identities (`Id`) that are never used twice; an object that is destroyed is erased.
// What the specification leaves to the kernel (the slot that it chooses, when a Pool is exhausted, who of several
// equals runs) is not in here: `Observed` in system.hpp tells what the kernel chose, and the rules check that it may.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "abi/boot.hpp"
#include "abi/memory.hpp"
#include "abi/message.hpp"
#include "abi/thread.hpp"

namespace pith::spec {

using abi::HandleIndex;
using abi::ObjectType;
using abi::RightsBits;
using abi::Time;

using Id = u32;
inline constexpr Id kNone = 0;

/// A capability: the right to do `rights` to `object`. It sits in one slot of one CapTable, and in the derivation tree
/// below the one that it was copied from (kNone: an original).
struct Capability {
    Id object = kNone;
    RightsBits rights = 0;
    u64 badge = 0;
    Id parent = kNone;
    Id table = kNone;
    HandleIndex slot = 0;
};

struct Pool {
    Id parent = kNone;
    u64 limit = 0;  ///< pages
};

struct Memory {
    u64 pages = 0;
    bool device = false;  ///< its pages are no Pool's
    bool contiguous = false;
};

/// One mapped page.
struct Mapping {
    Id memory = kNone;
    u64 page = 0;        ///< within the Memory
    u32 rights = 0;      ///< kMap bits
    u32 maximum = 0;     ///< what `protect` may raise the rights to: what the capability allowed
    bool dirty = false;  ///< written since it was mapped, or since space_dirty looked
    bool operator==(const Mapping&) const = default;
};

struct Space {
    bool jit = false;
    std::map<u64, Mapping> pages;  ///< by address
    std::vector<Id> ports;         ///< IoPorts that its threads may use, as often as they were bound
};

struct CapTable {
    std::map<HandleIndex, Id> slots;  ///< capabilities
    /// Slots whose capability was taken away (its object was destroyed, or it was revoked), until the table's owner
    /// gives them up: nothing comes into them.
    std::set<HandleIndex> stale;

    bool taken(HandleIndex slot) const { return slots.contains(slot) || stale.contains(slot); }
};

struct Signal {
    u64 pending = 0;
    Id waiter = kNone;  ///< the thread in signal_wait; one at most
    Id bound = kNone;   ///< the thread whose recv gets the bits
};

/// Waiting calls, sends and events, oldest first; threads that wait to receive; and all threads that receive here, waiting
/// or busy. Each belongs to the part of one CPU (see Thread::part; a receiver's is that of its own CPU).
struct Endpoint {
    std::deque<Id> senders;
    std::deque<Id> receivers;
    std::deque<Id> registered;
};

struct Budget {
    abi::BudgetParameters parameters{};
    Id signal = kNone;
};

/// The right to answer the call of `caller`, taken out of the thread that received it.
struct Reply {
    Id caller = kNone;
};

/// The authority over the machine itself. There is one, from the start to the end, made from no Pool.
struct Machine {};

struct Interrupt {
    u32 line = 0;
    Id signal = kNone;
    u64 bits = 0;
    bool masked = true;  ///< from its arrival, and from the start, until it is acknowledged
    bool message = false;
    bool noted = false;  ///< a message came while it was masked
};

struct IoPorts {
    u32 first = 0;
    u32 count = 0;
};

/// An arrived handle that is any number that names nothing.
inline constexpr HandleIndex kUsedUp = ~HandleIndex{0};

/// A message on its way, or arrived.
struct Message {
    u64 tag = 0;
    u64 badge = 0;
    std::array<u64, abi::kRegisterWords> words{};
    std::vector<u64> data;                    ///< of the message buffer
    std::vector<abi::MessageHandle> handles;  ///< sent: what to copy; arrived: slot and rights
};

/// How a system call ended: any of `errors` is right.
struct Completion {
    std::set<Error> errors;
    std::optional<Message> message;  ///< of a recv or call that succeeded
    u64 r0 = 0;                      ///< signal_wait: the bits
};

enum class State {
    inactive,   ///< never started
    ready,      ///< it can run, or does
    calling,    ///< in a call that is queued (`queued_at`) or being served (`server`, `reply`)
    sending,    ///< in a send that is queued
    receiving,  ///< in recv
    waiting,    ///< in signal_wait
    event,      ///< foreign or faulted: its event is queued, or received and not yet answered
    dead,
};

struct Thread {
    abi::ThreadKind kind = abi::ThreadKind::native;
    Id space = kNone;
    Id captable = kNone;
    Id handler = kNone;  ///< an Endpoint
    Id buffer = kNone;   ///< a Memory
    u64 badge = 0;       ///< of its events
    Id budget = kNone;
    u32 cpu = 0;
    u8 priority = 0;

    State state = State::inactive;
    bool stopped = false;            ///< by thread_stop: whatever its state is, it does not run
    bool interrupt_pending = false;  ///< thread_interrupt came; it has not arrived as an event yet
    Time deadline = 0;               ///< of what it is blocked in; kNoDeadline: none
    Message outgoing;                ///< of a queued or served call, send or event
    Id queued_at = kNone;            ///< Endpoint in whose queue it is (any of the queues)
    Id waits_for = kNone;            ///< Signal
    u64 wait_mask = 0;
    Id server = kNone;      ///< thread that received its call or event, and whose current caller it is
    Id reply = kNone;       ///< or the Reply that stands for it
    Id current = kNone;     ///< the caller that this thread is serving
    Id lender = kNone;      ///< on whose Budget and at whose priority it works; the current caller, or one
                            ///< whose Reply it has taken since its last recv
    u32 part = 0;           ///< of the Endpoint in whose queue it is: a CPU
    Id registered = kNone;  ///< the Endpoint at which it received last
    bool native_fault = false;  ///< its event is a fault of a native thread
    Id bound_signal = kNone;
    bool on_reserve = false;  ///< what was lent to it could not be used: it finishes on its own Budget
    std::array<u64, 64> fpu{};
    std::optional<Completion> completion;  ///< of its last call, once it has ended
};

struct Object {
    ObjectType type = ObjectType::none;
    Id pool = kNone;  ///< what it was made from; kNone: the first Pool, the Machine, and a Reply
    std::variant<std::monostate, Pool, Memory, Space, CapTable, Thread, Budget, Endpoint, Signal, Reply,
                 Machine, Interrupt, IoPorts>
        body;
};

}  // namespace pith::spec
