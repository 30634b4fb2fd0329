// SPDX-License-Identifier: MIT
// A Thread of a Linux program: a foreign kernel Thread with its state page, its signal mask, and what it waits for
// in the server. It is in user mode (running) or stopped at an event; while it is stopped at an event, either the
// event loop is just handling it, or a coroutine will finish its system call.
#pragma once

#include "abi/thread.hpp"
#include "servers/linux/process.hpp"

namespace pith::lx {

using abi::HandleIndex;

/// Arguments of a system call, in order.
struct SyscallArgs {
    u64 a0, a1, a2, a3, a4, a5;
};

/// sigaltstack.
struct AltStack {
    u64 base = 0;
    i32 flags = 2;  ///< SS_DISABLE; what is stored, without SS_ONSTACK
    i32 pad = 0;
    u64 size = 0;
};

/// How a stopped thread goes on, once its signals are handled.
enum class Return : u8 {
    result,  ///< of a system call: ForeignState::rax is replaced
    state,   ///< all registers from the state page
    retry,   ///< after a page fault
};

class Thread {
  public:
    Thread(Process& process, Pid tid);
    ~Thread();
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    Process& process;
    Pid tid;  ///< an exec by another thread gives that one the leader's
    Zone& zone() const { return process.zone; }

    // The kernel's side
    abi::ForeignState* state = nullptr;  ///< registers, valid while at_event
    HandleIndex handle = 0;              ///< the kernel Thread
    u32 state_slot = 0;                  ///< of the state page pool
    u16 cpu = 0;
    u64 affinity = ~u64{0};
    u32 events = 0;               ///< since the Balancer looked last
    u64 time_at_look = 0;         ///< CPU time by then
    u32 computing = 0;            ///< looks in a row at which it computed
    bool at_event = true;         ///< stopped; false: it runs in user mode
    bool interrupt_sent = false;  ///< an Event::interrupted is to come
    bool parked = false;          ///< stopped by job control on its way back to user mode
    Return parked_return = Return::state;
    i64 parked_result = 0;

    // Signals
    SigSet mask = 0;
    SigSet saved_mask = 0;  ///< to go back to after the handler: sigsuspend, ppoll, pselect
    bool restore_mask = false;
    SigSet waited = 0;  ///< sigtimedwait: these wake it although blocked
    PendingSignals pending;
    AltStack alt_stack;
    bool dying = false;  ///< SIGKILL, exit_group or exec by another thread: it never goes back
    bool dead = false;

    // The system call it is in
    i64 call_number = -1;  ///< -1: none (a fault or an interrupt)
    SyscallArgs call_args{};
    Sleep* sleep = nullptr;         ///< where it waits, if it does
    bool waits_for_device = false;  ///< it waits for a disk, and nothing interrupts it
    u64 restart_deadline = 0;       ///< for restart_syscall of a sleep: its absolute end (monotonic)
    u64 restart_remaining = 0;      ///< where what is left of it goes
    bool new_program = false;       ///< its call was an exec that worked: it goes on with the state page
    bool starting_call = false;     ///< its coroutine runs for the first time (see run())
    bool call_done = false;         ///< ... and has ended without waiting
    i64 call_result = 0;

    // clone
    u64 clear_tid = 0;  ///< set_tid_address, CLONE_CHILD_CLEARTID
    u64 robust_list = 0;
    Usage usage;
    char name[16] = {};
    u64 timer_slack = 50'000;

    /// A signal that it does not block (or its death) waits to be handled: what ends interruptible sleeps.
    bool signal_pending() const;
    /// It is going to end, by death or by a signal: what it waits for uninterruptibly need not be gone on with.
    bool fatal_signal_pending() const;
    /// Sends to this thread. Wakes or interrupts it if it has to act on it.
    void send(const SigInfo& info);
    /// Sends a signal that its own action caused: if it is blocked or ignored, the process dies of it.
    void force(SigInfo info);
    void set_mask(SigSet to);
    /// For calls with a temporary mask: ends the call with the old one, after the handler has run with the new one.
    void set_temporary_mask(SigSet to);

    /// Ends the system call that it is in. From a coroutine; the event loop ends quick ones itself.
    void finish_call(i64 result);
    /// Handles what signals there are; true: it goes on with `how` and `result` now (at_event is false then).
    /// False: it has ended, or waits for SIGCONT.
    bool prepare_return(Return& how, i64& result);
    /// Resumes it through its capability, after prepare_return.
    void go_on(Return how, i64 result);
    /// Looks again whether it must be interrupted or woken, after its signals or mask changed.
    void notice();
    bool stopped_in_call() const { return call_number >= 0; }
    /// Makes its kernel Thread, in its process's Space, stopped. ENOMEM.
    SysResult<> create_kernel_thread();
    void destroy_kernel_thread();
    /// Tells readers of the trace its name and its process's.
    void publish_name() const;
    u64 cpu_time() const;

  private:
    bool handle_signals(Return& how, i64& result);
    bool deliver(const SigInfo& info, Return& how, i64& result, bool& handled);
};

/// As long as it lives the thread waits for a device.
class DeviceWait {
  public:
    explicit DeviceWait(Thread& of) : thread_(of) { thread_.waits_for_device = true; }
    DeviceWait(const DeviceWait&) = delete;
    DeviceWait& operator=(const DeviceWait&) = delete;
    ~DeviceWait() { thread_.waits_for_device = false; }

  private:
    Thread& thread_;
};

/// Puts a handler's frame on the stack of a stopped thread and points its registers there; EFAULT: no stack.
SysResult<> push_signal_frame(Thread& thread, const SigInfo& info, const SigAction& action, SigSet mask);
/// sigreturn. EFAULT: the frame is not readable.
SysResult<> pop_signal_frame(Thread& thread);
/// All of the extended state of `from` to `to` (both stopped).
void copy_fpu_state(const Thread& from, const Thread& to);
/// The state of a program that has just begun.
void reset_fpu_state(const Thread& thread);

}  // namespace pith::lx
