// SPDX-License-Identifier: MIT
// DiskMounts: the file systems that are mounted of the file server behind the route `fs`, one in each of its slots, the folder that is shared
// with the host, behind the route `share`, and the files in memory, behind the route `memory_fs`.
#pragma once

#include <vector>

#include "protocol/fs.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/disk_fs.hpp"

namespace pith::lx {

class DiskMounts {
  public:
    explicit DiskMounts(Zone& of);
    DiskMounts(const DiskMounts&) = delete;
    DiskMounts& operator=(const DiskMounts&) = delete;

    u64 bit() const { return bit_; }
    /// The file system on a device: mounted now, or the one that is mounted already. EBUSY: it is mounted the other way, or all slots
    /// are taken; errors of DiskFs::attach.
    Task<SysResult<Ref<DiskFs>>> mount(Ref<BlockDevice> device, bool read_only);
    static constexpr const char* kShare = "share";  ///< what mounts of the folder have as their source
    /// The folder that is shared with the host, or the files in memory, likewise. ENOENT: there is none.
    Task<SysResult<Ref<DiskFs>>> mount_only(DiskFs::Kind kind, bool read_only);
    Task<SysResult<Ref<DiskFs>>> mount_share(bool read_only) {
        return mount_only(DiskFs::Kind::share, read_only);
    }
    void remove(DiskFs& fs);
    /// Null: it is none of these.
    DiskFs* find(const FileSystem& file_system) const;
    /// Sends what is dirty to the file server. False: nothing is.
    bool start_writing();
    /// Unmounts everything cleanly, in use or not.
    Task<SysResult<>> shut_down();

  private:
    Task<SysResult<Ref<DiskFs>>> add(Ref<DiskFs> fs, bool read_only);
    Zone& zone_;
    u64 bit_ = 0;
    std::vector<Ref<DiskFs>> mounted_;
};

}  // namespace pith::lx
