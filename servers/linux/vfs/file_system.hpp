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
    u64 files = 0, files_free = 0;
};

class FileSystem : public RefCounted {
  public:
    /// `device` is the st_dev of its files.
    explicit FileSystem(u64 device) : device_(device) {}
    u64 device() const { return device_; }
    /// The name of its type in /proc/mounts.
    virtual std::string_view type() const = 0;
    virtual Ref<Inode> root() = 0;
    virtual Async<FileSystemUsage> usage() = 0;
    virtual Async<> synchronise() { return {}; }
    /// False: its names may change behind our back or are made up anew, so that lookups are not cached.
    virtual bool cacheable() const { return true; }
    virtual bool read_only() const { return false; }

  private:
    u64 device_;
};

}  // namespace pith::lx
