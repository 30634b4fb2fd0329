// SPDX-License-Identifier: MIT
// For measure_test.cpp: `start` leads to `direct`, and through data to `listed`; nothing leads to `apart`.
    .macro function name
    .section .text.\name, "ax"
    .global \name
    .type \name, @function
\name:
    .endm

    function start
    call direct
    ret
    .size start, . - start

    function direct
    mov $table, %rax
    ret
    .size direct, . - direct

    .section .data.table, "aw"
table:
    .quad listed

    function listed
    ret
    .size listed, . - listed

    function apart
    call direct
    ret
    .size apart, . - apart

    .section .note.GNU-stack, "", @progbits
