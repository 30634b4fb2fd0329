// SPDX-License-Identifier: MIT
// System calls as inline functions. Two shapes: `invoke` for calls with plain arguments, and the message
// calls, which move a whole Message through the registers. Larger arguments are in `this_buffer()`: whoever
// fills it must not make another system call that uses it before his own.
#pragma once

#include <string_view>

#include "abi/message.hpp"
#include "abi/syscall.hpp"
#include "lib/base/result.hpp"

namespace pith {

/// What a system call gives back.
struct SyscallResult {
    Error error;
    u64 r0, r1, r2;
};

/// A message in registers: what goes out, and in the same place what came in.
struct Message {
    abi::Tag tag;
    u64 badge = 0;  ///< of the capability that the sender used; only after recv and reply_recv
    u64 words[abi::kRegisterWords] = {};
};

/// Offset in a thread's message buffer where its library keeps the buffer's own address.
inline constexpr usize kBufferSelf = 1016;
/// Offset where it keeps the pointer to the thread's ThreadContext (lib/os/thread_context.hpp).
inline constexpr usize kBufferContext = 1008;

/// The calling thread's message buffer.
inline abi::MessageBuffer& this_buffer() {
    abi::MessageBuffer* buffer;
    asm volatile("movq %%fs:1016, %0" : "=r"(buffer));
    return *buffer;
}

/// The words of the buffer as a structure that a system call reads or writes there.
template <typename T>
T& buffer_as() {
    static_assert(sizeof(T) <= sizeof(abi::MessageBuffer::words));
    return *reinterpret_cast<T*>(this_buffer().words);
}

/// Any system call that is not a message.
inline SyscallResult invoke(abi::Syscall call, abi::HandleIndex handle = 0, u64 a0 = 0, u64 a1 = 0,
                            u64 a2 = 0, u64 a3 = 0, u64 a4 = 0, u64 a5 = 0) {
    u64 rax = u64{static_cast<u8>(call)} | u64{handle} << 32;
    register u64 r10 asm("r10") = a3;
    register u64 r8 asm("r8") = a4;
    register u64 r9 asm("r9") = a5;
    asm volatile("syscall"
                 : "+a"(rax), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10), "+r"(r8), "+r"(r9)
                 :
                 : "rcx", "r11", "memory");
    return {static_cast<Error>(rax), a2, r10, r8};
}

/// A message call: sends `message` (where the call sends) and leaves there what arrived.
inline Error invoke_message(abi::Syscall call, abi::HandleIndex handle, Message& message,
                            abi::Time deadline) {
    u64 rax = u64{static_cast<u8>(call)} | u64{handle} << 32;
    u64 rdi = message.tag.bits();
    u64 rsi = deadline;
    u64 rdx = message.words[0];
    register u64 r10 asm("r10") = message.words[1];
    register u64 r8 asm("r8") = message.words[2];
    register u64 r9 asm("r9") = message.words[3];
    register u64 r12 asm("r12") = message.words[4];
    register u64 r13 asm("r13") = message.words[5];
    register u64 r14 asm("r14") = message.words[6];
    register u64 r15 asm("r15") = message.words[7];
    asm volatile("syscall"
                 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r12),
                   "+r"(r13), "+r"(r14), "+r"(r15)
                 :
                 : "rcx", "r11", "memory");
    message.tag = abi::Tag(rdi);
    message.badge = rsi;
    message.words[0] = rdx;
    message.words[1] = r10;
    message.words[2] = r8;
    message.words[3] = r9;
    message.words[4] = r12;
    message.words[5] = r13;
    message.words[6] = r14;
    message.words[7] = r15;
    return static_cast<Error>(rax);
}

/// Calls an Endpoint; `message` becomes the reply.
inline Error ipc_call(abi::HandleIndex endpoint, Message& message, abi::Time deadline = abi::kNoDeadline) {
    return invoke_message(abi::Syscall::call, endpoint, message, deadline);
}
/// Sends one way; returns when it is received.
inline Error ipc_send(abi::HandleIndex endpoint, const Message& message,
                      abi::Time deadline = abi::kNoDeadline) {
    Message copy = message;
    return invoke_message(abi::Syscall::send, endpoint, copy, deadline);
}
/// Receives a message, or the bits of the bound Signal (a message from the kernel, Event::signal).
inline Error ipc_recv(abi::HandleIndex endpoint, Message& message, abi::Time deadline = abi::kNoDeadline) {
    return invoke_message(abi::Syscall::recv, endpoint, message, deadline);
}
/// Answers the current caller with `message`, then receives into it.
inline Error ipc_reply_recv(abi::HandleIndex endpoint, Message& message,
                            abi::Time deadline = abi::kNoDeadline) {
    return invoke_message(abi::Syscall::reply_recv, endpoint, message, deadline);
}
/// Answers through a Reply, or the current caller (kNoHandle).
inline Error ipc_reply(abi::HandleIndex reply, const Message& message) {
    Message copy = message;
    return invoke_message(abi::Syscall::reply, reply, copy, 0);
}

/// A call's error as a Result.
inline Result<> as_result(Error error) {
    if (error == Error::ok) return {};
    return error;
}
inline Result<> as_result(const SyscallResult& result) { return as_result(result.error); }

/// thread_name (see Handle<Thread>::set_name).
inline Result<> name_thread(abi::HandleIndex thread, std::string_view process, u32 number,
                            std::string_view name) {
    u64 words[4] = {};
    __builtin_memcpy(&words[0], process.data(), process.size() < 16 ? process.size() : 16);
    __builtin_memcpy(&words[2], name.data(), name.size() < 16 ? name.size() : 16);
    return as_result(
        invoke(abi::Syscall::thread_name, thread, words[0], words[1], number, words[2], words[3]));
}

/// Nanoseconds since boot, read by system call (lib/os/clock.hpp reads it without one).
inline abi::Time kernel_clock() { return invoke(abi::Syscall::clock).r0; }
inline void yield_cpu() { invoke(abi::Syscall::yield); }

}  // namespace pith
