// SPDX-License-Identifier: MIT
// The Frame of a foreign thread whose event is handled on another CPU. Model of
//   kernel/core/event.cpp: raise_event, resume_foreign; kernel/core/ipc.cpp: send_message, deliver_locked
//   kernel/core/scheduler.cpp: put_back_locked, switch_locked; kernel/arch/x86_64/arch/cpu.hpp: leave_frame, enter_frame
// Thread T on CPU 1 raises events. Its handler on CPU 0 sets T's fs base in the state page, as for arch_prctl, and resumes it
// from there, perhaps before CPU 1 has switched from it. BROKEN_1 is the code as it was: what is live in CPU 1 was stored
// once more when it switched, over what had been loaded into the Frame. BROKEN_2: it is stored only then, so too late for
// the handler to see it.
// Checked: T runs with the base that its handler set last; the handler sees the base that T ran with.

bool locked;         // CPU 1's
bool at_event;       // T has an event that its handler has not answered
bool current, queued = true;
byte live, frame, page;  // fs base: in the processor, in the Frame, in the state page
byte base;           // what T is to have
bool frame_left, due, ipi;
byte events = 4;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline schedule() {
    due = false;
    lock();
    if  // put_back_locked
    :: current ->
#ifdef BROKEN_1
        frame = live;
#else
        if
        :: !frame_left -> frame = live
        :: else
        fi;
#endif
        frame_left = false;
        current = false;
        queued = !at_event
    :: else
    fi;
    live = 9;  // others run
    if
    :: queued -> queued = false; current = true; live = frame
    :: else
    fi;
    unlock()
}

proctype cpu1() {
end:
    do
    :: ipi -> ipi = false; schedule()
    :: due || (queued && !current) -> schedule()
    :: current && !due ->
        assert(live == base);
        if
        :: events == 0 -> break
        :: events ->  // raise_event
            events--;
#ifndef BROKEN_2
            frame = live;
            frame_left = true;
#endif
            page = frame;
            lock();
            at_event = true;
            unlock();
            due = true
        :: events -> events--; due = true  // its turn is over
        fi
    od
}

proctype handler() {
end:
    do
    :: at_event ->
        assert(page == base);
        base = base + 1;
        page = base;
        lock();  // resume_foreign
        frame = page;
        at_event = false;
        if
        :: current -> ipi = true
        :: else -> queued = true; ipi = true
        fi;
        unlock()
    od
}

init {
    atomic { run cpu1(); run handler() }
}
