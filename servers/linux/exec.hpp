// SPDX-License-Identifier: MIT
// execve: a program is loaded into a new address space, beside the old one; only when that has worked does the
// process change over. So a failed exec changes nothing.
#pragma once

#include <string>
#include <vector>

#include "servers/linux/syscall.hpp"

namespace pith::lx {

struct ExecRequest {
    i32 directory = -100;
    std::string path;
    u32 flags = 0;  ///< AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
};

/// Replaces the program of `thread`, which then goes on in the new one. On success the thread has been resumed.
Task<SysResult<u64>> execute(Thread& thread, ExecRequest request);

/// The first program of a process that has none yet (init): the thread is made ready, but not resumed.
SysResult<> execute_first(Thread& thread, const ExecRequest& request);

}  // namespace pith::lx
