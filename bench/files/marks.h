// SPDX-License-Identifier: MIT
// In C: the marks (bench/ipc/marker.hpp) between which a plugin of QEMU counts what the whole guest executes
// (tools/plugin/executed.cpp).
#pragma once

#define PITH_MARK_TAG 0x504954
#define PITH_MARK_BEGIN 0x81
#define PITH_MARK_END 0x82

/// A nop of 7 bytes with an operand.
#define PITH_MARK(number) \
    __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(PITH_MARK_TAG << 8 | (number)) : "memory")
