// SPDX-License-Identifier: MIT
// Vfs: the file side of a zone: its mounts, its dentries, its devices, and what the process side calls at start,
// exec, fork and exit.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "servers/linux/frames.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/path.hpp"

namespace pith::lx {

class DeviceTable;
class TtyTable;
class Zone;

class Vfs {
  public:
    /// Makes the root file system of the bundle (whose first frame, after FrameAllocator::adopt_memory, is
    /// `first_frame`), mounts /dev, /dev/pts, /proc and /tmp, and opens nothing. Sets zone.vfs.
    static SysResult<> start(Zone& zone, std::span<const u8> bundle, FrameNumber first_frame);
    ~Vfs();

    Zone& zone;
    DentryCache dentries;
    Ref<Mount> root_mount;
    std::vector<Ref<Mount>> mounts;  ///< all of the zone, root first

    Path root() const { return {root_mount, root_mount->root}; }
    /// The FsContext of the first process.
    Ref<FsContext> first_context() const;
    /// Time for timestamps: CLOCK_REALTIME.
    Timespec now() const;

    /// Opens a program for execve(at): EACCES if it is not a regular file, not executable or on a noexec mount;
    /// ETXTBSY if it is open for writing; ELOOP for a link with AT_SYMLINK_NOFOLLOW. The file denies writing as long
    /// as it is open. May give kWalkWaits.
    SysResult<Ref<File>> open_program(Thread& thread, i32 directory, std::string_view path, u32 at_flags);
    /// Opens without a process's limits: for the server itself (console of init).
    SysResult<Ref<File>> open(Thread& thread, i32 directory, std::string_view path, u32 flags, u32 mode = 0);

    /// The mount on `path`, or null.
    Mount* mount_on(const Path& path) const;
    SysResult<Ref<Mount>> attach(Ref<FileSystem> file_system, const Path& at, u32 flags, std::string source);
    u32 next_mount_number = 1;
    u64 next_anonymous_device = 0;
    u64 anonymous_device();  ///< a new st_dev
    u64 next_pipe_number = 1;

    /// A file that has no name in any directory (pipe:[1], anon_inode:[eventpoll]).
    Path anonymous_path(Ref<Inode> inode, std::string_view name);
    FileSystem& anonymous_file_system() { return *anonymous_; }

    std::unique_ptr<DeviceTable> devices;
    std::unique_ptr<TtyTable> ttys;

  private:
    explicit Vfs(Zone& of) : zone(of) {}
    Ref<FileSystem> anonymous_;
    Ref<Mount> anonymous_mount_;
};

}  // namespace pith::lx
