// SPDX-License-Identifier: MIT
// The stack that a new program starts on: strings, auxiliary vector, environment, arguments (System V ABI, AMD64
// supplement, 3.4.1).
#pragma once

#include <string>
#include <vector>

#include "servers/linux/address_space.hpp"
#include "servers/linux/process.hpp"

namespace pith::lx {

inline constexpr usize kMaxArgument = 128 << 10;  ///< MAX_ARG_STRLEN

struct StackRequest {
    u64 program_headers = 0;
    u64 header_count = 0;
    u64 header_size = 0;
    u64 entry = 0;
    u64 interpreter_base = 0;
    u64 vdso = 0;  ///< AT_SYSINFO_EHDR
    bool executable = false;
    bool secure = false;
    const Credentials* credentials = nullptr;
    std::string path;  ///< AT_EXECFN
    u8 random[16] = {};
};

struct ProgramStack {
    u64 pointer = 0;
    u64 arguments_start = 0, arguments_end = 0, environment_start = 0, environment_end = 0;
    std::vector<u64> auxv;
};

/// Maps the stack area and fills it. E2BIG, ENOMEM.
SysResult<ProgramStack> build_stack(AddressSpace& memory, const StackRequest& request,
                                    const std::vector<std::string>& arguments,
                                    const std::vector<std::string>& environment);

}  // namespace pith::lx
