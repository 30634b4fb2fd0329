// SPDX-License-Identifier: MIT
// CPUs that are idle and hold on to nothing are not asked to let go. Model of
//   kernel/core/scheduler.cpp: awake, other_cpus, wait_for_cpus, leave_kernel, forget_dying
//   kernel/core/syscall.cpp: interrupt_entry; kernel/core/destroy.cpp: wait
// CPU 1 idles; interrupts wake it, it looks an object up, uses it, may load the object's Space, and idles again. The destroyer
// on another CPU unlinks the object, asks CPU 1 unless that is quiescent, and releases it when it has been told.
// BROKEN_1: a CPU that wakes says so only after it has looked something up. BROKEN_2: the destroyer looks for quiescent CPUs
// before it unlinks. BROKEN_3: a CPU calls itself quiescent while it has the Space loaded.
// Checked: what is released is not used and not loaded; the destroyer does not wait for ever.

bool linked = true, released;
bool quiescent, loaded;
bool asked, told;        // an acknowledgement is wanted of CPU 1; it has been given
byte interrupts = 3;

// At the end of each entry of CPU 1: what it is asked for, then whether it is quiescent.
inline leave_kernel() {
    if
    :: asked && !told ->
        loaded = false;  // idle: it lets go of all
        told = true
    :: else
    fi;
#ifdef BROKEN_3
    quiescent = true
#else
    if
    :: !loaded -> quiescent = true
    :: else
    fi
#endif
}

proctype cpu1() {
    bool found;
end:
    do
    :: interrupts ->
        interrupts--;
#ifndef BROKEN_1
        quiescent = false;
#endif
        found = linked;
#ifdef BROKEN_1
        quiescent = false;
#endif
        if
        :: found ->
            assert(!released);
            if
            :: loaded = true
            :: skip
            fi
        :: else
        fi;
        leave_kernel()
    :: asked && !told ->  // the interrupt that asks
        quiescent = false;
        leave_kernel()
    od
}

proctype destroyer() {
    bool ask;
#ifdef BROKEN_2
    ask = !quiescent;
#endif
    linked = false;
#ifndef BROKEN_2
    ask = !quiescent;
#endif
    if
    :: ask -> asked = true; told
    :: else
    fi;
    released = true;
    assert(!loaded)
}

init {
    atomic { run cpu1(); run destroyer() }
}
