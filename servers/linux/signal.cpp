// SPDX-License-Identifier: MIT
// Sending signals, and what a thread does about them on its way back to user mode.
#include "servers/linux/signal.hpp"

#include <algorithm>
#include <bit>

#include "servers/linux/shutdown.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr usize kMaxQueued = 1024;

bool is_restart(i64 result) { return result <= -512 && result >= -516; }

}  // namespace

bool PendingSignals::add(const SigInfo& info) {
    const SigSet bit = sig_bit(info.signo);
    if (info.signo < kSigRealtime && (set_ & bit) != 0) return false;
    if (queue_.size() >= kMaxQueued && info.signo >= kSigRealtime && info.code != kSiUser) return false;
    set_ |= bit;
    queue_.push_back(info);
    return true;
}

bool PendingSignals::take(SigSet which, SigInfo& info) {
    SigSet found = set_ & which;
    if (found == 0) return false;
    if ((found & kSynchronous) != 0) found &= kSynchronous;
    const i32 signo = std::countr_zero(found) + 1;
    const auto same = [signo](const SigInfo& entry) { return entry.signo == signo; };
    const auto at = std::ranges::find_if(queue_, same);
    if (at == queue_.end()) {
        set_ &= ~sig_bit(signo);
        return false;
    }
    info = *at;
    const auto next = queue_.erase(at);
    if (std::find_if(next, queue_.end(), same) == queue_.end()) set_ &= ~sig_bit(signo);
    return true;
}

void PendingSignals::discard(SigSet which) {
    if ((set_ & which) == 0) return;
    set_ &= ~which;
    std::erase_if(queue_, [which](const SigInfo& info) { return (sig_bit(info.signo) & which) != 0; });
}

bool Process::ignores(i32 signo) const {
    const SigAction& action = (*actions)[signo];
    if (action.handler == kSigIgnore) return true;
    if (action.handler != kSigDefault) return false;
    return (kIgnoredByDefault & sig_bit(signo)) != 0 && signo != kSigCont;
}

namespace {

/// init is the server's own: what asks it for an end (busybox poweroff, reboot, halt).
void signal_init(Zone& zone, i32 signo) {
    if (signo == kSigUsr1 || signo == kSigUsr2) end_zone(zone, EndKind::poweroff, 0);
    if (signo == kSigTerm || signo == kSigInt) end_zone(zone, EndKind::reboot, 0);
}

}  // namespace

void Process::send(const SigInfo& info) {
    if (zone.init == this) return signal_init(zone, info.signo);
    if (zombie || exiting || info.signo == 0) return;
    const i32 signo = info.signo;
    const SigSet bit = sig_bit(signo);
    if (signo == kSigKill) return terminate(kSigKill);
    if (signo == kSigCont) {
        pending.discard(kStopSignals);
        for (Thread* thread : threads) thread->pending.discard(kStopSignals);
        resume();
    } else if ((kStopSignals & bit) != 0) {
        pending.discard(sig_bit(kSigCont));
        for (Thread* thread : threads) thread->pending.discard(sig_bit(kSigCont));
    }
    Thread* target = nullptr;
    bool blocked = true;
    for (Thread* thread : threads) {
        if (thread->dead || thread->dying) continue;
        const bool waits = (thread->waited & bit) != 0;
        if ((thread->mask & bit) == 0 || waits) {
            blocked = false;
            if (target == nullptr || waits) target = thread;
        }
    }
    if (!blocked && ignores(signo) && (target->waited & bit) == 0) return;
    if (signo == kSigCont && (*actions)[signo].handler == kSigDefault &&
        (target == nullptr || (target->waited & bit) == 0))
        return;
    pending.add(info);
    signal_arrivals.wake_all();
    if (target != nullptr) target->notice();
}

void Thread::send(const SigInfo& info) {
    if (process.zombie || process.exiting || dead || info.signo == 0) return;
    const SigSet bit = sig_bit(info.signo);
    if (info.signo == kSigKill || info.signo == kSigCont || (kStopSignals & bit) != 0)
        return process.send(info);
    if ((mask & bit) == 0 && (waited & bit) == 0 && process.ignores(info.signo)) return;
    pending.add(info);
    process.signal_arrivals.wake_all();
    notice();
}

void Thread::force(SigInfo info) {
    const SigSet bit = sig_bit(info.signo);
    SigAction& action = (*process.actions)[info.signo];
    if ((mask & bit) != 0 || action.handler == kSigIgnore) {
        action.handler = kSigDefault;
        mask &= ~bit;
    }
    pending.add(info);
}

bool Thread::signal_pending() const {
    return dying || process.stopped || ((pending.set() | process.pending.set()) & ~mask) != 0;
}

bool Thread::fatal_signal_pending() const {
    if (dying) return true;
    SigSet ending = (pending.set() | process.pending.set()) & ~(mask | kStopSignals | kIgnoredByDefault);
    for (; ending != 0; ending &= ending - 1)
        if ((*process.actions)[std::countr_zero(ending) + 1].handler == kSigDefault) return true;
    return false;
}

void Thread::notice() {
    const bool waited_for = ((pending.set() | process.pending.set()) & waited) != 0;
    if (!signal_pending() && !waited_for) return;
    if (at_event) {
        if (sleep != nullptr) sleep->interrupt(dying);
        return;
    }
    if (interrupt_sent || handle == 0) return;
    interrupt_sent = true;
    invoke(abi::Syscall::thread_interrupt, handle);
}

void Thread::set_mask(SigSet to) {
    mask = to & ~kUnblockable;
    // What this thread no longer takes, another one may.
    const SigSet left = process.pending.set() & mask;
    if (left == 0) return;
    for (Thread* thread : process.threads)
        if (thread != this && !thread->dead && (left & ~thread->mask) != 0) thread->notice();
}

void Thread::set_temporary_mask(SigSet to) {
    saved_mask = mask;
    restore_mask = true;
    set_mask(to);
}

bool Thread::prepare_return(Return& how, i64& result) {
    if (dying) {
        exit_thread(*this);
        return false;
    }
    const bool quick = !signal_pending() && !restore_mask && !(how == Return::result && is_restart(result));
    if (!quick && !handle_signals(how, result)) return false;
    at_event = false;
    zone().balancer.running();
    return true;
}

bool Thread::handle_signals(Return& how, i64& result) {
    bool handled = false;
    if (how == Return::result) {
        state->rax = static_cast<u64>(result);
        how = Return::state;
    } else {
        call_number = -1;
    }
    while (true) {
        if (dying) {
            exit_thread(*this);
            return false;
        }
        if (process.stopped) {
            parked = true;
            parked_return = call_number >= 0 ? Return::result : how;
            parked_result = static_cast<i64>(state->rax);
            return false;
        }
        SigInfo info;
        if (!pending.take(~mask, info) && !process.pending.take(~mask, info)) break;
        if (!deliver(info, how, result, handled)) return false;
    }
    const auto value = static_cast<i64>(state->rax);
    if (call_number >= 0 && is_restart(value)) {
        // No handler ran: the call begins again.
        const bool block = value == -static_cast<i64>(Errno::ERESTART_RESTARTBLOCK);
        state->rax = block ? 219 : static_cast<u64>(call_number);
        state->rip -= 2;
    }
    call_number = -1;
    if (restore_mask) {
        restore_mask = false;
        if (!handled) set_mask(saved_mask);
        // The old mask may let in what the temporary one kept out.
        if (signal_pending()) return handle_signals(how, result);
    }
    return true;
}

bool Thread::deliver(const SigInfo& info, Return& how, i64&, bool& handled) {
    const i32 signo = info.signo;
    SigAction action = (*process.actions)[signo];
    if (action.handler == kSigIgnore) return true;
    if (action.handler == kSigDefault) {
        const SigSet bit = sig_bit(signo);
        if ((kIgnoredByDefault & bit) != 0) return true;
        if ((kStopSignals & bit) != 0) {
            if (signo == kSigStop || !zone().orphaned_group(process.group)) process.stop(signo);
            return true;
        }
        // No core is written, so the status never says that one was.
        process.terminate(signo, this);
        exit_thread(*this);
        return false;
    }
    if (call_number >= 0) {
        const auto value = static_cast<i64>(state->rax);
        if (is_restart(value)) {
            const bool again = value == -static_cast<i64>(Errno::ERESTARTNOINTR) ||
                               (value == -static_cast<i64>(Errno::ERESTARTSYS) &&
                                (action.flags & kSaRestart) != 0);
            if (again) {
                state->rax = static_cast<u64>(call_number);
                state->rip -= 2;
            } else {
                state->rax = static_cast<u64>(-static_cast<i64>(Errno::EINTR));
            }
        }
        call_number = -1;
    }
    const SigSet before = restore_mask ? saved_mask : mask;
    restore_mask = false;
    if ((action.flags & kSaResetHand) != 0) (*process.actions)[signo].handler = kSigDefault;
    if (!push_signal_frame(*this, info, action, before).ok()) {
        process.terminate(kSigSegv, this);
        exit_thread(*this);
        return false;
    }
    SigSet blocked = mask | action.mask;
    if ((action.flags & kSaNoDefer) == 0) blocked |= sig_bit(signo);
    set_mask(blocked);
    how = Return::state;
    handled = true;
    return true;
}

}  // namespace pith::lx
