// SPDX-License-Identifier: MIT
// Messages: the tag word, the eight register words, and the message buffer of a thread.
//
// A message buffer is 1 KiB, 1 KiB aligned, in a Memory that its thread's creator names. The kernel reads and
// writes it through its own mapping of the frame, so copying cannot fault. System calls that take or return
// more than fits in registers use its data area too: the kernel never follows a user pointer.
#pragma once

#include "abi/error.hpp"

namespace pith::abi {

inline constexpr usize kRegisterWords = 8;
inline constexpr usize kBufferWords = 64;
inline constexpr usize kMessageHandles = 4;
inline constexpr u64 kBufferSize = 1024;

/// The tag word.
///   bits  0..15  operation (an opcode of the protocol; for kernel messages an Event)
///   bits 16..22  words in the message buffer, 0..64
///   bits 24..26  capabilities, 0..4
///   bits 32..47  status of a reply: an Error
///   bit  63      set by the kernel, and by nobody else: a message from the kernel itself
class Tag {
  public:
    constexpr Tag() = default;
    constexpr explicit Tag(u64 bits) : bits_(bits) {}
    constexpr Tag(u16 operation, u32 buffer_words, u32 handles = 0, Error status = Error::ok)
        : bits_(u64{operation} | u64{buffer_words & 0x7f} << 16 | u64{handles & 7} << 24 |
                u64{static_cast<u32>(status) & 0xffff} << 32) {}
    constexpr u16 operation() const { return static_cast<u16>(bits_); }
    constexpr u32 buffer_words() const { return static_cast<u32>(bits_ >> 16) & 0x7f; }
    constexpr u32 handles() const { return static_cast<u32>(bits_ >> 24) & 7; }
    constexpr Error status() const { return static_cast<Error>((bits_ >> 32) & 0xffff); }
    constexpr bool from_kernel() const { return (bits_ >> 63) != 0; }
    constexpr u64 bits() const { return bits_; }

  private:
    u64 bits_ = 0;
};

inline constexpr u64 kTagKernel = u64{1} << 63;

/// A capability in a message. The sender fills handle, rights and flags; the receiver finds the new handle and
/// the rights that it got. A capability needs `kRightCopy` to be sent, but a Reply, which only moves.
struct MessageHandle {
    HandleIndex handle = kNoHandle;
    RightsBits rights = kAllRights;  ///< mask: the receiver gets no right outside it
    u8 flags = 0;                    ///< kHandleMove
    u16 reserved = 0;
};
inline constexpr u8 kHandleMove = 1;  ///< the sender loses its capability
static_assert(sizeof(MessageHandle) == 8);

struct MessageBuffer {
    u64 words[kBufferWords];
    MessageHandle handles[kMessageHandles];
    u64 reserved[60];
};
static_assert(sizeof(MessageBuffer) == kBufferSize);

/// What a kernel message (bit 63 of the tag) tells: the tag's operation.
enum class Event : u16 {
    signal = 1,   ///< recv: bits of the thread's bound Signal. w0 = bits, which are cleared by this
    syscall = 2,  ///< a foreign thread executed `syscall`. w0 = rax, w1..w6 = rdi rsi rdx r10 r8 r9, w7 = rip
    page_fault = 3,   ///< w0 = address, w1 = FaultAccess, w2 = rip
    exception = 4,    ///< w0 = vector, w1 = error code, w2 = rip, w3 = fault address where there is one
    interrupted = 5,  ///< Thread.interrupt took effect. w7 = rip
    overrun = 6,      ///< reserved for Budgets that report to an Endpoint
};

/// Bits of w1 of a page_fault event.
enum class FaultAccess : u64 { read = 0, write = 1, execute = 2, present = 4 };

/// How a reply resumes a thread whose event it answers: the tag's operation. The thread must be one whose
/// fault or foreign call is being answered; for a plain call the operation is the protocol's own.
enum class Resume : u16 {
    retry = 0,   ///< native or foreign fault: run the faulting instruction again with unchanged registers
    result = 1,  ///< foreign system call: rax = w0, all other registers as they were saved
    state = 2,   ///< foreign: all registers from the state page (rax too)
};

}  // namespace pith::abi
