// SPDX-License-Identifier: MIT
#include "servers/linux/syscall_table.hpp"

namespace pith::lx {

#define PITH_SYSCALL(number, name) Outcome sys_##name(Thread& thread, const SyscallArgs& args);
#include "servers/linux/net/syscalls.inc"
#include "servers/linux/syscalls.inc"
#include "servers/linux/vfs/syscalls.inc"
#undef PITH_SYSCALL

namespace {

struct Table {
    SyscallHandler handlers[kSyscalls] = {};
    const char* names[kSyscalls] = {};
    consteval Table() {
#define PITH_SYSCALL(number, name)  \
    handlers[number] = &sys_##name; \
    names[number] = #name;
#include "servers/linux/net/syscalls.inc"
#include "servers/linux/syscalls.inc"
#include "servers/linux/vfs/syscalls.inc"
#undef PITH_SYSCALL
    }
};
constexpr Table kTable;

}  // namespace

SyscallHandler syscall_handler(u64 number) { return number < kSyscalls ? kTable.handlers[number] : nullptr; }

const char* syscall_name(u64 number) {
    const char* name = number < kSyscalls ? kTable.names[number] : nullptr;
    return name != nullptr ? name : "?";
}

}  // namespace pith::lx
