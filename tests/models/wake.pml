// SPDX-License-Identifier: MIT
// Making a thread of another CPU ready. Model of
//   kernel/core/scheduler.cpp: make_ready_locked, kick, schedule, put_back_locked, pick_locked, switch_locked,
//     leave_kernel, preempted, set_priority_locked; kernel/core/syscall.cpp: ipi_entry
//   kernel/core/ipc_fast.cpp: call_directly; kernel/arch/x86_64/ipc.S: fast_call; kernel/arch/x86_64/entry.S: idle
// One CPU has threads with priorities 1 and 2; they wait, yield, call long operations with preemption points, and thread 2
// hands over to a server by the fast path, which runs at the same priority. Two others, each as if on a CPU of its own, make
// those that wait ready, and change the priority of thread 1. Interrupts come in user code, idle, and in preempted.
// Checked: while user code runs or the CPU is idle, no thread that may run has a higher priority than what runs, or an
// interrupt is on its way; a thread that is ready is in the queue, or current.

#define NONE 0
#define SERVER 3
#define bit(t) (1 << (t))

bool locked;
byte current = NONE;
byte run_queue, waiting = 6;  // sets of threads; the server waits when it is not current
byte level_of[4];             // priorities; [0]: idle
byte current_priority;        // an atomic
bool reschedule, interrupt;
bool outside;  // in user code, or idle
byte changes = 2;

#define queued_level(t) ((run_queue & bit(t)) -> level_of[t] : 0)
#define ready_above(level) (queued_level(1) > (level) || queued_level(2) > (level) || queued_level(3) > (level))
#define top \
    (queued_level(3) && queued_level(3) >= queued_level(2) && queued_level(3) >= queued_level(1) -> 3 : \
     (queued_level(2) && queued_level(2) >= queued_level(1) -> 2 : (queued_level(1) -> 1 : NONE)))

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline kick(here) {
    if
    :: here -> reschedule = true
    :: else -> interrupt = true
    fi
}

inline make_ready(t, here) {
    waiting = waiting & ~bit(t);
    if
    :: current == t -> kick(here)
    :: else ->
        run_queue = run_queue | bit(t);
        if
#ifdef BROKEN_1
        :: current != NONE && level_of[t] > current_priority -> kick(here)
#else
        :: level_of[t] > current_priority -> kick(here)
#endif
        :: else
        fi
    fi
}

inline schedule() {
    do
    :: reschedule = false;
        if  // expire_timers
        :: waiting & bit(1) -> lock();
            if
            :: waiting & bit(1) -> make_ready(1, true)
            :: else
            fi;
            unlock()
        :: true
        fi;
        lock();
        if
        :: current != NONE && !(waiting & bit(current)) -> run_queue = run_queue | bit(current)
        :: else
        fi;
        current = top;
        run_queue = run_queue & ~bit(current);
#ifdef BROKEN_2
        unlock();
        current_priority = level_of[current];
#else
        current_priority = level_of[current];
        unlock();
#endif
        if
        :: !reschedule -> break
        :: else
        fi
    od
}

// interrupt_window: an IPI that comes here only notes that there is something to do.
inline window() {
    if
#ifdef BROKEN_3
    :: interrupt -> interrupt = false
#else
    :: interrupt -> interrupt = false; reschedule = true
#endif
    :: true
    fi
}

proctype cpu() {
    byte other;
    do
    :: outside = true;
end_outside:
        if
        :: interrupt -> atomic { outside = false; interrupt = false; reschedule = true }
        :: atomic { current != NONE -> outside = false };  // a system call
            if
            :: current != SERVER -> lock(); waiting = waiting | bit(current); reschedule = true; unlock()
            :: reschedule = true  // yield
            :: window(); window()
            :: current == 2 -> lock();  // call, and the server runs for it
                waiting = (waiting | bit(2)) & ~bit(SERVER);
                level_of[SERVER] = level_of[2];
                current = SERVER;
                unlock()
            :: current == SERVER -> lock();  // reply_recv
                if
                :: level_of[SERVER] == level_of[2] && (waiting & bit(2)) -> waiting = waiting & ~bit(2); current = 2
                :: else -> reschedule = true
                fi;
                unlock()
            fi
        fi;
        if
        :: reschedule -> schedule()
        :: else
        fi
    od
}

proctype waker(byte t) {
end:
    do
    :: waiting & bit(t) ->
        lock();
        if
        :: (waiting & bit(t)) && !(t == 2 && current == SERVER) && !(run_queue & bit(SERVER) && t == 2) ->
            make_ready(t, false)
        :: else
        fi;
        unlock()
    od
}

// set_priority_locked for thread 1.
proctype changer() {
    do
    :: changes == 0 -> break
    :: changes ->
        changes--;
        lock();
        level_of[1] = 4 - level_of[1];  // 1, 3, 1
        if
        :: (run_queue & bit(1)) && level_of[1] > current_priority -> interrupt = true
        :: current == 1 -> interrupt = true
        :: else
        fi;
        unlock()
    od
}

proctype monitor() {
end:
    atomic { outside && !locked && !interrupt && ready_above(level_of[current]) -> assert(false) }
}

init {
    atomic { level_of[1] = 1; level_of[2] = 2; run cpu(); run waker(1); run waker(2); run changer(); run monitor() }
}
