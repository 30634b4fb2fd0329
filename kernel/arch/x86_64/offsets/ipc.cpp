// SPDX-License-Identifier: MIT
// The numbers that ipc.S needs of the core's classes: T_ of a Thread, L_ of a Thread from its queue link, C_ of a Cpu, E_ of
// an Endpoint, and so on. It is only compiled to assembler text, in which the build finds the lines and makes a header of them.
#include <stddef.h>

#include "abi/syscall.hpp"
#include "kernel/core/captable.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/scheduler.hpp"
#include "kernel/core/signal.hpp"
#include "kernel/core/space.hpp"

#define PITH_NUMBER(name, value) asm(".ascii \"->" #name " %c0 \"" ::"i"(value))

namespace pith::arch {

struct Offsets {
    [[gnu::used]] static void define();
};

using core::Cpu;
using core::Endpoint;
using core::Thread;

void Offsets::define() {
    constexpr i64 kLink = offsetof(Thread, queue_link);
    static_assert(offsetof(ListLink, next) == 0 && offsetof(ListLink, previous) == 8);
    static_assert(offsetof(Endpoint::Part, receivers) == 0);
    static_assert(sizeof(core::Slot) == 64 && core::CapTable::kPageSlots == 64);

    PITH_NUMBER(T_LINK, kLink);
    PITH_NUMBER(L_THREAD, -kLink);
    PITH_NUMBER(L_CONDITION, i64{offsetof(Thread, state)} - kLink);
    PITH_NUMBER(L_PRIORITY, i64{offsetof(Thread, priority)} - kLink);
    PITH_NUMBER(L_BUFFER, i64{offsetof(Thread, buffer)} - kLink);
    PITH_NUMBER(L_RSI, i64{offsetof(Thread, frame) + offsetof(Frame, rsi)} - kLink);
    PITH_NUMBER(T_CAPTABLE, offsetof(Thread, captable));
    PITH_NUMBER(T_FIRST_SLOTS, offsetof(Thread, first_slots));
    PITH_NUMBER(T_SPACE, offsetof(Thread, space));
    PITH_NUMBER(T_CONDITION, offsetof(Thread, state));
    PITH_NUMBER(T_STATE, offsetof(Thread, state));
    PITH_NUMBER(T_PRIORITY, offsetof(Thread, priority));
    PITH_NUMBER(T_BASE_PRIORITY, offsetof(Thread, base_priority));
    PITH_NUMBER(T_ON_RESERVE, offsetof(Thread, on_reserve));
    PITH_NUMBER(T_PAYER, offsetof(Thread, payer));
    PITH_NUMBER(T_CALLER, offsetof(Thread, caller));
    PITH_NUMBER(T_LENDER, offsetof(Thread, lender));
    PITH_NUMBER(T_SERVER, offsetof(Thread, server));
    PITH_NUMBER(T_BORROWER, offsetof(Thread, borrower));
    PITH_NUMBER(T_REGISTERED, offsetof(Thread, registered));
    PITH_NUMBER(T_BOUND, offsetof(Thread, bound));
    PITH_NUMBER(T_BUFFER, offsetof(Thread, buffer));
    PITH_NUMBER(T_CALL_NUMBER, offsetof(Thread, call_number));
    PITH_NUMBER(T_RAN, offsetof(Thread, ran));
    PITH_NUMBER(T_ID, offsetof(Thread, id));
    PITH_NUMBER(T_HINDRANCE, offsetof(Thread, hindrance));
    PITH_NUMBER(T_HANDLER, offsetof(Thread, handler));
    PITH_NUMBER(T_EVENT, offsetof(Thread, event));
    PITH_NUMBER(T_EVENT_WORDS, offsetof(Thread, event_words));
    PITH_NUMBER(NATIVE_FAULT, core::kNativeFault);
    PITH_NUMBER(TRACE_EVENT, static_cast<u32>(abi::TraceKind::deliver_event));
    PITH_NUMBER(T_BADGE, offsetof(Thread, badge));

    PITH_NUMBER(OBSTACLES, core::condition(core::State{}, 0, 0xff, 0xff));
    PITH_NUMBER(STATE_READY, static_cast<u8>(core::State::ready));
    PITH_NUMBER(STATE_AWAITING_REPLY, static_cast<u8>(core::State::awaiting_reply));
    PITH_NUMBER(STATE_RECEIVING, static_cast<u8>(core::State::receiving));
    PITH_NUMBER(STATE_AT_EVENT, static_cast<u8>(core::State::at_event));
    // What distinguishes these from the condition of a plain caller.
    constexpr u32 kPlain = core::condition(core::State::awaiting_reply, 0);
    PITH_NUMBER(EVENT_CONDITION, kPlain ^ core::condition(core::State::at_event, 0));
    PITH_NUMBER(FAULT_CONDITION,
                kPlain ^ core::condition(core::State::awaiting_reply, 0, 0, core::kNativeFault));
    PITH_NUMBER(DEEPEST, Thread::kMaxDepth << 8 | 0xff);

    PITH_NUMBER(C_LOCK, offsetof(Cpu, lock));
    PITH_NUMBER(C_PART, offsetof(Cpu, part));
    PITH_NUMBER(C_PLAIN_CALLER, offsetof(Cpu, plain_caller));
    PITH_NUMBER(C_LOADED_SPACE, offsetof(Cpu, loaded_space));
    PITH_NUMBER(C_UNUSUAL, offsetof(Cpu, unusual));
    PITH_NUMBER(C_FPU_OWNER, offsetof(Cpu, fpu_owner));
    PITH_NUMBER(C_FPU_ON, offsetof(Cpu, fpu_on));
    PITH_NUMBER(C_FAST_CALLS, offsetof(Cpu, counts.fast_calls));
    PITH_NUMBER(C_SPACE_SWITCHES, offsetof(Cpu, counts.space_switches));
    PITH_NUMBER(C_RECORDS, offsetof(Cpu, trace) + offsetof(core::TraceRing, records_));
    PITH_NUMBER(C_RECORD_MASK, offsetof(Cpu, trace) + offsetof(core::TraceRing, mask_));
    PITH_NUMBER(C_RECORD_AT, offsetof(Cpu, trace) + offsetof(core::TraceRing, at_));
    PITH_NUMBER(FPU_OWNED, core::kFpuOwned);
    PITH_NUMBER(PORTS_OPEN, core::kPortsOpen);
    PITH_NUMBER(CR0_TASK_SWITCHED, kCr0TaskSwitched);

    PITH_NUMBER(CT_PAGES, offsetof(core::CapTable, pages_));
    PITH_NUMBER(O_POOL, offsetof(core::Object, pool));
    PITH_NUMBER(E_CALLERS, offsetof(Endpoint::Part, callers));
    PITH_NUMBER(E_ORPHANS, offsetof(Endpoint, orphans));
    PITH_NUMBER(S_ROOT, offsetof(core::Space, tables_) + offsetof(PageTables, root_));
    PITH_NUMBER(S_PORT_COUNT, offsetof(core::Space, port_count));
    PITH_NUMBER(SIGNAL_BITS, offsetof(core::Signal, bits_));

    PITH_NUMBER(TYPE_ENDPOINT, static_cast<u8>(abi::ObjectType::endpoint));
    PITH_NUMBER(TYPE_POOL, static_cast<u8>(abi::ObjectType::pool));
    PITH_NUMBER(RIGHT_SEND, static_cast<u8>(abi::EndpointRight::send));
    PITH_NUMBER(RIGHT_RECEIVE, static_cast<u8>(abi::EndpointRight::receive));
    PITH_NUMBER(LAST_PAGE, core::CapTable::kPages - 1);
    PITH_NUMBER(NUMBER_CALL, static_cast<u8>(abi::Syscall::call));
    PITH_NUMBER(NUMBER_REPLY_RECV, static_cast<u8>(abi::Syscall::reply_recv));
    PITH_NUMBER(NUMBER_NOTIFY, static_cast<u8>(abi::Syscall::signal_notify));
    PITH_NUMBER(BUFFER_WORDS, abi::kBufferWords);

    PITH_NUMBER(RESUME_RETRY, static_cast<u8>(abi::Resume::retry));
    PITH_NUMBER(RESUME_RESULT, static_cast<u8>(abi::Resume::result));
    PITH_NUMBER(EVENT_SYSCALL, static_cast<u8>(abi::Event::syscall));
    static_assert(sizeof(Thread::event) == 2);
    PITH_NUMBER(FOREIGN_WORDS, offsetof(abi::ForeignState, gs_base) / 8 + 1);
    PITH_NUMBER(STATE_RCX, offsetof(abi::ForeignState, rcx));
    PITH_NUMBER(STATE_R11, offsetof(abi::ForeignState, r11));
    PITH_NUMBER(STATE_EVENT, offsetof(abi::ForeignState, event));

    PITH_NUMBER(RECORD, sizeof(abi::TraceRecord));
    PITH_NUMBER(TRACE_CALL, static_cast<u32>(abi::TraceKind::call));
    PITH_NUMBER(TRACE_FOREIGN, static_cast<u32>(abi::TraceKind::foreign));
    PITH_NUMBER(TRACE_REPLY, static_cast<u32>(abi::TraceKind::reply));
}

}  // namespace pith::arch
