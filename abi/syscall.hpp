// SPDX-License-Identifier: MIT
// System calls of the native interface, and their register convention.
//
// x86-64: rax = call number (bits 0..7) | handle (bits 32..63) of the object that is invoked; then
// a0 rdi, a1 rsi, a2 rdx, a3 r10, a4 r8, a5 r9. Result: rax = Error, r0 rdx, r1 r10, r2 r8. rcx and r11 are lost.
// Messages: rdi = tag, rsi = deadline (in) and badge (out), words w0..w7 = rdx r10 r8 r9 r12 r13 r14 r15.
// A call that is preempted in its middle restarts by itself with its arguments intact.
//
// Each line of the table below says: arguments -> results; errors beyond those every call has (bad_handle,
// wrong_type, no_right, invalid); what must be held. "buffer" is the caller's message buffer.
#pragma once

#include "abi/types.hpp"

namespace pith::abi {

enum class Syscall : u8 {
    null = 0,  ///< -> ; does nothing

    // Messages. Errors: timed_out, peer_died, cancelled; no_slot when the receiver has no room for capabilities
    call = 1,        ///< Endpoint(send): message, deadline -> message of the reply (rsi = 0)
    send = 2,        ///< Endpoint(send): message, deadline -> ; one way, returns when it is received
    recv = 3,        ///< Endpoint(receive): deadline -> message, rsi = badge
    reply_recv = 4,  ///< Endpoint(receive): message answers the current caller, then recv
    reply = 5,       ///< Reply(reply), or kNoHandle for the current caller: message ->
    take_reply = 6,  ///< -> r0 = handle of a Reply for the current caller; bad_state: there is none
    adopt = 7,  ///< Reply: the caller's Budget and priority travel to this thread; it is the current caller

    // Signals
    signal_notify = 8,   ///< Signal(notify): a0 = bits
    signal_wait = 9,     ///< Signal(wait): a0 = mask, a1 = deadline -> r0 = bits, which are cleared
    signal_create = 10,  ///< Pool: -> r0 = handle

    yield = 11,  ///< -> ; to the end of its priority's queue
    clock = 12,  ///< -> r0 = nanoseconds since boot
    trace_mark =
        13,  ///< a0, a1 -> ; a record of the caller's in the trace (abi/trace.hpp). a0: a name, of up to
             ///< eight characters

    // Capabilities. `handle` is a slot of the caller's table
    cap_copy = 16,  ///< capability(copy): a0 = CapTable(insert) or kNoHandle (own), a1 = slot or 0 (any),
    ///< a2 = rights mask, a3 = badge (Endpoint with mint and no badge yet; else 0) -> r0 = slot.
    ///< The new one is derived from this one
    cap_delete = 17,  ///< capability: -> ; a CapTable(take) in a0 (or kNoHandle) names whose slot it is.
    ///< Frees the slot. A slot whose capability was taken away by its object's death or by cap_revoke is stale:
    ///< calls on it give bad_handle, but it stays taken, so that its number names nothing else, until this is
    ///< called on it (and succeeds). bad_handle: a free slot
    cap_revoke = 18,  ///< capability: deletes all that was derived from it; their slots are stale then
    cap_info = 19,    ///< capability: -> r0 = ObjectType, r1 = rights, r2 = badge
    cap_take = 20,    ///< CapTable(take): a0 = its slot, a1 = own slot or 0 -> r0 = own slot; a derived copy

    // Objects
    object_destroy = 24,  ///< any(manage): the object, and for a Pool all that was made from it. Consumes the
                          ///< handle: its slot is free; those of all other capabilities to what was
                          ///< destroyed are stale (see cap_delete)

    pool_create = 32,  ///< Pool(allocate): a0 = pages -> r0; the new Pool's limit is taken from this one
    pool_info = 33,    ///< Pool(info): -> PoolInfo in buffer
    pool_resize = 34,  ///< Pool(manage): a0 = new limit in pages; pages come from or go back to the parent

    memory_create = 40,  ///< Pool(allocate): a0 = bytes, a1 = kMemory flags -> r0
    memory_info = 41,    ///< Memory: -> MemoryInfo in buffer

    space_create = 48,  ///< Pool(allocate): a0 = flags (bit 0: jit) -> r0
    space_map = 49,     ///< Space(map): a0 = number of MapRanges in buffer -> r0 = bytes mapped (also with an
    ///< error: what is mapped stays). occupied, no_memory, write_execute; busy: more than eight
    ///< device Memories that cover the same frame
    space_unmap = 50,    ///< Space(map): a0 = address, a1 = length; holes are skipped
    space_protect = 51,  ///< Space(map): a0 = address, a1 = length, a2 = kMap rights; holes are skipped;
                         ///< never more than the capability that mapped it allowed
    space_share = 52,    ///< Space(map): ShareRange in buffer
    space_dirty =
        53,  ///< Space(map): a0 = address, a1 = pages (up to 4096) -> bit a page in buffer; clears them
    space_info = 54,  ///< Space(info): -> SpaceInfo in buffer

    captable_create = 60,  ///< Pool(allocate): a0 = slots (grows to kMaxSlots on demand, from the Pool) -> r0

    thread_create = 64,  ///< Pool(allocate): ThreadCreate in buffer -> r0; inactive until started
    thread_start = 65,   ///< Thread(run): a0 = rip, a1 = rsp, a2 = first argument (rdi). Foreign: use resume
    thread_resume = 66,  ///< Thread(run), foreign: a0 = Resume, a1 = rax for Resume::result. bad_state: it is
                         ///< not stopped at an event (and not freshly created)
    thread_interrupt =
        67,  ///< Thread(run), foreign: arrives as Event::interrupted exactly once; if it is at an
             ///< event now: when it is resumed
    thread_set_cpu = 68,       ///< Thread(manage): a0 = CPU
    thread_set_priority = 69,  ///< Thread(manage): a0 = priority, at most its Budget's ceiling
    thread_set_budget = 70,    ///< Thread(manage): a0 = Budget(bind)
    thread_bind_signal = 71,  ///< Thread(manage): a0 = Signal(wait) or kNoHandle: its recv also gets the bits
    thread_info = 72,         ///< Thread(info): -> ThreadInfo in buffer
    thread_fpu_read =
        73,  ///< Thread(registers): a0 = offset, multiple of 512 -> 512 bytes in buffer, r0 = size of the area
    thread_fpu_write = 74,  ///< Thread(registers), stopped at an event: a0 = offset, 512 bytes in buffer
    thread_stop = 75,       ///< Thread(run): a running or ready thread stops; thread_continue lets it go on
    thread_continue = 76,   ///< Thread(run)
    thread_name =
        77,  ///< Thread(manage): a0, a1 = name of what it belongs to (16 bytes), a2 = number of that
             ///< (23 bits), a3, a4 = its own name (16 bytes): for readers of the trace

    budget_create = 80,     ///< Pool(allocate): BudgetParameters in buffer; a0 = parent Budget(manage) whose
                            ///< ceiling and CPU set bound it -> r0
    budget_configure = 81,  ///< Budget(manage): BudgetParameters in buffer
    budget_info = 82,       ///< Budget(info): -> BudgetInfo in buffer

    endpoint_create = 88,  ///< Pool(allocate): -> r0

    interrupt_create = 96,  ///< Machine(devices): a0 = Pool, a1 = global system interrupt, a2 = flags
                            ///< (bit 0 level, bit 1 active low) -> r0. busy: it is taken. Or a1 = 0, a2 =
    ///< kInterruptMessage -> r0, r1 = address and r2 = data of the message that raises it (PCI
    ///< MSI and MSI-X). busy: there is none left
    interrupt_bind =
        97,  ///< Interrupt(bind): a0 = Signal(notify), a1 = bits; delivered masked until acknowledged
    interrupt_acknowledge = 98,  ///< Interrupt(acknowledge): unmask. What came meanwhile is delivered, once

    ports_create = 104,  ///< Machine(devices): a0 = Pool, a1 = first port, a2 = count -> r0
    ports_bind = 105,    ///< IoPorts(use): a0 = Space(manage): its threads may execute in and out on them

    machine_device_memory =
        112,  ///< Machine(devices): a0 = Pool, a1 = physical address, a2 = bytes, a3 = flags -> r0; no RAM
    machine_info = 113,  ///< Machine(info): a0 = MachineInfo selector -> in buffer (abi/info.hpp)
    machine_exit = 114,  ///< Machine(manage): a0 = status; ends an emulator that has a debug exit, else halts
    machine_log = 115,   ///< Machine(debug): a0 = bytes in buffer, to the debug console
    machine_trace =
        116,  ///< Machine(info): a0 = Pool, a1 = CPU -> r0 = Memory, read only: its trace (abi/trace.hpp)
    machine_dma_address = 117,  ///< Machine(devices): a0 = Memory -> r0 = address at which devices find it.
                                ///< invalid: it is not contiguous
};

}  // namespace pith::abi
