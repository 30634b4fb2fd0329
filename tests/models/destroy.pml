// SPDX-License-Identifier: MIT
// Destruction of what another CPU may be using without a lock. Model of
//   kernel/core/destroy.cpp: Job (marking, settling, severing, fencing, releasing); kernel/core/lookup.cpp: look_up
//   kernel/core/ipc_fast.cpp: object_of, call_directly; kernel/arch/x86_64/ipc.S: look_up, fast_call
//   kernel/core/ipc.cpp: send_message, receive, unregister_receiver
//   kernel/core/event.cpp: sever_endpoint_step; kernel/core/thread.cpp: kill_thread, sever_thread
//   kernel/core/scheduler.cpp: leave_kernel, acknowledge
// CPU 0 destroys a Pool: Endpoint E and thread T with its Space. On CPU 1, T calls E; thread R, which survives, receives on
// it and later on something else. Interrupts take any time to arrive. BROKEN_3 is the code as it was: a CPU acknowledged
// what it had been asked though it had not scheduled yet, with the interrupt that says why still on its way.
// Checked: neither E nor T's Space is used once released; R and T wait for nothing when all is quiet.

mtype = { runnable, queued, awaiting_reply, waiting, serving, dead, finished };
#define NONE 0
#define T 1
#define R 2

bool dying, slot = true, freed;
bool locked;  // CPU 1's
byte current;
mtype t = runnable, r = runnable;
bool kill, registered;  // T's attention; R is in E's part
bool sent, ipi;         // on its way; there
byte requested, acknowledged;
bool asking;

#define use_endpoint assert(!freed)
inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

proctype wire() {
end:
    do
    :: atomic { sent -> sent = false; ipi = true }
    od
}

inline schedule() {
    lock();
    if
    :: current == T && t == runnable && kill -> t = dead
    :: else
    fi;
    current = NONE;
    if
    :: t == runnable && !kill -> current = T
    :: t == runnable && kill -> t = dead
    :: r == runnable || r == serving -> current = R
    :: else
    fi;
    unlock()
}

// T calls E.
inline call() {
    if
    :: slot ->
        use_endpoint;  // alive
        if
        :: !dying ->
            lock();
            use_endpoint;
            if
            :: r == waiting -> r = serving; t = awaiting_reply; current = R  // by the fast path, no leave_kernel
            :: dying -> due = true
            :: !dying && r != waiting -> t = queued; due = true
            fi;
            unlock()
        :: else
        fi
    :: else
    fi
}

inline leave_endpoint() {
    lock();
    if
    :: registered -> use_endpoint; registered = false
    :: else
    fi;
    r = finished;
    unlock()
}

// R receives on E, after it has answered by not doing so.
inline receive() {
    due = true;
    lock();
    if
    :: r == serving ->
        r = runnable;
        t = (t == awaiting_reply -> runnable : t)
    :: else
    fi;
    unlock();
    if
    :: !slot -> leave_endpoint()
    :: slot ->
        use_endpoint;
        if
        :: dying -> leave_endpoint()
        :: !dying ->
            lock();
            use_endpoint;
            registered = true;
            unlock();
            lock();
            use_endpoint;
            if
            :: dying
            :: !dying && t == queued -> t = awaiting_reply; r = serving
            :: !dying && t != queued -> r = waiting
            fi;
            unlock()
        fi
    fi
}

proctype cpu1() {
    bool due = true, asked, slow;
    byte ticket;
    do
    ::
        asked = false;  // leave_kernel
        if
        :: asking -> asked = true; asking = false; ticket = requested;
#ifndef BROKEN_3
            due = true
#endif
        :: else
        fi;
        if
        :: due -> due = false; schedule()
        :: else
        fi;
        if
        :: asked -> acknowledged = ticket
        :: else
        fi;
end_user:
        do
        :: ipi -> ipi = false; due = true; break
        :: current == T -> assert(!freed);  // its own memory
            slow = false;
            if
            :: call(); slow = due
            :: due = true; slow = true
            :: slow = true  // a call after which nothing else is due
            fi;
            if
            :: slow -> break
            :: else
            fi
        :: current == R -> receive(); break
        od
    od
}

inline kill_thread() {
    lock();
    if
    :: current == T && t != dead -> kill = true; sent = true
    :: else ->
        r = (t == awaiting_reply && r == serving -> runnable : r);  // withdraw: its server has no caller any more
        t = dead
    fi;
    unlock()
}

inline wait_for_cpus() {
    requested++;
    asking = true;
    sent = true;
    acknowledged == requested
}

proctype destroyer() {
    dying = true;
    kill_thread();
#ifndef BROKEN_1
    wait_for_cpus();
#endif
    slot = false;
    lock();  // sever_endpoint_step
    t = (t == queued -> runnable : t);
    r = (r == waiting -> runnable : r);
    registered = false;
    unlock();
    kill_thread();
#ifndef BROKEN_2
    wait_for_cpus();
#endif
    freed = true
}

init {
    atomic { run wire(); run cpu1(); run destroyer() }
    timeout;
    assert(freed && t == dead && r == finished)
}
