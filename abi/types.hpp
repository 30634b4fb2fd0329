// SPDX-License-Identifier: MIT
// The integer types, handles, object types and rights that both sides of the system-call line share.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pith {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
using usize = size_t;

namespace abi {

inline constexpr u64 kPageSize = 4096;
inline constexpr u32 kPageShift = 12;
inline constexpr u32 kMaxCpus = 8;
inline constexpr u64 kUserTop = 0x0000'7fff'ffff'f000;  ///< first address that no Space can map

/// Index of a slot in a CapTable. 0 names no slot. The kernel chooses the slot unless a caller names one.
using HandleIndex = u32;
inline constexpr HandleIndex kNoHandle = 0;
inline constexpr u32 kMaxSlots = 16384;  ///< slots of the largest CapTable

/// Absolute time in nanoseconds since boot, on the clock that `Syscall::clock` reads.
using Time = u64;
inline constexpr Time kNoDeadline = 0;  ///< wait for ever
inline constexpr Time kPoll = 1;        ///< a deadline that has always passed: do not wait

enum class ObjectType : u8 {
    none,
    pool,
    memory,
    space,
    captable,
    thread,
    budget,
    endpoint,
    reply,
    signal,
    interrupt,
    io_ports,
    machine,  ///< root's authority over the machine: device memory, interrupts, ports, system counters
    count,
};

/// Rights are six bits. Bits 4 and 5 mean the same for each type, bits 0 to 3 depend on it.
using RightsBits = u8;
inline constexpr RightsBits kRightManage = 1u << 4;  ///< configure and destroy the object
inline constexpr RightsBits kRightCopy = 1u << 5;    ///< derive a capability, or send one in a message
inline constexpr RightsBits kAllRights = 0x3f;

enum class PoolRight : RightsBits { allocate = 1, info = 2, manage = kRightManage };
enum class MemoryRight : RightsBits { read = 1, write = 2, execute = 4, manage = kRightManage };
enum class SpaceRight : RightsBits { map = 1, info = 2, manage = kRightManage };
enum class CapTableRight : RightsBits { insert = 1, take = 2, manage = kRightManage };
enum class ThreadRight : RightsBits { run = 1, registers = 2, info = 4, manage = kRightManage };
enum class BudgetRight : RightsBits { bind = 1, info = 2, manage = kRightManage };
enum class EndpointRight : RightsBits { send = 1, receive = 2, mint = 4, manage = kRightManage };
enum class ReplyRight : RightsBits { reply = 1, manage = kRightManage };
enum class SignalRight : RightsBits { notify = 1, wait = 2, manage = kRightManage };
enum class InterruptRight : RightsBits { bind = 1, acknowledge = 2, manage = kRightManage };
enum class IoPortsRight : RightsBits { use = 1, manage = kRightManage };
enum class MachineRight : RightsBits { devices = 1, info = 2, debug = 4, manage = kRightManage };

}  // namespace abi
}  // namespace pith
