// SPDX-License-Identifier: MIT
// A Signal's bits, who waits for them, and who gets them with recv. Model of
//   kernel/core/signal.cpp: notify, wait, sever; kernel/core/ipc.cpp: receive
//   kernel/core/ipc_fast.cpp: reply_directly; kernel/arch/x86_64/ipc.S: fast_reply_recv
//   kernel/core/event.cpp: deliver_signal_locked, withdraw, time_out; kernel/core/thread.cpp: migrate
// Thread W waits for bit 1 with a deadline, or receives with the Signal bound; both can be moved to the other CPU. Two
// notify, each as if on a CPU of its own. BROKEN_1: a CPU's lock is taken by a number that is out of date. BROKEN_2: the
// fast path does not look at the bits. BROKEN_3: they are looked at before the lock is taken under which it waits.
// Checked: no wake-up is lost, none comes twice; a thread is changed by who holds its CPU's lock; all get done.

mtype = { running, waiting_signal, receiving, ended };
#define NONE 2
#define mine(me) (lock[home] == me + 3)

byte lock[2] = NONE;
bool signal_lock;
byte home;
mtype state = running;
byte bits;
bool waiter, waiting_on;  // W is the Signal's waiter; waits for this Signal
byte got;                 // bits that W was given
bool told;                // made ready with bits
byte notified;

inline lock_cpu(cpu) { atomic { lock[cpu] == NONE -> lock[cpu] = me + 3 } }
inline lock_thread() {
    do
    :: at = home;
        lock_cpu(at);
#ifdef BROKEN_1
        break
#else
        if
        :: home == at -> break
        :: else -> lock[at] = NONE
        fi
#endif
    od
}
inline lock_signal() { atomic { !signal_lock -> signal_lock = true } }

// Under the lock of W's CPU: W gets the bits.
inline take_bits() {
    assert(mine(me));
    atomic { got = got | bits; bits = 0 }
}

proctype notifier(byte me; byte mask) {
    byte at;
    bits = bits | mask;
    lock_signal();
    if
    :: waiter ->
        lock_thread();
        if
        :: state == waiting_signal && waiting_on && bits -> waiting_on = false;
            waiter = false;
            take_bits();
            assert(state == waiting_signal && !told);
            told = true;
            state = running
        :: else
        fi;
        lock[at] = NONE
    :: else
    fi;
    if
    :: bits ->  // bound
        lock_thread();
        if
        :: state == receiving && bits -> take_bits(); state = running
        :: else
        fi;
        lock[at] = NONE
    :: else
    fi;
    signal_lock = false;
    notified++
}

// W's own system calls; it is current, so its CPU stays what it is.
proctype thread(byte me) {
    byte at, rounds = 2;
    byte saw;
again:
    if
    :: got == 3 -> goto finish
    :: got != 3
    fi;
    told = false;
    if
    :: rounds ->  // signal_wait
        rounds--;
        lock_signal();
        lock_thread();
        if
        :: bits -> take_bits()
        :: else -> waiter = true; waiting_on = true; state = waiting_signal
        fi;
        lock[at] = NONE;
        signal_lock = false
    :: true ->  // recv, or reply_recv by the fast path
#ifdef BROKEN_3
        saw = bits;
#endif
        lock_thread();
#ifndef BROKEN_3
        saw = bits;
#endif
#ifdef BROKEN_2
        saw = false;
#endif
        if
        :: saw -> take_bits()
        :: else -> state = receiving
        fi;
        lock[at] = NONE
    fi;
    state == running;
    goto again;
finish:
    atomic { lock[home] == NONE -> state = ended }
}

// The deadline of a wait; without it W may well wait for ever for bits that it has.
proctype timer(byte me) {
    byte at;
    do
    :: notified == 2 -> break
    :: state == waiting_signal ->
        lock_thread();
        assert(mine(me));
        if
        :: state == waiting_signal -> waiting_on = false; state = running  // still the waiter, out of date
        :: else
        fi;
        lock[at] = NONE;
        break
    od
}

proctype mover(byte me) {
    lock_cpu(0);
    lock_cpu(1);
    if
    :: state == waiting_signal || state == receiving -> home = 1 - home
    :: else
    fi;
    lock[0] = NONE;
    lock[1] = NONE
}

init {
    atomic { run notifier(0, 1); run notifier(1, 2); run thread(2); run timer(3); run mover(4) }
    timeout;
    assert(got == 3 && bits == 0 && state == ended)
}
