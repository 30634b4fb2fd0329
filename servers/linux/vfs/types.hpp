// SPDX-License-Identifier: MIT
// Linux's constants and structures of files on x86-64, as programs see them.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

/// Bits of st_mode.
inline constexpr u32 S_TYPE = 0170000;
inline constexpr u32 S_FIFO = 0010000, S_CHARACTER = 0020000, S_DIRECTORY = 0040000, S_BLOCK = 0060000;
inline constexpr u32 S_REGULAR = 0100000, S_SYMLINK = 0120000, S_SOCKET = 0140000;
inline constexpr u32 S_SETUID = 04000, S_SETGID = 02000, S_STICKY = 01000;

/// Flags of open.
inline constexpr u32 O_READ_ONLY = 0, O_WRITE_ONLY = 1, O_READ_WRITE = 2, O_ACCESS_MODE = 3;
inline constexpr u32 O_CREATE = 0100, O_EXCLUSIVE = 0200, O_NO_CTTY = 0400, O_TRUNCATE = 01000;
inline constexpr u32 O_APPENDING = 02000, O_NON_BLOCK = 04000, O_DATA_SYNC = 010000, O_ASYNC_IO = 020000;
inline constexpr u32 O_DIRECT_IO = 040000, O_LARGE_FILE = 0100000, O_DIRECTORY_ONLY = 0200000;
inline constexpr u32 O_NO_FOLLOW = 0400000, O_NO_ACCESS_TIME = 01000000, O_CLOSE_EXEC = 02000000;
inline constexpr u32 O_SYNCHRONOUS = 04010000, O_PATH_ONLY = 010000000, O_TEMPORARY = 020200000;

/// Flags of the ...at calls.
inline constexpr i32 kAtCwd = -100;
inline constexpr u32 kAtSymlinkNoFollow = 0x100, kAtRemoveDir = 0x200, kAtEaccess = 0x200,
                     kAtSymlinkFollow = 0x400;
inline constexpr u32 kAtNoAutomount = 0x800, kAtEmptyPath = 0x1000, kAtStatxSyncType = 0x6000;

/// Limits.
inline constexpr usize kPathMax = 4096;  ///< with the NUL
inline constexpr usize kNameMax = 255;
inline constexpr u32 kMaxSymlinks = 40;
inline constexpr usize kMaxReadWrite = 0x7ffff000;  ///< bytes of one read or write
inline constexpr usize kMaxIoVectors = 1024;
inline constexpr i64 kMaxFileSize = 0x7fff'ffff'ffff'ffff;

/// Seals of memfd.
inline constexpr u32 kSealSeal = 1, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8, kSealFutureWrite = 16;

/// Bits of poll.
inline constexpr u32 kPollIn = 0x001, kPollPriority = 0x002, kPollOut = 0x004, kPollError = 0x008,
                     kPollHangUp = 0x010;
inline constexpr u32 kPollInvalid = 0x020, kPollReadNormal = 0x040, kPollReadBand = 0x080,
                     kPollWriteNormal = 0x100;
inline constexpr u32 kPollWriteBand = 0x200, kPollMessage = 0x400, kPollReadHangUp = 0x2000;

/// Device numbers.
constexpr u64 make_device(u32 major, u32 minor) {
    return (u64{major} & 0xfffff000) << 32 | (u64{major} & 0xfff) << 8 | (u64{minor} & 0xffffff00) << 12 |
           (minor & 0xff);
}
constexpr u32 device_major(u64 device) {
    return static_cast<u32>((device >> 32 & 0xfffff000) | (device >> 8 & 0xfff));
}
constexpr u32 device_minor(u64 device) {
    return static_cast<u32>((device >> 12 & 0xffffff00) | (device & 0xff));
}

struct Timespec {
    i64 seconds;
    i64 nanoseconds;
    friend bool operator==(const Timespec&, const Timespec&) = default;
};
struct Timeval {
    i64 seconds;
    i64 microseconds;
};
inline constexpr i64 kUtimeNow = 0x3fffffff, kUtimeOmit = 0x3ffffffe;

/// struct stat.
struct LinuxStat {
    u64 dev, ino, nlink;
    u32 mode, uid, gid, pad0;
    u64 rdev;
    i64 size, block_size, blocks;
    Timespec access_time, modify_time, change_time;
    i64 reserved[3];
};
static_assert(sizeof(LinuxStat) == 144);

struct StatxTime {
    i64 seconds;
    u32 nanoseconds;
    i32 reserved;
};
/// struct statx.
struct LinuxStatx {
    u32 mask, block_size;
    u64 attributes;
    u32 nlink, uid, gid;
    u16 mode, spare0;
    u64 ino, size, blocks, attributes_mask;
    StatxTime access_time, birth_time, change_time, modify_time;
    u32 rdev_major, rdev_minor, dev_major, dev_minor;
    u64 mount_id;
    u64 spare2[13];
};
static_assert(sizeof(LinuxStatx) == 256);

/// struct statfs.
struct LinuxStatfs {
    i64 type, block_size;
    u64 blocks, blocks_free, blocks_available, files, files_free;
    i32 id[2];
    i64 name_length, fragment_size, flags, spare[4];
};
static_assert(sizeof(LinuxStatfs) == 120);

/// struct flock.
struct LinuxFlock {
    i16 type, whence;
    i32 pad0;
    i64 start, length;
    i32 pid, pad1;
};
static_assert(sizeof(LinuxFlock) == 32);

}  // namespace pith::lx
