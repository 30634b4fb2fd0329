// SPDX-License-Identifier: MIT
// Answers to a caller that may wait no more. Model of
//   kernel/core/ipc.cpp: reply_to, may_answer_locked, drop_caller, send_message
//   kernel/core/event.cpp: withdraw, wait_of, time_out, abandon_call; kernel/core/call_message.cpp: answer, take_reply
//   kernel/core/reply.cpp: cut_reply, delete_step
// Thread C calls server 0; that call may time out; then it calls server 1. Each server answers, or receives anew without
// an answer, or takes the Reply and answers by that, or deletes it. What is done under locks is one step; what is looked
// at without them (whom to answer) is another.
// Checked: C's call ends with its own server's answer, its deadline, or that server's giving up; it always ends.

mtype = { ready, awaiting_reply, answered, timed_out, peer_died };
#define NONE 9

mtype state = ready;
byte server = NONE;    // of C
bool caller_of[2];     // C is the current caller of that server
byte reply_slot = NONE;  // whose table holds C's Reply
byte call_number;
byte result_by = NONE;
mtype result;

// leave_wait_locked, with the locks of C and its server.
inline end_call(how, by) {
    assert(state == awaiting_reply);
    if
    :: server != NONE -> caller_of[server] = false
    :: else
    fi;
    server = NONE;
    reply_slot = NONE;  // detached, or cut off
    result = how;
    result_by = by;
    state = ready
}

proctype caller() {
    do
    :: call_number < 2 ->
        atomic {  // delivered by send_message
            call_number++;
            state = awaiting_reply;
            server = call_number - 1;
            caller_of[server] = true
        };
        atomic {
            state == ready;
            assert(result == timed_out || result_by == call_number - 1);
            assert(result != timed_out || call_number == 1)
        }
    :: else -> break
    od
}

// Deadline of the first call. It is looked at, and then C is withdrawn if it still is in that wait.
proctype timer() {
    byte number, with;
    bool due;
    atomic { due = call_number == 1 && state == awaiting_reply; number = call_number; with = server };
    atomic {
        if
#ifdef BROKEN_1
        :: due && state == awaiting_reply -> end_call(timed_out, NONE)
#else
        :: due && state == awaiting_reply && number == call_number && server == with -> end_call(timed_out, NONE)
#endif
        :: else
        fi
    }
}

proctype worker(byte me) {
    byte number;
    bool mine;
    do
    :: call_number < me + 1 && state == ready && call_number == 2 -> break
    :: caller_of[me] ->  // seen without a lock
        if
        :: atomic {  // reply
                if
#ifdef BROKEN_2
                :: state == awaiting_reply -> end_call(answered, me)
#else
                :: state == awaiting_reply && server == me -> end_call(answered, me)
#endif
                :: else
                fi
            }
        :: atomic { mine = caller_of[me] && state == awaiting_reply; number = call_number };  // drop_caller
            atomic {
                if
#ifdef BROKEN_3
                :: state == awaiting_reply -> end_call(peer_died, me)
#else
                :: mine && state == awaiting_reply && number == call_number && server == me -> end_call(peer_died, me)
#endif
                :: else
                fi
            }
        :: atomic {  // take_reply
                mine = caller_of[me] && state == awaiting_reply;
                if
                :: mine -> caller_of[me] = false; server = NONE; reply_slot = me
                :: else
                fi
            };
            if
            :: mine && reply_slot == me ->  // the slot is read without a lock; then reply
                atomic {
                    if
#ifdef BROKEN_4
                    :: state == awaiting_reply -> end_call(answered, me)
#else
                    :: state == awaiting_reply && server == NONE && reply_slot == me -> end_call(answered, me)
#endif
                    :: else
                    fi
                }
            :: mine && reply_slot == me ->  // delete_step: the slot is emptied, then abandon_call
                atomic {
                    number = call_number;
                    mine = reply_slot == me;
                    reply_slot = (mine -> NONE : reply_slot)
                };
                atomic {
                    if
                    :: mine && state == awaiting_reply && number == call_number && server == NONE && reply_slot == NONE ->
                        end_call(peer_died, me)
                    :: else
                    fi
                }
            :: else
            fi
        fi
    :: call_number == 2 && state == ready && !caller_of[me] -> break
    od
}

init {
    atomic { run caller(); run timer(); run worker(0); run worker(1) }
}
