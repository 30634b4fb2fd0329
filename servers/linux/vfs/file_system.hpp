// SPDX-License-Identifier: MIT
// FileSystem: a mounted (or mountable) file system. Everything else it does is in its inodes. It lives as long as a
// mount or an inode refers to it.
#pragma once

#include <string_view>

#include "servers/linux/vfs/inode.hpp"

namespace pith::lx {

/// What statfs tells.
struct FileSystemUsage {
    u64 magic = 0;
    u64 block_size = abi::kPageSize;
    u64 blocks = 0, blocks_free = 0;
    u64 blocks_available = ~u64{0};  ///< for those who are not the superuser; if it is less than blocks_free
    u64 files = 0, files_free = 0;
};

class Zone;

class FileSystem : public RefCounted {
  public:
    /// `device` is the st_dev of its files.
    FileSystem(Zone& of, u64 device) : zone(of), device_(device) {}
    Zone& zone;
    u64 device() const { return device_; }
    /// Time for timestamps: CLOCK_REALTIME.
    Timespec now() const;
    /// The name of its type in /proc/mounts.
    virtual std::string_view type() const = 0;
    virtual Ref<Inode> root() = 0;
    virtual Async<FileSystemUsage> usage() = 0;
    virtual Async<> synchronise() { return {}; }
    /// False: its names are made up anew for each look-up, so that they are not kept.
    virtual bool cacheable() const { return true; }
    /// True: names are made by system calls only, so that it can be remembered that one is not there.
    virtual bool remembers_absent() const { return false; }
    /// Others change it too: what is known of its names and files is so for a moment (kTrusted) only, and names that are not there are not remembered.
    bool shared = false;
    static constexpr u64 kTrusted = 1'000'000'000;  ///< nanoseconds
    /// True: a name that is not there cannot be made: ENOENT comes before all else (procfs).
    virtual bool fixed_names() const { return false; }
    /// st_blksize.
    virtual u64 block_size() const { return abi::kPageSize; }
    virtual bool read_only() const { return false; }
    u32 mounts = 0;  ///< that there are of it
    /// The last of them is gone, in whatever way.
    virtual void unmounted() {}

  private:
    u64 device_;
};

}  // namespace pith::lx
