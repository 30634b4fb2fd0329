// SPDX-License-Identifier: MIT
// One system call in progress, and the handlers. A handler decodes, looks up, validates, commits and returns:
// Error::ok with r0..r2 set, an error without effect, Error::restart (preempted: `progress` in the Thread
// tells how far it is), or kNoResult (the Frame has its result, or the thread blocks).
#pragma once

#include "abi/syscall.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"

namespace pith::core {

struct Call {
    explicit Call(Thread& caller) : thread(caller), frame(caller.frame) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    Thread& thread;
    arch::Frame& frame;
    u64 r0 = 0;
    u64 r1 = 0;
    u64 r2 = 0;

    HandleIndex handle() const { return frame.handle(); }
    u64 argument(unsigned i) const { return frame.arg(i); }
    HandleIndex handle_argument(unsigned i) const { return static_cast<HandleIndex>(frame.arg(i)); }

    /// The object that the call is invoked on.
    template <typename T, typename Right>
    Result<T*> object(Right right) {
        return as<T>(invoked({T::kType, static_cast<RightsBits>(right)}));
    }
    /// The same with no right asked for.
    template <typename T>
    Result<T*> object() {
        return as<T>(invoked({T::kType, 0}));
    }
    /// The object that an argument names.
    template <typename T, typename Right>
    Result<T*> object_argument(unsigned i, Right right) {
        return as<T>(named(i, {T::kType, static_cast<RightsBits>(right)}));
    }

    /// Takes a free slot of the own table for the capability that the call will make, or of another, `wanted` or any. If
    /// the call fails, it is given back. The first does nothing if there is one already. bad_handle, occupied, no_slot, no_memory, invalid.
    Error reserve();
    Error reserve(CapTable* table, HandleIndex wanted);
    Slot& slot() { return *slot_; }
    /// Fills it with the first capability to a new object. r0: its number.
    Error fill(Object& object, RightsBits rights = abi::kAllRights);
    /// It has been filled. r0: its number.
    void filled();
    /// At the end: gives back a slot that was not filled.
    void release_slot() {
        if (slot_ != nullptr) CapTable::release(*slot_);
    }

    /// A copy of an argument structure from words[0] of the message buffer. Read once: its owner may change
    /// it any time.
    template <typename T>
    T input(usize index = 0) const {
        static_assert(sizeof(T) <= abi::kBufferSize);
        T value;
        __builtin_memcpy(&value, reinterpret_cast<const char*>(thread.buffer->words) + index * sizeof(T),
                         sizeof(T));
        return value;
    }
    /// A result structure to words[0] of the message buffer.
    template <typename T>
    void output(const T& value) {
        static_assert(sizeof(T) <= abi::kBufferSize);
        __builtin_memcpy(thread.buffer->words, &value, sizeof(T));
    }

  private:
    Result<Object*> invoked(Sought sought);
    Result<Object*> named(unsigned i, Sought sought);

    Slot* slot_ = nullptr;
};

/// Waits until other CPUs that have the Space loaded have forgotten its old translations; ok if there is
/// none.
Error shoot_down(Call& call, Space& space);

/// A handler, which keeps no register for its caller, and eight of them: of the system calls whose numbers differ in the
/// last three bits.
using Handler = Error(Call& call) PITH_KEEPS_NONE;
using Handlers = Handler* [8];
extern const Handlers message_calls;  // null, call, send, recv, reply_recv, reply, take_reply, adopt
extern const Handlers signal_calls;   // signal_*, yield, clock, trace_mark
extern const Handlers capability_calls;
extern const Handlers object_calls;  // object_destroy
extern const Handlers pool_calls;
extern const Handlers memory_calls;
extern const Handlers space_calls;
extern const Handlers captable_calls;
extern const Handlers thread_calls;
extern const Handlers more_thread_calls;
extern const Handlers budget_calls;
extern const Handlers endpoint_calls;
extern const Handlers interrupt_calls;
extern const Handlers ports_calls;
extern const Handlers machine_calls;
extern Handler thread_info, thread_fpu_read, thread_fpu_write;

}  // namespace pith::core

/// In a handler: returns the Error of an expression, unless it is ok.
#define PITH_PASS(...)                                                                             \
    do {                                                                                           \
        if (const Error pith_error_ = (__VA_ARGS__); pith_error_ != Error::ok) return pith_error_; \
    } while (false)
/// In a handler: the value of a Result, or return its error.
#define PITH_CALL(...)                                   \
    ({                                                   \
        auto pith_call_ = (__VA_ARGS__);                 \
        if (!pith_call_.ok()) return pith_call_.error(); \
        std::move(pith_call_).value();                   \
    })
