// SPDX-License-Identifier: MIT
// For assembler files: where a Thread has its registers (arch/frame.hpp), and a CpuArea, through gs, its fields
// (arch/cpu.hpp). Both have static_asserts for them.
#pragma once

#include "kernel/arch/x86_64/layout.hpp"

// clang-format off
#define AREA_CURRENT   8
#define AREA_STACK     16
#define AREA_USER_RSP  24
#define AREA_IDLE      32

// Registers in a Thread.
#define FRAME          PITH_THREAD_FRAME
#define RAX            (FRAME + 0)
#define RBX            (FRAME + 8)
#define RCX            (FRAME + 16)
#define RDX            (FRAME + 24)
#define RSI            (FRAME + 32)
#define RDI            (FRAME + 40)
#define RBP            (FRAME + 48)
#define RSP            (FRAME + 56)
#define R8             (FRAME + 64)
#define R9             (FRAME + 72)
#define R10            (FRAME + 80)
#define R11            (FRAME + 88)
#define R12            (FRAME + 96)
#define R13            (FRAME + 104)
#define R14            (FRAME + 112)
#define R15            (FRAME + 120)
#define RIP            (FRAME + 128)
#define RFLAGS         (FRAME + 136)
#define FS_BASE        (FRAME + 144)
#define GS_BASE        (FRAME + 152)
#define FULL           (FRAME + 160)
#define FOREIGN        (FRAME + 168)

// The registers that both kinds of entry store alike, to the Thread at rsp.
.macro store_registers
    mov %rbx, RBX(%rsp)
    mov %rdx, RDX(%rsp)
    mov %rsi, RSI(%rsp)
    mov %rdi, RDI(%rsp)
    mov %rbp, RBP(%rsp)
    mov %r8, R8(%rsp)
    mov %r9, R9(%rsp)
    mov %r10, R10(%rsp)
    mov %r12, R12(%rsp)
    mov %r13, R13(%rsp)
    mov %r14, R14(%rsp)
    mov %r15, R15(%rsp)
.endm

.macro load_registers
    mov RBX(%rsp), %rbx
    mov RDX(%rsp), %rdx
    mov RSI(%rsp), %rsi
    mov RDI(%rsp), %rdi
    mov RBP(%rsp), %rbp
    mov R8(%rsp), %r8
    mov R9(%rsp), %r9
    mov R10(%rsp), %r10
    mov R12(%rsp), %r12
    mov R13(%rsp), %r13
    mov R14(%rsp), %r14
    mov R15(%rsp), %r15
    mov RAX(%rsp), %rax
.endm
