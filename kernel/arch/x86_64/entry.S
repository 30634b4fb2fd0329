// SPDX-License-Identifier: MIT
// Into the kernel and out of it; ipc.S has the entry of system calls, and the fast paths. From user mode every entry here
// stores the registers in the current thread, takes the CPU's stack from its top, and ends in `kernel_exit`, which resumes
// whatever thread is current then, or in `raise_fault` (ipc.S). From kernel mode come interrupts (only in an interrupt
// window, or idle) and faults (which are bugs: kernel_fault reports them). NMI, double fault and machine check have stacks of
// their own and trust neither gs nor rsp.
#include "kernel/arch/x86_64/frame_offsets.hpp"
#include "kernel/arch/x86_64/layout.hpp"

#define FAULT_STACK_SIZE 8192

    .section .text.entry, "ax"
    .global kernel_exit
kernel_exit:
    mov %gs:AREA_CURRENT, %rax
    .global syscall_exit
// rax: the thread with words and tag for the one that is resumed.
syscall_exit:
    mov %gs:AREA_CURRENT, %rsp
    test %rsp, %rsp
    jz idle
    cmpl $0, FULL(%rsp)
    jne exit_full
    mov RBX(%rsp), %rbx
    mov RBP(%rsp), %rbp
    mov RSI(%rsp), %rsi
    mov RDX(%rax), %rdx                 // words and tag: of the thread that the message comes from
    mov RDI(%rax), %rdi
    mov R8(%rax), %r8
    mov R9(%rax), %r9
    mov R10(%rax), %r10
    mov R12(%rax), %r12
    mov R13(%rax), %r13
    mov R14(%rax), %r14
    mov R15(%rax), %r15
    mov RAX(%rsp), %rax
    mov RIP(%rsp), %rcx
    mov RFLAGS(%rsp), %r11
    mov RSP(%rsp), %rsp
    swapgs
    sysretq

// FULL is set only from an entry that is no system call to this.
exit_full:
    movl $0, FULL(%rsp)
    mov %rsp, %rax
    mov %gs:AREA_STACK, %rsp
    pushq $PITH_USER_DATA
    pushq RSP(%rax)
    pushq RFLAGS(%rax)
    pushq $PITH_USER_CODE
    pushq RIP(%rax)
    mov %rsp, %gs:AREA_USER_RSP
    mov %rax, %rsp
    load_registers
    mov RCX(%rsp), %rcx
    mov R11(%rsp), %r11
    mov %gs:AREA_USER_RSP, %rsp
    swapgs
    .global user_return
user_return:
    iretq

idle:
    mov %gs:AREA_STACK, %rsp
    movq $1, %gs:AREA_IDLE
    sti
    hlt
    cli                                 // woken by something that is no interrupt
    movq $0, %gs:AREA_IDLE
    jmp kernel_exit

// The stack: ss, rsp, rflags, cs, rip, maybe an error code, vector. The processor aligns rsp to 16 before it pushes, so that
// shows whether there is one (Intel SDM volume 3, 6.14.2); where there is none, 0.
    .align 16
common_stub:
    testb $8, %spl
    jnz 1f
    pushq (%rsp)
    movq $0, 8(%rsp)
1:  cld
    .global smap_patch_common
smap_patch_common:
    nopl (%rax)                         // becomes clac where there is SMAP
    testb $3, 24(%rsp)
    jz from_kernel
    swapgs
    push %rax
    mov %rsp, %rax
    mov %gs:AREA_CURRENT, %rsp
    store_registers
    mov %rcx, RCX(%rsp)
    mov %r11, R11(%rsp)
    mov 0(%rax), %rcx
    mov %rcx, RAX(%rsp)
    mov 24(%rax), %rcx
    mov %rcx, RIP(%rsp)
    mov 40(%rax), %rcx
    mov %rcx, RFLAGS(%rsp)
    mov 48(%rax), %rcx
    mov %rcx, RSP(%rsp)
    movl $1, FULL(%rsp)
    movzbl 8(%rax), %edi                // vector
    mov 16(%rax), %rsi                  // error code
    mov %gs:AREA_STACK, %rsp
    cmp $32, %edi
    jae 1f
    call user_exception
    test %al, %al
    jz kernel_exit
    jmp raise_fault                     // (ipc.S)
1:  xor %esi, %esi
    call interrupt_dispatch
    jmp kernel_exit

from_kernel:
    cmpq $32, (%rsp)
    jb kernel_fault_stub
    cmpq $0, %gs:AREA_IDLE
    je nested
    movq $0, %gs:AREA_IDLE
    movzbl (%rsp), %edi
    xor %esi, %esi
    mov %gs:AREA_STACK, %rsp
    call interrupt_dispatch
    jmp kernel_exit

nested:
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    movzbl 72(%rsp), %edi
    mov $1, %esi
    call interrupt_dispatch
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

// All registers, in the order of KernelRegisters (trap.hpp).
.macro push_all
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rbp
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rbx
    push %rax
.endm

.macro pop_all
    pop %rax
    pop %rbx
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rbp
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
.endm

kernel_fault_stub:
    push_all
    mov %rsp, %rdi
    call kernel_fault
    ud2

// On a stack of its own, whose last word is the address of the CpuArea.
    .align 16
paranoid_stub:
    cld
    .global smap_patch_paranoid
smap_patch_paranoid:
    nopl (%rax)
    push_all
    rdgsbase %rbx
    mov %rsp, %rax
    or $(FAULT_STACK_SIZE - 1), %rax
    mov -7(%rax), %rax
    wrgsbase %rax
    mov %rsp, %rdi
    call paranoid_trap
    wrgsbase %rbx
    pop_all
    add $16, %rsp
    iretq

// One stub a vector: 4 bytes each, which push its low byte (sign extended), and behind every 16 of them the rest of their way.
// In bytes, since descriptors.cpp reckons with their lengths.
    .align 16
    .global vector_stubs
vector_stubs:
vector = 0
.rept 16
    .rept 16
    .byte 0x6a, vector                  // push $vector
    .byte 0xeb, 1f - . - 1              // jmp 1f
    vector = vector + 1
    .endr
1:  jmp common_stub
    .balign 8
.endr

// Those with stacks of their own.
    .balign 16
    .global paranoid_stubs
paranoid_stubs:
    pushq $0
    pushq $2
    jmp paranoid_stub
    .balign 16
    pushq $8                            // pushes an error code itself
    jmp paranoid_stub
    .balign 16
    pushq $0
    pushq $18
    jmp paranoid_stub

    .section .note.GNU-stack, "", @progbits
