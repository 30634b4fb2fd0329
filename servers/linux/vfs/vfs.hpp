// SPDX-License-Identifier: MIT
// Vfs: the file side of a zone: its mounts, its dentries, its devices, and what the process side calls at start,
// exec, fork and exit.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "servers/linux/frames.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/path.hpp"

namespace pith::lx {

class ConsoleLink;
class Disks;
class DiskMounts;
class LoadAverage;
class PtyTable;
class Zone;

class Vfs {
  public:
    /// Makes the root file system of the bundle (whose first frame, after FrameAllocator::adopt_memory, is
    /// `first_frame`), mounts /dev, /dev/pts and /proc, connects the console and finds the disks. Sets zone.vfs.
    static SysResult<> start(Zone& zone, std::span<const u8> bundle, FrameNumber first_frame);
    ~Vfs();

    Zone& zone;
    DentryCache dentries;
    Ref<Mount> root_mount;
    Ref<Mount> device_mount;         ///< /dev
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
    /// Opens without a process's limits, before the first program runs: for the server itself (console of init).
    SysResult<Ref<File>> open(Thread& thread, i32 directory, std::string_view path, u32 flags, u32 mode = 0);

    /// A look-up whose file system answers later: keeps it with the thread, and gives kWalkWaits. When the call is begun anew, what
    /// was found is among the dentries, and what was not is told by parked_error().
    Errno park_lookup(Thread& thread, const Path& directory, std::string_view name,
                      Task<SysResult<Ref<Inode>>> task);
    Errno parked_error(Thread& thread, const Path& directory, std::string_view name) const;
    /// This call has looked it up.
    bool just_found(Thread& thread, const Dentry& dentry) const;
    /// Waits for what was parked; see with_lookup().
    Task<SysResult<>> finish_lookup(Thread& thread);
    /// The call is over.
    void drop_lookup(Thread& thread);

    /// The mount on `path`, or null.
    Mount* mount_on(const Path& path) const;
    SysResult<Ref<Mount>> attach(Ref<FileSystem> file_system, const Path& at, u32 flags, std::string source);
    u32 next_mount_number = 1;
    u64 anonymous_device() { return make_device(0, ++last_anonymous_device_); }  ///< a new st_dev
    u64 next_pipe_number = 1;

    /// A file that has no name in any directory (pipe:[1], anon_inode:[eventpoll]).
    Path anonymous_path(Ref<Inode> inode, std::string_view name);
    /// For files that are nothing but their description: "anon_inode:" and `name`.
    Path anonymous_inode(std::string_view name);
    FileSystem& anonymous_file_system() { return *anonymous_; }

    /// Opens descriptors 0, 1 and 2 of the first process: the terminal or the streams, as the console says.
    SysResult<> open_standard(Thread& thread);
    std::unique_ptr<ConsoleLink> console;  ///< null: there is no console server
    std::unique_ptr<PtyTable> ptys;
    std::unique_ptr<Disks> disks;              ///< null: this system has none
    std::unique_ptr<DiskMounts> file_servers;  ///< null: this system has none
    std::unique_ptr<LoadAverage> load;
    std::string boot_id;  ///< made when first asked for

  private:
    u32 last_anonymous_device_ = 0;
    explicit Vfs(Zone& of);
    SysResult<> mount_standard();
    void lookup_failed(const Dentry& directory, std::string_view name);
    /// The look-ups of one call.
    struct Parked {
        struct Answer {
            Ref<Dentry> directory;
            std::string name;
            Errno error = Errno::ok;
            Ref<Dentry> found;  ///< held, so that it is there when the call is begun anew
        };
        std::vector<Answer> answers;  ///< the last one is that of `task`, if there is one
        Task<SysResult<Ref<Inode>>> task;
    };
    Ref<FileSystem> anonymous_;
    Ref<Mount> anonymous_mount_;
    Ref<Inode> plain_inode_;
    std::map<Thread*, Parked> parked_;
};

}  // namespace pith::lx
