// SPDX-License-Identifier: MIT
// Extended registers that stay in a CPU after their thread has left it. Model of
//   kernel/core/syscall.cpp: fpu_trap; kernel/core/scheduler.cpp: acknowledge, fpu_save_owner
//   kernel/core/scheduler.hpp: switch_fpu; kernel/core/call_machine.cpp: settle_fpu, thread_fpu
//   kernel/core/call_thread.cpp: set_cpu; kernel/core/thread.cpp: migrate, attend
// Thread A runs on either CPU, uses its registers, and stops at events; a thread of each CPU uses those too. One manager
// moves A from CPU to CPU; another writes A's registers while it is at an event, and a third lets it go on; each as if
// on a CPU of its own. `version` counts how often A's registers were changed; a CPU's registers and the area hold a
// version.
// Checked: A finds its registers as it left them or as they were written, on whatever CPU it runs; a writer
// writes over the newest; nothing is loaded that has been written and not been made safe yet; whoever waits is told.

#define NONE 2
#define A 0
#define B 1

bool locked[2];
byte home;             // A's CPU, changed with both locks held
byte fpu_cpu = NONE;   // where A's registers are
byte owner[2] = NONE;  // whose registers a CPU has
byte registers[2];     // of A
byte area, version;
bool recall, requested[2], ipi[2];
bool current[2];      // A is current here
bool ready = true;    // A: or else it is at an event
bool migrate_bit, unsafe;
byte uses = 2, writes = 1, moves = 1;

inline save_owner() {
    if
    :: owner[me] == A -> area = registers[me]; atomic { owner[me] = NONE; recall = false; fpu_cpu = NONE }
    :: else -> owner[me] = NONE
    fi
}

// migrate, with the locks held. BROKEN_1: as it was; A may have run, and used its registers, since they were looked for.
inline move(to, moved) {
#ifdef BROKEN_1
    moved = true;
#else
    moved = fpu_cpu == NONE;
#endif
    home = (moved -> to : home)
}

inline schedule() {
    atomic { !locked[me] -> attending = ready && home == me && migrate_bit; current[me] = false };
    if
    :: attending ->
        if
        :: fpu_cpu == me -> save_owner()
        :: else
        fi;
        atomic {
            !locked[0] && !locked[1];
            if
            :: migrate_bit && home == me -> migrate_bit = false; move(1 - me, attending)
            :: else
            fi
        }
    :: else
    fi
}

proctype cpu(byte me) {
    bool attending, asked;
end:
    do
    :: ipi[me] ->
        ipi[me] = false;
        asked = requested[me];
        schedule();
        if
        :: asked && owner[me] == A && recall -> save_owner()
        :: else
        fi;
        requested[me] = requested[me] && !asked
    :: ready && home == me && migrate_bit && !current[me] -> schedule()
    :: atomic { ready && home == me && !current[me] && !migrate_bit && !locked[me] -> current[me] = true }
    :: atomic { current[me] && !locked[me] -> current[me] = false }  // its turn is over
    :: atomic { current[me] && !locked[me] -> current[me] = false; ready = false }  // an event
    :: current[me] && uses && owner[me] != A ->  // fpu_trap
        save_owner();
        assert(!unsafe);
        registers[me] = area;
        owner[me] = A;
        fpu_cpu = me
    :: atomic { current[me] && uses && owner[me] == A ->
            assert(registers[me] == version); uses--; version++; registers[me] = version }
    :: !current[me] && owner[me] == A -> save_owner(); owner[me] = B
    od
}

// settle_fpu, and what set_cpu does.
inline settle(holder) {
    holder = fpu_cpu;
    if
    :: holder != NONE ->
        recall = true;
#ifndef BROKEN_2
        requested[holder] = true;
        ipi[holder] = true;
        !requested[holder]
#endif
    :: else
    fi
}

proctype mover() {
    byte holder;
    bool moved;
    do
    :: moves == 0 -> break
    :: moves ->
        moved = false;
        settle(holder);
        atomic {
            !locked[0] && !locked[1];
            if
            :: current[home] -> migrate_bit = true; ipi[home] = true; moves--
            :: else ->
                move(1 - home, moved);
                migrate_bit = migrate_bit && !moved;
                moves = moves - moved
            fi
        }
    od
}

proctype writer() {
    byte at, holder;
end:
    do
    :: writes == 0 -> break
    :: writes && !ready ->
        settle(holder);
#ifndef BROKEN_3
        atomic { !locked[home] -> at = home; locked[at] = true };
#endif
        if
        :: ready
#ifndef BROKEN_2
        :: !ready && fpu_cpu != NONE
#endif
        :: else ->
            unsafe = true;
            assert(area == version);
            atomic { version++; area = version };
            unsafe = false;
            writes--
        fi;
#ifndef BROKEN_3
        locked[at] = false
#endif
    od
}

proctype resumer() {
end:
    do
    :: atomic { !ready && !locked[home] -> ready = true }
    od
}

init {
    atomic { run cpu(0); run cpu(1); run mover(); run writer(); run resumer() }
}
