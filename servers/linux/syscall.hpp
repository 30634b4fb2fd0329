// SPDX-License-Identifier: MIT
// The form of a system call's handler. A quick one returns its Outcome; one that has to wait returns
// run(thread, coroutine(...)): the coroutine starts at once, and if it ends without waiting that is the outcome.
//
//   Outcome sys_getpid(Thread& thread, const SyscallArgs&) { return thread.process.pid; }
//   static Task<SysResult<u64>> slow_read(Thread& thread, Ref<File> file, UserIo io);
//   Outcome sys_read(Thread& thread, const SyscallArgs& args) { ... return run(thread, slow_read(thread, ...)); }
//
// Handlers are listed with their numbers in syscalls.inc (here) and vfs/syscalls.inc: PITH_SYSCALL(0, read).
// A coroutine must take what it needs by value (or by Ref), but the Thread, which outlives it.
#pragma once

#include "lib/os/task.hpp"
#include "servers/linux/errno.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/user_memory.hpp"

namespace pith::lx {

using pith::Task;

class [[nodiscard]] Outcome {
  public:
    template <typename T>
        requires(__is_integral(T))
    Outcome(T value) : value_(static_cast<i64>(value)) {}            // NOLINT(google-explicit-constructor)
    Outcome(Errno error) : value_(-static_cast<i64>(error)) {}       // NOLINT(google-explicit-constructor)
    Outcome(const SysResult<>& result) : Outcome(result.error()) {}  // NOLINT(google-explicit-constructor)
    template <typename T>
        requires(__is_integral(T))
    Outcome(const SysResult<T>& result)  // NOLINT(google-explicit-constructor)
        : value_(result.ok() ? static_cast<i64>(result.value()) : -static_cast<i64>(result.error())) {}
    /// The call is not finished: thread.finish_call() (or its death) will end it.
    static Outcome pending() { return Outcome(kPending); }
    /// The handler has set all registers in the state page: resume with them (sigreturn, exec).
    static Outcome state() { return Outcome(kState); }
    bool is_pending() const { return value_ == kPending; }
    bool is_state() const { return value_ == kState; }
    i64 value() const { return value_; }

  private:
    static constexpr i64 kPending = -(i64{1} << 62);
    static constexpr i64 kState = kPending + 1;
    i64 value_;
};

using SyscallHandler = Outcome (*)(Thread&, const SyscallArgs&);

/// Starts the coroutine of a call of `thread`.
Outcome run(Thread& thread, Task<SysResult<u64>> task);

}  // namespace pith::lx
