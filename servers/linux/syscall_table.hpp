// SPDX-License-Identifier: MIT
// From the number of a Linux system call to its handler.
#pragma once

#include "servers/linux/syscall.hpp"

namespace pith::lx {

inline constexpr u64 kSyscalls = 462;

/// Null: there is none (ENOSYS).
SyscallHandler syscall_handler(u64 number);
const char* syscall_name(u64 number);

}  // namespace pith::lx
