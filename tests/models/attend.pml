// SPDX-License-Identifier: MIT
// Who may change a thread that has something to attend to, or that moves. Model of
//   kernel/core/scheduler.cpp: schedule, put_back_locked, pick_locked, switch_locked, make_ready_locked
//   kernel/core/cpu.hpp: ThreadLock; kernel/core/scheduler.hpp: held_locked
//   kernel/core/thread.cpp: attend, migrate, kill_thread; kernel/core/call_thread.cpp: stop, go_on, interrupt, set_cpu
//   kernel/core/event.cpp: raise_event, withdraw, resume_foreign; kernel/core/ipc.cpp: send_message
// Thread T has two CPUs to be on. Others, each as if on a CPU of its own, stop it and let it go on, interrupt it, move it,
// kill it, and answer its events. BROKEN_1: a lock is taken by a CPU's number that is out of date. BROKEN_2: as it was,
// nothing says that a CPU is attending to T, and T is changed meanwhile.
// Checked: T is changed by who holds its CPU's lock; it is in one queue at most, on one CPU at most; the dead stay dead;
// a thread that may run is in the queue of its CPU when all is quiet.

mtype = { ready, at_event, dead };
#define NONE 2
#define Stop 1
#define Kill 2
#define Interrupt 4
#define Migrate 8

byte lock[2] = NONE;  // by whom it is held, + 3
byte home;
mtype state = ready;
byte attention, next_cpu;
byte linked = 1;  // how often T is in a run queue: in that of its home
bool current[2], attended[2], due[2];

#define held (current[home] || (attended[home] && state == ready))
#define mine (lock[home] == me + 3)
#define stopped ((attention & 3) == Stop)

inline lock_cpu(cpu) { atomic { lock[cpu] == NONE -> lock[cpu] = me + 3 } }
inline unlock_cpu(cpu) { lock[cpu] = NONE }
// ThreadLock
inline lock_thread() {
    do
    :: at = home;
        lock_cpu(at);
#ifdef BROKEN_1
        break
#else
        if
        :: home == at -> break
        :: else -> unlock_cpu(at)
        fi
#endif
    od
}

inline make_ready() {
    assert(mine && state != dead);
    state = ready;
    assert(stopped || current[home] || !linked);
    linked = linked + !(stopped || current[home]);
    due[home] = true
}

// Taken off the queue with attention bits: T is this CPU's to look after.
inline attend() {
    lock_cpu(me);
    bits = attention;
    if
    :: attention & Kill -> attention = 0; state = dead; attended[me] = false
    :: !(attention & Kill) && (attention & (Stop | Migrate | Interrupt)) == Interrupt ->
        attention = attention & ~Interrupt
    :: else -> attended[me] = false
    fi;
    unlock_cpu(me);
    if
    :: bits & (Kill | Stop)
    :: else ->
        if
        :: bits & Migrate -> migrate(1 - me)
        :: bits == Interrupt ->
            lock_thread();  // raise_event, send_message
            assert(mine && state == ready && !linked);
            state = at_event;
            attended[me] = false;
            unlock_cpu(at)
        :: else
        fi;
        lock_thread();
        if
        :: state == ready && !linked && !stopped && !held -> make_ready()
        :: else
        fi;
        unlock_cpu(at)
    fi
}

inline migrate(target) {
    lock_cpu(0); lock_cpu(1);
    if
    :: held -> attention = attention | Migrate; due[home] = true
    :: else -> home = target; attention = attention & ~Migrate  // its queue link goes along
    fi;
    unlock_cpu(0); unlock_cpu(1)
}
proctype cpu(byte me) {
    byte at, bits;
    bool busy;
end:
    do
    :: due[me] || (linked && home == me && !current[me]) ->
        due[me] = false;
        busy = false;
        atomic {
            lock_cpu(me);
            assert(!(current[0] && current[1]));
            assert(!current[me] || (home == me && !linked));
            linked = linked + (current[me] && state == ready);  // put_back_locked
            current[me] = false;
            if  // pick_locked
            :: linked && home == me ->
                linked--;
                assert(state == ready);
                busy = attention != 0;
                current[me] = !busy;
#ifndef BROKEN_2
                attended[me] = busy;
#endif
            :: else
            fi;
            unlock_cpu(me)
        };
        if
        :: busy -> attend(); due[me] = true
        :: else
        fi
    od
}

proctype stopper() {
    byte at, me = 2;
    lock_thread();
    if
    :: state == dead
    :: else ->
        assert(mine);
        attention = attention | Stop; due[home] = true; linked = 0
    fi;
    unlock_cpu(at);
    lock_thread();
    if
    :: attention & Stop ->
        attention = attention & ~Stop;
        if
        :: state == ready && !linked && !held -> make_ready()
        :: else
        fi
    :: else
    fi;
    unlock_cpu(at)
}

proctype interrupter() {
    byte at, me = 3;
    lock_thread();
    assert(mine);
    attention = attention | Interrupt; due[home] = true;
    unlock_cpu(at)
}

proctype mover() {
    byte at, me = 4, target = 1 - home;
    migrate(target)
}

proctype killer() {
    byte at, me = 5;
    lock_thread();
    if
    :: held -> attention = attention | Kill; due[home] = true
    :: else -> assert(mine); state = dead; linked = 0  // withdraw
    fi;
    unlock_cpu(at)
}

proctype handler() {
    byte at, me = 6;
end:
    do
    :: state == at_event ->
        lock_thread();
        if
        :: state == at_event -> make_ready()
        :: else
        fi;
        unlock_cpu(at)
    od
}

init {
    atomic {
        run cpu(0); run cpu(1); run stopper(); run interrupter(); run mover(); run killer(); run handler()
    }
    timeout;
    assert(state == dead || current[0] || current[1]);
    assert(!attended[0] && !attended[1] && !stopped)
}
