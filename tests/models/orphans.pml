// SPDX-License-Identifier: MIT
// Callers that queue at an Endpoint, and receivers that come, leave and move between two CPUs. Model of
//   kernel/core/ipc.cpp: choose_part, part_with_callers, send_message, receive, try_take_caller, rebalance,
//     enqueue_caller_locked, dequeue_caller_locked, register_receiver_locked, unregister_receiver
//   kernel/core/thread.cpp: migrate
// Callers and receivers 0 and 1 belong to CPUs 0 and 1 at first. A receiver takes callers, and dies at some time or waits
// for ever. Each runs as if on a CPU of its own. What is done under locks is one step, but where a receiver looks and
// then waits: others see orphans and receiver_count without the lock, but trust what they saw only under it.
// Checked: when all is quiet no caller is queued in a part whose receivers wait, nor anywhere without a receiver while
// some receiver waits; `orphans` is the number of callers in parts without receivers.

#define NONE 2
#define bit(n) (1 << (n))
#define lowest(set) (((set) & 1) -> 0 : 1)
#define size(set) (((set) & 1) + ((set) >> 1))
#define orphans_in(part) (receiver_count[part] -> 0 : size(callers[part]))

bool locked[2];
byte callers[2], receivers[2];  // sets, by part: queued; waiting
byte receiver_count[2];
byte orphans;
byte home[2];  // of receivers
bool got[2];   // a receiver that waited has been handed a caller

#define can_lock(a, b) (!locked[a] && !locked[b])

#define choose_part(own) (receiver_count[own] -> own : (receiver_count[1 - (own)] -> 1 - (own) : own))
#define foreign_part(part) (orphans && receiver_count[part] == 0 && callers[part])
#define part_with_callers(own) \
    (callers[own] -> own : (foreign_part(0) -> 0 : (foreign_part(1) -> 1 : NONE)))

inline take_caller(part, caller) {
    caller = lowest(callers[part]);
    callers[part] = callers[part] & ~bit(caller);
    orphans = orphans - (receiver_count[part] == 0)
}

inline hand_over(part) {
    other = lowest(receivers[part]);
    receivers[part] = receivers[part] & ~bit(other);
    got[other] = true
}

inline register(part) {
    receiver_count[part]++;
    orphans = orphans - (receiver_count[part] == 1 -> size(callers[part]) : 0)
}

inline unregister(part) {
    receiver_count[part]--;
    orphans = orphans + (receiver_count[part] == 0 -> size(callers[part]) : 0)
}

// BROKEN_1: it looked only for callers of other parts, though a receiver that moves can find some in its new part.
inline rebalance() {
    cpu = 0;
    do
    :: cpu < 2 ->
        from = part_with_callers(cpu);
        if
#ifdef BROKEN_1
        :: orphans == 0 || from == NONE || from == cpu -> cpu++
#else
        :: from == NONE -> cpu++
#endif
        :: else -> atomic {
                can_lock(cpu, from);
                if
                :: callers[from] && receivers[cpu] -> take_caller(from, caller); hand_over(cpu)
                :: callers[from] && !receivers[cpu] -> cpu++
                :: else
                fi
            }
        fi
    :: else -> break
    od
}

proctype sender(byte me) {
    byte target, cpu, from, caller, other;
    bool alone;
retry:
    target = choose_part(me);
    atomic {
        can_lock(me, target);
        if
        :: choose_part(me) != target -> goto retry
        :: choose_part(me) == target && receivers[target] -> hand_over(target)
        :: else ->
            callers[target] = callers[target] | bit(me);
            alone = receiver_count[target] == 0;
            orphans = orphans + alone
        fi
    };
    if
    :: alone -> rebalance()
    :: else
    fi
}

proctype receiver(byte me) {
    byte own, cpu, from, caller, other;
    atomic { !locked[home[me]] -> register(home[me]) };
receive:
    own = home[me];
    from = part_with_callers(own);
    if
    :: from != NONE -> atomic {
            can_lock(own, from);
            if
            :: callers[from] -> take_caller(from, caller)
            :: else
            fi
        };
        goto receive
    :: else
    fi;
    atomic { !locked[own] -> locked[own] = true };
    if
    :: part_with_callers(own) != NONE -> locked[own] = false; goto receive
    :: else
    fi;
    atomic { receivers[own] = receivers[own] | bit(me); locked[own] = false };
    if
    :: orphans -> rebalance()
    :: else
    fi;
end_waiting:
    atomic { got[me] -> got[me] = false };
    if
    :: goto receive
    :: true  // it dies: unregister_receiver
    fi;
    atomic { !locked[home[me]] -> unregister(home[me]) };
#ifndef BROKEN_2
    rebalance()
#endif
}

// migrate: a receiver that waits goes to the other CPU.
proctype mover(byte which) {
    byte old, cpu, from, caller, other;
    atomic {
        can_lock(0, 1);
        old = home[which];
        if
        :: receivers[old] & bit(which) ->
            unregister(old);
            receivers[old] = receivers[old] & ~bit(which);
            home[which] = 1 - old;
            receivers[1 - old] = receivers[1 - old] | bit(which);
            register(1 - old)
        :: else -> goto stayed
        fi
    };
    rebalance();
stayed:
    skip
}

init {
    atomic {
        home[1] = 1;
        run sender(0); run sender(1); run receiver(0); run receiver(1); run mover(0)
    }
    timeout;
    assert(orphans == orphans_in(0) + orphans_in(1));
    assert(!(callers[0] && receivers[0]) && !(callers[1] && receivers[1]));
    assert(!(orphans && (receivers[0] || receivers[1])))
}
