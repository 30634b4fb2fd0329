// SPDX-License-Identifier: MIT
// The entry of system calls, and the fast paths: `call`, `reply_recv` and events with a partner that waits on this CPU, and a
// message in registers and the message buffer. core/ipc_fast.cpp does the same in C++, for messages with more in them;
// docs/ipc.md counts the steps.
//
// The message stays in its registers, from the sender's `syscall` to the receiver's sysret: tag rdi, words rdx r10 r8 r9
// r12 r13 r14 r15. So there is rax (number and handle) and rsi (deadline) until they are decoded, and rcx, rbx, rbp, r11
// once their user values are in the Thread. rsp points to the current Thread: no fast path uses a stack, but for I/O ports.
// Until something is changed, a path can be left for slow_syscall_stub, with rax as it came and rsi = 0.
#include "ipc_offsets.hpp"
#include "kernel/arch/x86_64/frame_offsets.hpp"

// The Endpoint behind the handle in rax: rcx; its capability's badge: rsi if wanted. Changes rbx, r11.
.macro look_up right, badge=0
    mov %rax, %rcx
    shr $38, %rcx                       // the page of the table
    jnz 7f
    mov T_FIRST_SLOTS(%rsp), %rbx
6:
    mov %rax, %r11
    shr $26, %r11
    and $0xfc0, %r11d                   // the slot in it
    mov (%rbx, %r11), %rcx              // word
    .subsection 1
7:
    cmp $LAST_PAGE, %ecx
    ja slow_syscall_stub
    mov T_CAPTABLE(%rsp), %rbx
    mov CT_PAGES(%rbx, %rcx, 8), %rbx
    test %rbx, %rbx
    jnz 6b
    jmp slow_syscall_stub
    .previous
    .if \badge
    mov 8(%rbx, %r11), %rsi
    cmp (%rbx, %r11), %rcx              // both of one capability?
    jne no_deadline_slow
    .endif
    test $\right, %cl
    jz no_deadline_slow
    shl $16, %rcx                       // the object: generation and rights off, sign on
    sar $16, %rcx
    and $-64, %rcx
    cmpw $TYPE_ENDPOINT, (%rcx)         // and not dying
    jne no_deadline_slow
    mov O_POOL(%rcx), %rbx
    cmpw $TYPE_POOL, (%rbx)
    jne no_deadline_slow
.endm

// No deadline, no capabilities, and nothing that only the kernel sends.
.macro check_tag
    mov $~0x0000ffff007fffff, %rbx      // all but operation, words of the buffer, and status
    and %rdi, %rbx
    or %rsi, %rbx
    jne slow_syscall_stub
.endm

// The first receiver of the Endpoint in rcx, locked: its queue link in rbx, what it is lent in r11w, the part in rcx.
.macro find_receiver fail, fail_unlocked
    lock btsw $0, %gs:C_LOCK
    jc \fail_unlocked
    add %gs:C_PART, %rcx
    mov (%rcx), %rbx
    cmp %rcx, %rbx
    je \fail
    testl $OBSTACLES, L_CONDITION(%rbx)
    jnz \fail
    movzwl T_PRIORITY(%rsp), %r11d      // and depth, which grows by one
    add $0x100, %r11d
    cmp $DEEPEST, %r11d
    ja \fail
.endm

// The current thread's handler in rcx. Changes rbx.
.macro find_handler fail
    mov T_HANDLER(%rsp), %rcx
    test %rcx, %rcx
    jz \fail
    cmpw $TYPE_ENDPOINT, (%rcx)
    jne \fail
    mov O_POOL(%rcx), %rbx
    cmpw $TYPE_POOL, (%rbx)
    jne \fail
.endm

// The current thread, foreign, stops at its event: what of its Frame is an abi::ForeignState goes to its state page. Tag and
// badge of the message in rdi and rsi, the page in rbp; changes rax, rbx.
.macro save_state
    movb $STATE_AT_EVENT, T_STATE(%rsp)
    rdfsbase %rax
    mov %rax, FS_BASE(%rsp)
    swapgs
    rdgsbase %rax
    swapgs
    mov %rax, GS_BASE(%rsp)
    mov %rcx, %rbx
    mov T_BUFFER(%rsp), %rbp
    mov %rbp, %rdi
    lea FRAME(%rsp), %rsi
    mov $FOREIGN_WORDS, %ecx
    rep movsq
    mov %rbx, %rcx
    movzwl T_EVENT(%rsp), %edi
    mov %rdi, STATE_EVENT(%rbp)
    bts $63, %rdi
    mov T_BADGE(%rsp), %rsi
.endm

// Takes it off the queue, to work for the current thread. The receiver in rcx; changes rax, r11.
.macro connect
    mov %r11w, L_PRIORITY(%rbx)
    mov (%rbx), %r11
    mov %r11, (%rcx)
    mov %rcx, 8(%r11)
    movq $0, (%rbx)
    lea L_THREAD(%rbx), %rcx
    movb $STATE_READY, T_STATE(%rcx)
    mov %rsp, T_CALLER(%rcx)
    mov %rsp, T_LENDER(%rcx)
    mov T_PAYER(%rsp), %rax
    mov %rax, T_PAYER(%rcx)
    mov %rcx, T_SERVER(%rsp)
    mov %rcx, T_BORROWER(%rsp)
.endm

// The current thread, a server, waits again; its caller in rbx goes on, and to rcx. The part in rcx; changes rax, rsi, rbp, r11.
.macro disconnect
    xor %eax, %eax
    mov %rax, T_CALLER(%rsp)
    mov %rax, T_LENDER(%rsp)
    mov %rsp, T_PAYER(%rsp)
    movzbl T_BASE_PRIORITY(%rsp), %esi
    mov %si, T_PRIORITY(%rsp)
    movb $STATE_RECEIVING, T_STATE(%rsp)
    lea T_LINK(%rsp), %r11              // to the end of the queue
    mov 8(%rcx), %rbp
    mov %rcx, T_LINK(%rsp)
    mov %rbp, T_LINK + 8(%rsp)
    mov %r11, (%rbp)
    mov %r11, 8(%rcx)
    mov %rax, T_SERVER(%rbx)
    mov %rax, T_BORROWER(%rbx)
    movb $STATE_READY, T_STATE(%rbx)
    mov %rbx, %rcx
.endm

// From the current thread to that in rcx: time, trace, and address space. The kind of the trace record in r11d, what it
// notes in \note. Changes rax, rbx, rbp, and r11 where it does not come back at once.
.macro switch_thread note
    mov %rdx, %rbp
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rbp, %rdx
    add %rax, T_RAN(%rsp)
    sub %rax, T_RAN(%rcx)

    mov %gs:C_RECORD_AT, %rbp
    mov %gs:C_RECORD_MASK, %rbx
    and %rbp, %rbx
    add %gs:C_RECORDS, %rbx
    mov %rax, (%rbx)
    mov %r11d, 8(%rbx)
    mov T_ID(%rsp), %eax
    mov %eax, 12(%rbx)
    mov T_ID(%rcx), %eax
    mov %rax, 16(%rbx)
    mov \note, 24(%rbx)
    add $RECORD, %rbp
    mov %rbp, %gs:C_RECORD_AT
    incq %gs:C_FAST_CALLS

    mov %rcx, %gs:AREA_CURRENT
    mov T_SPACE(%rcx), %rax
    cmp %rax, %gs:C_LOADED_SPACE
    je 2f
    incq %gs:C_SPACE_SWITCHES
    mov %rax, %gs:C_LOADED_SPACE
    mov S_ROOT(%rax), %rbx
    mov %rbx, %cr3
    xor %ebx, %ebx                      // what is in gs is not for others to see
    swapgs
    wrgsbase %rbx
    swapgs
    mov S_PORT_COUNT(%rax), %eax
    or %gs:C_UNUSUAL, %eax
    jnz 3f
1:
    .subsection 1
2:
    testl $FPU_OWNED, %gs:C_UNUSUAL
    jz 1b
    lea 1b(%rip), %r11
    jmp switch_fpu
3:
    lea 1b(%rip), %r11
    jmp unusual_switch
    .previous
.endm

// Out, as the native thread in rcx, with the message in registers.
.macro leave_with_message
    mov FS_BASE(%rcx), %rax
    wrfsbase %rax
    movw $0, %gs:C_LOCK
    xor %eax, %eax                      // Error::ok
    mov RBX(%rcx), %rbx
    mov RBP(%rcx), %rbp
    mov RSP(%rcx), %rsp
    mov RFLAGS(%rcx), %r11
    mov RIP(%rcx), %rcx
    swapgs
    sysretq
.endm

    .section .text.entry.fast, "ax"           // one page
    .global syscall_stub
syscall_stub:
    swapgs
    mov %rsp, %gs:AREA_USER_RSP
    mov %gs:AREA_CURRENT, %rsp
    mov %rcx, RIP(%rsp)
    mov %r11, RFLAGS(%rsp)
    cmpl $0, FOREIGN(%rsp)
    jne foreign_syscall
    mov %rbx, RBX(%rsp)
    mov %rbp, RBP(%rsp)
    mov %gs:AREA_USER_RSP, %rcx
    mov %rcx, RSP(%rsp)
    cmp $NUMBER_CALL, %al
    je fast_call
    cmp $NUMBER_REPLY_RECV, %al
    je fast_reply_recv
    test %al, %al
    jnz slow_syscall_stub
    xor %eax, %eax                      // the null call
    mov RIP(%rsp), %rcx
    mov RFLAGS(%rsp), %r11
    mov RSP(%rsp), %rsp
    swapgs
    sysretq

fast_call:
    check_tag
    look_up RIGHT_SEND, 1
    find_receiver unlock_slow, no_deadline_slow
    test $0x7f0000, %edi
    jnz copy_to_receiver
call_copied:
    connect
    movb $STATE_AWAITING_REPLY, T_STATE(%rsp)
    incl T_CALL_NUMBER(%rsp)
    mov $TRACE_CALL, %r11d
// From a native thread to another one.
switch_to_native:
    rdfsbase %rax
    mov %rax, FS_BASE(%rsp)
switch_with_message:
    switch_thread %rdi
    leave_with_message

fast_reply_recv:
    check_tag
    look_up RIGHT_RECEIVE
    cmp %rcx, T_REGISTERED(%rsp)
    jne slow_syscall_stub
    lock btsw $0, %gs:C_LOCK
    jc slow_syscall_stub
    mov T_CALLER(%rsp), %rbx
    test %rbx, %rbx
    jz unlock_slow
    cmp %rbx, T_LENDER(%rsp)            // it lent what this one has, and that is the same still
    jne unlock_slow
    mov T_PAYER(%rbx), %rbp
    cmp %rbp, T_PAYER(%rsp)
    jne unlock_slow
    mov T_PRIORITY(%rbx), %bpl
    cmp %bpl, T_PRIORITY(%rsp)
    jne unlock_slow
    cmpb $0, T_ON_RESERVE(%rsp)
    jne unlock_slow
    cmpl $0, E_ORPHANS(%rcx)            // nobody else to serve
    jne unlock_slow
    mov T_BOUND(%rsp), %rbp
    test %rbp, %rbp
    jnz bound_signal
no_signal:
    add %gs:C_PART, %rcx
    lea E_CALLERS(%rcx), %rbp
    cmp %rbp, (%rbp)
    jne unlock_slow
    mov T_CONDITION(%rbx), %ebp
    cmp %gs:C_PLAIN_CALLER, %ebp
    jne reply_to_event
    test $0x7f0000, %edi
    jnz copy_to_caller
reply_copied:
    disconnect
    xor %esi, %esi                      // no badge
    mov $TRACE_REPLY, %r11d
    jmp switch_to_native

// The caller is a foreign thread at an event, or one that waits for its fault to be mended: it goes on with its registers.
reply_to_event:
    xor %gs:C_PLAIN_CALLER, %ebp
    cmp $EVENT_CONDITION, %ebp
    jne 1f
    cmp $RESUME_RETRY, %rdi
    je 2f
    cmp $RESUME_RESULT, %rdi
    jne unlock_slow
    mov %rdx, RAX(%rbx)
    jmp 2f
1:
    cmp $FAULT_CONDITION, %ebp
    jne unlock_slow
    cmp $RESUME_RETRY, %rdi
    jne unlock_slow
    movb $0, T_HINDRANCE(%rbx)
2:
    disconnect
    mov $TRACE_REPLY, %r11d
    switch_thread %rdi
    rdfsbase %rax
    mov %rax, FS_BASE(%rsp)
    mov FS_BASE(%rcx), %rax
    wrfsbase %rax
    mov GS_BASE(%rcx), %rax
    swapgs
    wrgsbase %rax
    swapgs
    movw $0, %gs:C_LOCK
    jmp kernel_exit

// A foreign thread: its system call is an event for its handler.
foreign_syscall:
    mov %rax, RAX(%rsp)
    mov %gs:AREA_USER_RSP, %rcx
    mov %rcx, RSP(%rsp)
    store_registers
    find_handler slow_foreign_syscall
    find_receiver unlock_slow_foreign, slow_foreign_syscall
    connect
    movw $EVENT_SYSCALL, T_EVENT(%rsp)
    save_state
    mov RIP(%rsp), %r15
    mov RFLAGS(%rsp), %rax
    mov %r15, STATE_RCX(%rbp)           // as `syscall` leaves them
    mov %rax, STATE_R11(%rbp)
    mov R8(%rsp), %r13                  // the message: rax rdi rsi rdx r10 r8 r9 rip
    mov R9(%rsp), %r14
    mov R10(%rsp), %r12
    mov RDX(%rsp), %r9
    mov RSI(%rsp), %r8
    mov RDI(%rsp), %r10
    mov RAX(%rsp), %rdx
    mov $TRACE_FOREIGN, %r11d
    switch_thread %rdx
    leave_with_message

unlock_slow_foreign:
    movw $0, %gs:C_LOCK
slow_foreign_syscall:
    mov %gs:AREA_STACK, %rsp
    call _ZN4pith4core21foreign_syscall_entryEv
    jmp syscall_exit

// The event that is noted in the current thread; all its registers are stored.
    .global raise_fault
raise_fault:
    mov %gs:AREA_CURRENT, %rsp
    find_handler slow_fault
    find_receiver unlock_slow_fault, slow_fault
    connect
    cmpl $0, FOREIGN(%rsp)
    jne 1f
    movb $STATE_AWAITING_REPLY, T_STATE(%rsp)
    orb $NATIVE_FAULT, T_HINDRANCE(%rsp)
    rdfsbase %rax
    mov %rax, FS_BASE(%rsp)
    mov T_BADGE(%rsp), %rsi
    movzwl T_EVENT(%rsp), %edi
    bts $63, %rdi
    jmp 2f
1:
    save_state
2:
    mov T_EVENT_WORDS(%rsp), %rdx
    mov T_EVENT_WORDS + 8(%rsp), %r10
    mov T_EVENT_WORDS + 16(%rsp), %r8
    mov T_EVENT_WORDS + 24(%rsp), %r9
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    mov $TRACE_EVENT, %r11d
    jmp switch_with_message

unlock_slow_fault:
    movw $0, %gs:C_LOCK
slow_fault:
    mov %gs:AREA_STACK, %rsp
    call _ZN4pith4core11raise_entryEv
    jmp kernel_exit

bound_signal:
    cmpq $0, SIGNAL_BITS(%rbp)
    je no_signal
unlock_slow:
    movw $0, %gs:C_LOCK
no_deadline_slow:
    xor %esi, %esi
// The general path of a native thread.
    .global slow_syscall_stub
slow_syscall_stub:
    mov %rax, RAX(%rsp)
    mov %rdx, RDX(%rsp)
    mov %rsi, RSI(%rsp)
    mov %rdi, RDI(%rsp)
    mov %r8, R8(%rsp)
    mov %r9, R9(%rsp)
    mov %r10, R10(%rsp)
    mov %r12, R12(%rsp)
    mov %r13, R13(%rsp)
    mov %r14, R14(%rsp)
    mov %r15, R15(%rsp)
    mov %gs:AREA_STACK, %rsp
    cmp $NUMBER_NOTIFY, %al
    ja 1f
    je 2f
    call _ZN4pith4core20native_syscall_entryEv
    jmp syscall_exit
1:
    call _ZN4pith4core18slow_syscall_entryEv
    jmp syscall_exit
2:
    call _ZN4pith4core12notify_entryEv
    jmp syscall_exit

// The words of the message buffer, as many as the tag says: from the current thread's to the receiver's,
copy_to_receiver:
    mov %edi, %ebp
    shr $16, %ebp
    and $0x7f, %ebp
    cmp $BUFFER_WORDS, %ebp
    ja unlock_slow
    mov %rcx, %rax
    mov %ebp, %ecx
    mov %rdi, %rbp
    mov %rsi, L_RSI(%rbx)
    mov T_BUFFER(%rsp), %rsi
    mov L_BUFFER(%rbx), %rdi
    rep movsq
    mov L_RSI(%rbx), %rsi
    mov %rbp, %rdi
    mov %rax, %rcx
    jmp call_copied
// and to the caller's.
copy_to_caller:
    mov %edi, %ebp
    shr $16, %ebp
    and $0x7f, %ebp
    cmp $BUFFER_WORDS, %ebp
    ja unlock_slow
    mov %rcx, %rax
    mov %ebp, %ecx
    mov %rdi, %rbp
    mov T_BUFFER(%rsp), %rsi
    mov T_BUFFER(%rbx), %rdi
    rep movsq
    mov %rbp, %rdi
    mov %rax, %rcx
    jmp reply_copied

// The Space is loaded: now the I/O ports, if there are or were some, and the FPU; then to r11.
unusual_switch:
    mov %gs:C_LOADED_SPACE, %rax
    cmpl $0, S_PORT_COUNT(%rax)
    jne 1f
    testl $PORTS_OPEN, %gs:C_UNUSUAL
    jz switch_fpu
1:
    mov %rsp, %rbp
    mov %gs:AREA_STACK, %rsp
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    mov %gs:0, %rdi                     // (Cpu&, Space&)
    mov %rax, %rsi
    call _ZN4pith4core12switch_portsERNS0_3CpuERNS0_5SpaceE
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    mov %rbp, %rsp
// On exactly while its owner runs, if it has one.
switch_fpu:
    testl $FPU_OWNED, %gs:C_UNUSUAL
    jz 2f
    cmp %rcx, %gs:C_FPU_OWNER
    sete %al
    cmp %al, %gs:C_FPU_ON
    je 2f
    mov %al, %gs:C_FPU_ON
    test %al, %al
    jz 1f
    clts
    jmp 2f
1:
    mov %cr0, %rax
    or $CR0_TASK_SWITCHED, %rax
    mov %rax, %cr0
2:
    jmp *%r11

    .section .note.GNU-stack, "", @progbits
