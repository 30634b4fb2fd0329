// SPDX-License-Identifier: MIT
// What an NVMe controller is told and tells (NVM Express 1.4).
#pragma once

#include "abi/types.hpp"

namespace pith::nvme {

/// An entry of a submission queue (4.2).
struct Command {
    u8 opcode;
    u8 flags;  ///< 0: PRPs
    u16 id;
    u32 name_space;
    u64 reserved;
    u64 metadata;
    u64 prp1;  ///< where the bytes are: the first page, or the part of it
    u64 prp2;  ///< the second, or a list of all but the first
    u32 words[6];
};
static_assert(sizeof(Command) == 64);

/// An entry of a completion queue (4.6).
struct Completion {
    u32 result;
    u32 reserved;
    u16 submissions_head;
    u16 submissions_queue;
    u16 id;
    u16 status;  ///< bit 0: the phase
};
static_assert(sizeof(Completion) == 16);

enum AdminOpcode : u8 {
    kCreateSubmissions = 0x01,
    kCreateCompletions = 0x05,
    kIdentify = 0x06,
    kSetFeatures = 0x09,
};
enum Opcode : u8 { kFlush = 0x00, kWrite = 0x01, kRead = 0x02 };

inline constexpr u32 kFeatureQueues = 0x07;

// What is identified (5.15).
inline constexpr u32 kIdentifyNamespace = 0;
inline constexpr u32 kIdentifyController = 1;
inline constexpr u32 kIdentifyNamespaces = 2;  ///< the numbers of the active ones
inline constexpr u64 kIdentifySize = 4096;

// Of a queue that is made.
inline constexpr u32 kContiguous = 1 << 0;
inline constexpr u32 kInterrupts = 1 << 1;

// Bytes of the controller's data.
inline constexpr u64 kMaxTransfer = 77;  ///< u8: pages of the smallest size, as a power of two; 0: any number
inline constexpr u64 kWriteCache = 525;  ///< u8, bit 0: there is a volatile one

// Bytes of a namespace's data.
inline constexpr u64 kBlocks = 0;       ///< u64: logical blocks
inline constexpr u64 kFormat = 26;      ///< u8, bits 0 to 3: which format is in use
inline constexpr u64 kAttributes = 99;  ///< u8, bit 0: it may not be written
inline constexpr u64 kFormats = 128;  ///< u32 each: bits 0 to 15 metadata, 16 to 23 log2 of the block's size

}  // namespace pith::nvme
