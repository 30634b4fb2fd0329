// SPDX-License-Identifier: MIT
// The store: pages of 4 KiB. The first is the Super, then come the undo log, the table of inodes, and pages that files have: a file's pages hang in a
// tree whose nodes are pages of 1024 numbers. Which pages are free is not in it: those that no file has. A directory is a file of slots.
#pragma once

#include "abi/types.hpp"
#include "protocol/fs.hpp"

namespace pith::memory_fs {

inline constexpr u64 kPage = 4096;
inline constexpr u64 kLogPage = 1, kLogPages = 16, kLogEntries = kLogPages * kPage / 16;
inline constexpr u64 kTablePage = kLogPage + kLogPages;
inline constexpr u64 kMinPages = 32, kMaxPages = u64{1} << 20;
inline constexpr u32 kFanBits = 10, kFan = 1 << kFanBits, kMaxHeight = 3;
inline constexpr u64 kMaxSize = kPage << (kFanBits * kMaxHeight);
inline constexpr u32 kRoot = 1, kMaxLinks = 65000;

/// The last change of the session that was done, and what it was answered.
struct Record {
    u64 session;
    u64 change;
    u32 error;
    u32 reserved;
    u64 value;
    Fs::FileId file;  ///< that it made, or that lost its last name
};
static_assert(sizeof(Record) == 48);

/// Pages and inodes, in numbers: all follows from the size.
struct Geometry {
    u64 pages;
    u64 inodes;  ///< the first is none
    u64 first;   ///< page of the files'
    bool operator==(const Geometry&) const = default;
};

struct Super {
    u64 magic[2];
    Geometry geometry;
    u64 logged;     ///< entries of the undo log
    u64 committed;  ///< the last change of whose completion it is known that it is in the ring
    Record record;
    u64 record_check;
    u64 generation;  ///< the last that a file got
};

struct Inode {
    u64 generation;
    u32 mode;  ///< 0: it is free
    u32 links;
    u32 user, group;
    u64 device;  ///< of a directory: the number of the one that it is in
    u64 size;    ///< of a directory: whole pages
    u32 root;    ///< a page of the file, or, with a height, of numbers; 0: nothing
    u32 height;
    u32 pages;  ///< that hang in the tree, its own too
    u32 reserved;
    Fs::Time accessed, modified, changed, created;
    u64 check;  ///< of the rest
};
static_assert(sizeof(Inode) == 128);

/// The beginning of a name in a directory; the name takes this slot and those that follow it, all in one page.
struct Slot {
    u32 inode;  ///< 0: the slot is free
    u8 length;
    u8 slots;
    u16 tag;  ///< of the name, so that few have to be compared
};
inline constexpr u64 kSlot = 32, kSlots = kPage / kSlot,
                     kNameSlots = (sizeof(Slot) + Fs::kMaxName + kSlot - 1) / kSlot;
static_assert(sizeof(Slot) == 8);

/// Of words.
constexpr u64 hash(const u64* words, u64 count, u64 seed) {
    u64 sum = seed;
    for (u64 i = 0; i < count; i++) {
        sum = (sum ^ words[i]) * 0xff51'afd7'ed55'8ccd;
        sum ^= sum >> 32;
    }
    return sum;
}

}  // namespace pith::memory_fs
