/* SPDX-License-Identifier: MIT */
/* The vDSO's file, as the build has made it (component.cmake). */
    .section .rodata.vdso, "a", @progbits
    .globl vdso_image, vdso_image_end
vdso_image:
    .incbin PITH_VDSO_FILE
vdso_image_end:
