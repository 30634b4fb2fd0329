// SPDX-License-Identifier: MIT
// Character classes as the Linux kernel sees them (lib/ctype.c): Latin-1.
#pragma once

#include "abi/types.hpp"

namespace pith::tty {

constexpr bool is_control(u8 c) { return c < 32 || c == 127; }
constexpr bool is_upper(u8 c) { return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7); }
constexpr bool is_lower(u8 c) { return (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7); }
constexpr bool is_alphanumeric(u8 c) { return is_upper(c) || is_lower(c) || (c >= '0' && c <= '9'); }
constexpr u8 to_lower(u8 c) { return is_upper(c) ? static_cast<u8>(c + 32) : c; }
constexpr u8 to_upper(u8 c) { return is_lower(c) ? static_cast<u8>(c - 32) : c; }

}  // namespace pith::tty
