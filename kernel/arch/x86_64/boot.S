// SPDX-License-Identifier: MIT
// From the boot loader (32 bits, paging off) to boot_main. PVH: ebx = physical address of hvm_start_info.
// The early tables map the first GiB twice, at 0 and at the kernel's base; boot_main makes the real ones.
// The other CPUs start in real mode in the trampoline, which cpu_start copies below 1 MiB.
#include "kernel/arch/x86_64/layout.hpp"

#define PHYSICAL(symbol) (symbol - PITH_KERNEL_BASE)
#define AREA_STACK 16                   // offset in CpuArea (arch/cpu.hpp)

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18                      // name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long PHYSICAL(pvh_entry)

    .section .boot, "ax"
    .code32
    .global pvh_entry
pvh_entry:
    cld
    cli
    rdtsc
    mov %eax, %esi                      // time of entry: esi (low), ebp (high)
    mov %edx, %ebp
    mov $PHYSICAL(early_page_directory), %edi
    mov $0x83, %eax                     // present, writable, 2 MiB
    mov $512, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    dec %ecx
    jnz 1b
    mov $PHYSICAL(early_pml4), %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax                      // PAE
    mov %eax, %cr4
    mov $0xc0000080, %ecx               // EFER: long mode
    rdmsr
    or $0x900, %eax                     // and no-execute
    wrmsr
    mov $0x80010001, %eax               // paging, write protect, protected mode
    mov %eax, %cr0
    lgdt PHYSICAL(early_gdt_pointer)
    ljmp $PITH_KERNEL_CODE, $PHYSICAL(long_mode)

    .code64
long_mode:
    mov $PITH_KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $early_stack_top, %rsp
    mov $1f, %rax
    jmp *%rax                           // to the kernel's own addresses
1:  mov $0xc0000101, %ecx               // gs base: the boot CPU's element
    mov $_ZN4pith4core4cpusE, %rax
    mov %rax, (%rax)
    mov %rax, %rdx
    shr $32, %rdx
    wrmsr
    mov %esi, %esi
    shl $32, %rbp
    or %rbp, %rsi                       // second argument: time of entry
    mov $0x9e3779b97f4a7c15, %rax
    imul %rsi, %rax
    xor %al, %al                        // no string contains it
    mov %rax, __stack_chk_guard
    mov %ebx, %edi                      // first: the start information
    xor %ebp, %ebp
    call boot_main
    ud2

// The other CPUs. Copied to a page below 1 MiB; the page number is what the start-up IPI names.
    .section .rodata.trampoline, "a"
    .global trampoline_start, trampoline_end
#define LOCAL(symbol) (symbol - trampoline_start)
    .align 16
    .code16
trampoline_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    xor %ebx, %ebx
    mov %cs, %bx
    shl $4, %ebx                        // where this page is
    lea LOCAL(trampoline_gdt)(%ebx), %eax
    mov %eax, LOCAL(trampoline_gdt_pointer) + 2
    lgdtl LOCAL(trampoline_gdt_pointer)
    lea LOCAL(trampoline_long)(%ebx), %eax
    mov %eax, LOCAL(trampoline_far)
    mov $0x20, %eax
    mov %eax, %cr4
    mov $PHYSICAL(early_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax                     // long mode, no-execute
    wrmsr
    mov $0x80010001, %eax
    mov %eax, %cr0
    ljmpl *LOCAL(trampoline_far)

    .code64
trampoline_long:
    mov $PITH_KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $1, %eax
    cpuid
    shr $24, %ebx                       // local APIC identifier
    movzbl apic_to_cpu(%rbx), %edi
    mov $enter_secondary, %rax
    jmp *%rax

    .align 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_gdt_pointer:
    .word 23
    .long 0
    .align 8
trampoline_far:
    .long 0
    .word PITH_KERNEL_CODE
trampoline_end:

// From the trampoline, in the early tables: edi = index of this CPU.
    .section .text.secondary, "ax"
enter_secondary:
    mov _ZN4pith4arch11kernel_rootE, %rax
    mov %rax, %cr3
    mov $0xc0000101, %ecx
    mov secondary_areas(, %rdi, 8), %rax
    mov AREA_STACK(%rax), %rsp
    mov %rax, %rdx
    shr $32, %rdx
    wrmsr                               // gs base
    xor %ebp, %ebp
    call secondary_main                 // (index)
    jmp kernel_exit

    .section .rodata.boot, "a"
    .align 8
early_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
early_gdt_pointer:
    .word 23
    .long PHYSICAL(early_gdt)

    .section .data.boot, "aw"
    .align 4096
early_pml4:
    .quad PHYSICAL(early_pdpt_low) + 3
    .fill 510, 8, 0
    .quad PHYSICAL(early_pdpt_high) + 3
early_pdpt_low:
    .quad PHYSICAL(early_page_directory) + 3
    .fill 511, 8, 0
early_pdpt_high:
    .fill 510, 8, 0
    .quad PHYSICAL(early_page_directory) + 3
    .quad 0

    .balign 8
    .global __stack_chk_guard           // of the stack protector
__stack_chk_guard:
    .quad 0

    .section .bss.boot, "aw", @nobits
    .align 4096
early_page_directory:
    .skip 4096
    .skip 16384
    .global early_stack_top
early_stack_top:

    .section .note.GNU-stack, "", @progbits
