// SPDX-License-Identifier: MIT
#include "tools/trace/names.hpp"

#include <cstring>
#include <format>
#include <iterator>

namespace pith::tools {

namespace {

struct LinuxCalls {
    const char* names[512] = {};
    consteval LinuxCalls() {
#define PITH_SYSCALL(number, name) names[number] = #name;
#include "servers/linux/net/syscalls.inc"
#include "servers/linux/syscalls.inc"
#include "servers/linux/vfs/syscalls.inc"
#undef PITH_SYSCALL
    }
};
constexpr LinuxCalls kLinuxCalls;

/// The compiler sees to it that none is missing.
const char* name_of(abi::Syscall call) {
    using abi::Syscall;
    switch (call) {
        case Syscall::null: return "null";
        case Syscall::call: return "call";
        case Syscall::send: return "send";
        case Syscall::recv: return "recv";
        case Syscall::reply_recv: return "reply_recv";
        case Syscall::reply: return "reply";
        case Syscall::take_reply: return "take_reply";
        case Syscall::adopt: return "adopt";
        case Syscall::signal_notify: return "signal_notify";
        case Syscall::signal_wait: return "signal_wait";
        case Syscall::signal_create: return "signal_create";
        case Syscall::yield: return "yield";
        case Syscall::clock: return "clock";
        case Syscall::trace_mark: return "trace_mark";
        case Syscall::cap_copy: return "cap_copy";
        case Syscall::cap_delete: return "cap_delete";
        case Syscall::cap_revoke: return "cap_revoke";
        case Syscall::cap_info: return "cap_info";
        case Syscall::cap_take: return "cap_take";
        case Syscall::object_destroy: return "object_destroy";
        case Syscall::pool_create: return "pool_create";
        case Syscall::pool_info: return "pool_info";
        case Syscall::pool_resize: return "pool_resize";
        case Syscall::memory_create: return "memory_create";
        case Syscall::memory_info: return "memory_info";
        case Syscall::space_create: return "space_create";
        case Syscall::space_map: return "space_map";
        case Syscall::space_unmap: return "space_unmap";
        case Syscall::space_protect: return "space_protect";
        case Syscall::space_share: return "space_share";
        case Syscall::space_dirty: return "space_dirty";
        case Syscall::space_info: return "space_info";
        case Syscall::captable_create: return "captable_create";
        case Syscall::thread_create: return "thread_create";
        case Syscall::thread_start: return "thread_start";
        case Syscall::thread_resume: return "thread_resume";
        case Syscall::thread_interrupt: return "thread_interrupt";
        case Syscall::thread_set_cpu: return "thread_set_cpu";
        case Syscall::thread_set_priority: return "thread_set_priority";
        case Syscall::thread_set_budget: return "thread_set_budget";
        case Syscall::thread_bind_signal: return "thread_bind_signal";
        case Syscall::thread_info: return "thread_info";
        case Syscall::thread_fpu_read: return "thread_fpu_read";
        case Syscall::thread_fpu_write: return "thread_fpu_write";
        case Syscall::thread_stop: return "thread_stop";
        case Syscall::thread_continue: return "thread_continue";
        case Syscall::thread_name: return "thread_name";
        case Syscall::budget_create: return "budget_create";
        case Syscall::budget_configure: return "budget_configure";
        case Syscall::budget_info: return "budget_info";
        case Syscall::endpoint_create: return "endpoint_create";
        case Syscall::interrupt_create: return "interrupt_create";
        case Syscall::interrupt_bind: return "interrupt_bind";
        case Syscall::interrupt_acknowledge: return "interrupt_acknowledge";
        case Syscall::ports_create: return "ports_create";
        case Syscall::ports_bind: return "ports_bind";
        case Syscall::machine_device_memory: return "machine_device_memory";
        case Syscall::machine_info: return "machine_info";
        case Syscall::machine_exit: return "machine_exit";
        case Syscall::machine_log: return "machine_log";
        case Syscall::machine_trace: return "machine_trace";
        case Syscall::machine_dma_address: return "machine_dma_address";
    }
    return nullptr;
}

}  // namespace

std::string linux_call_name(u64 number) {
    const char* name = number < std::size(kLinuxCalls.names) ? kLinuxCalls.names[number] : nullptr;
    return name != nullptr ? name : std::format("call {}", number);
}

std::string system_call_name(u64 number) {
    const char* name = number < 256 ? name_of(static_cast<abi::Syscall>(number)) : nullptr;
    return name != nullptr ? name : std::format("system call {}", number);
}

std::string event_name(u64 event) {
    using abi::Event;
    switch (static_cast<Event>(event)) {
        case Event::signal: return "signal";
        case Event::syscall: return "system call";
        case Event::page_fault: return "page fault";
        case Event::exception: return "exception";
        case Event::interrupted: return "interrupted";
        case Event::overrun: return "overrun";
    }
    return std::format("event {}", event);
}

std::string exception_name(u64 vector) {
    static constexpr const char* kNames[] = {
        "divide error", "debug",           "NMI",         "breakpoint",         "overflow",
        "bound range",  "invalid opcode",  "no FPU",      "double fault",       nullptr,
        "invalid TSS",  "segment missing", "stack fault", "general protection", "page fault",
        nullptr,        "FPU error",       "alignment",   "machine check",      "SIMD error"};
    const char* name = vector < std::size(kNames) ? kNames[vector] : nullptr;
    return name != nullptr ? name : std::format("exception {}", vector);
}

std::string packed_name(u64 first, u64 second) {
    const u64 words[2] = {first, second};
    char text[sizeof(words)];
    std::memcpy(text, words, sizeof(words));
    return {text, ::strnlen(text, sizeof(text))};
}

}  // namespace pith::tools
