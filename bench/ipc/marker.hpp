// SPDX-License-Identifier: MIT
// Marks in a program's flow that a plugin of QEMU sees (tools/plugin): instructions that do nothing.
#pragma once

#include "abi/types.hpp"

namespace pith::bench {

/// Upper 24 bits of a marker's operand; the lower 8 are its number.
inline constexpr u32 kMarkerTag = 0x504954;

/// Numbers of the markers where the sections of benchmark `lines` begin; and of the one where each ends.
enum class LineSection : u8 { separate = 1, shared, own, common };
inline constexpr u8 kSectionEnd = 0x80;

/// A nop with an operand: 7 bytes.
template <u8 kNumber>
[[gnu::always_inline]] inline void mark() {
    asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(kMarkerTag << 8 | kNumber) : "memory");
}

}  // namespace pith::bench
