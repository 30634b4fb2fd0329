// SPDX-License-Identifier: MIT
// Names of what a trace has numbers for.
#pragma once

#include <string>

#include "abi/message.hpp"
#include "abi/syscall.hpp"
#include "abi/trace.hpp"

namespace pith::tools {

/// "mmap"; "call 999" of one that Pith doesn't know.
std::string linux_call_name(u64 number);
/// "space_map"; "system call 200" where there is none.
std::string system_call_name(u64 number);
std::string event_name(u64 event);
/// What processors call the exception.
std::string exception_name(u64 vector);
/// Up to 16 characters in two words, ended by a zero if there are fewer.
std::string packed_name(u64 first, u64 second);

}  // namespace pith::tools
