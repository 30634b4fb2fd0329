// SPDX-License-Identifier: MIT
// Translations that other CPUs keep, and waiting for other CPUs. Model of
//   kernel/core/call_memory.cpp: space_unmap, shoot_down; kernel/core/space.cpp: unmap_step
//   kernel/core/scheduler.hpp: load_space
//   kernel/core/scheduler.cpp: other_cpus_with, wait_for_cpus, leave_kernel, acknowledge, wake_acknowledged
// Threads 0 and 1 belong to CPU 0, threads 2 and 3 to CPU 1; thread 3 runs in another Space. Each unmaps a page of
// the Space S, touches pages, and ends. The processor of each CPU fills its translations whenever it likes.
// Checked: nobody uses a translation of a page after the call that unmapped it has returned; every call returns.

#define THREADS 4
#define NONE 9
#define S 1
#define X 2
#define cpu_of(t) ((t) / 2)
#define space_of(t) ((t) == 3 -> X : S)
#define bit(n) (1 << (n))

byte pages = 7;  // page n is mapped; thread n unmaps it
byte gone;       // the call that unmapped it has returned
byte translations[2];
byte tables[2];  // CR3
byte loaded_space[2];
byte requested[2], acknowledged[2], asking[2];
bool ipi[2];
bool waiting[THREADS], done[THREADS];
byte ticket[THREADS];  // of the only other CPU

// The processor walks the tables that it has loaded at any time.
proctype walker(byte me) {
end:
    do
    :: atomic { tables[me] == S && (pages & ~translations[me]) -> translations[me] = translations[me] | pages }
    od
}

// Thread t's part of wake_acknowledged.
inline wake(t) { waiting[t] = waiting[t] && acknowledged[1 - me] < ticket[t] }

inline load_space(space) {
    if
    :: loaded_space[me] == space
    :: else ->
#ifdef BROKEN_3
        atomic { tables[me] = space; translations[me] = 0 };
        loaded_space[me] = space
#else
        loaded_space[me] = space;
        atomic { tables[me] = space; translations[me] = 0 }
#endif
    fi
}

inline take_asking() {
    atomic { asked = asking[me]; asking[me] = 0 }
}

// BROKEN_1, 2: who asks is taken after what is asked, so a CPU may be told too early, and then never.
inline take() {
    asked = 0;
    if
#if defined(BROKEN_1) || defined(BROKEN_2)
    :: requested[me] != acknowledged[me] -> asked = 1; seen = requested[me]; due = true
#else
    :: asking[me] -> take_asking(); seen = requested[me]; due = true
#endif
    :: else
    fi
}

inline acknowledge() {
    translations[me] = 0;
#ifdef BROKEN_4
    acknowledged[me] = requested[me];
#else
    acknowledged[me] = seen;
#endif
#if defined(BROKEN_1) || defined(BROKEN_2)
    take_asking();
#endif
    if
    :: asked -> ipi[1 - me] = true
    :: else
    fi
}

// Thread t waits for the other CPU.
inline wait_for_cpus() {
#ifdef BROKEN_1
    asking[1 - me] = asking[1 - me] | 1;
    atomic { requested[1 - me]++; ticket[t] = requested[1 - me] };
#else
    atomic { requested[1 - me]++; ticket[t] = requested[1 - me] };
    asking[1 - me] = asking[1 - me] | 1;
#endif
    waiting[t] = true;
    ipi[1 - me] = true
}

// Chooses a thread of this CPU, any that may run.
inline schedule() {
    due = false;
    d_step { wake(2 * me); wake(2 * me + 1) };
    if
    :: atomic { !waiting[2 * me] && !done[2 * me] -> current = 2 * me }
    :: atomic { !waiting[2 * me + 1] && !done[2 * me + 1] -> current = 2 * me + 1 }
    :: else -> current = NONE
    fi;
    if
    :: current != NONE -> load_space(space_of(current))
    :: else
    fi
}

// One CPU: the kernel with interrupts off, user code, or idle.
proctype cpu(byte me) {
    byte t, current = NONE, touches = me;
    byte seen, asked;
    bool due = true;
leave_kernel:
    take();
    if
    :: due -> schedule()
    :: else
    fi;
    if
    :: asked -> acknowledge()
    :: else
    fi;
    if
    :: current == NONE && done[2 * me] && done[2 * me + 1] -> goto end_idle
    :: current == NONE && !(done[2 * me] && done[2 * me + 1]) ->
        ipi[me] -> ipi[me] = false;  // halted
        due = true;
        goto leave_kernel
    :: current != NONE
    fi;
    if  // its system call has returned
    :: current != 3 && !(pages & bit(current)) ->
        atomic { gone = gone | bit(current); done[current] = true };
        due = true;
        goto leave_kernel
    :: else
    fi;
    do  // user code
    :: ipi[me] -> ipi[me] = false; due = true; goto leave_kernel
    :: tables[me] == S && touches -> touches--; assert(!(translations[me] & gone))
    :: touches -> touches--; due = true; goto leave_kernel  // its turn is over
    :: current == 3 -> done[3] = true; due = true; goto leave_kernel
    :: current != 3 -> break
    od;
    t = current;  // space_unmap
    pages = pages & ~bit(t);
    if
    :: loaded_space[me] == S -> translations[me] = translations[me] & ~bit(t)
    :: else
    fi;
    if
    :: loaded_space[1 - me] == S -> wait_for_cpus(); due = true
    :: else
    fi;
    goto leave_kernel;
end_idle:
    ipi[me] -> ipi[me] = false;
    due = true;
    goto leave_kernel
}

init {
    atomic { run walker(0); run walker(1); run cpu(0); run cpu(1) }
}
