// SPDX-License-Identifier: MIT
// The smallest kernel that QEMU starts (PVH): says "ok empty" on the debug console and ends the emulator with STATUS (125
// is what a panic does), or does nothing for ever. The tests of the runner use it; measurements of boot time subtract it.

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18              // name's size, descriptor's size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long start

    .section .text
    .code32
    .globl start
start:
    movl $message, %esi
1:  movb (%esi), %al
    testb %al, %al
    jz 2f
    outb %al, $0xe9
    incl %esi
    jmp 1b
2:
#ifdef STATUS
    movl $STATUS, %eax
    movw $0xf4, %dx
    outl %eax, %dx
#endif
3:  hlt
    jmp 3b

message:
    .asciz "ok empty\n"
