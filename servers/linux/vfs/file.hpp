// SPDX-License-Identifier: MIT
// File: an open file description. Descriptors, mappings and calls in progress hold it; the last of them closes it.
// A kind of file overrides what it can do; the rest fails as Linux does. `flags` are those of open; O_NON_BLOCK,
// O_APPENDING and the like may change (fcntl). Reads and writes take their UserIo by rvalue: an operation that has to
// wait moves it into its coroutine.
#pragma once

#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/dentry.hpp"
#include "servers/linux/wait.hpp"

namespace pith::lx {

class FileTable;
class Process;
class Thread;

/// Takes the queues on which a file's poll state changes.
class Poller {
  public:
    virtual void watch(WaitQueue& queue) = 0;

  protected:
    virtual ~Poller() = default;
};

/// Kinds of files that somebody has to know (there is no RTTI).
enum class FileKind : u8 { other, epoll, event, timer, signal, pipe, socket };

/// lseek's whence.
enum class Whence : u32 { set = 0, current = 1, end = 2, data = 3, hole = 4 };

class File : public RefCounted {
  public:
    File(Path file_path, u32 open_flags);
    ~File() override;

    const Path path;  ///< what was opened; pipes and the like have a nameless dentry
    u32 flags;
    i64 offset = 0;  ///< of files that seek
    i64 end_position =
        -1;         ///< where a write ended that had to wait; -1: where it was to begin, and what it wrote
    i32 owner = 0;  ///< F_SETOWN
    i32 owner_signal = 0;
    bool counted_writer = false;  ///< closing it gives back Inode::open_for_write
    bool denies_write = false;    ///< closing it gives back Inode::deny_write

    Inode& inode() const { return *path.dentry->inode(); }
    bool readable() const { return (flags & O_ACCESS_MODE) != O_WRITE_ONLY && (flags & O_PATH_ONLY) == 0; }
    bool writable() const { return (flags & O_ACCESS_MODE) != O_READ_ONLY && (flags & O_PATH_ONLY) == 0; }
    bool nonblocking() const { return (flags & O_NON_BLOCK) != 0; }
    bool path_only() const { return (flags & O_PATH_ONLY) != 0; }

    virtual FileKind kind() const { return FileKind::other; }
    /// False: it is always ready, and epoll refuses it (regular files and directories).
    virtual bool pollable() const { return true; }
    /// True: reads and writes have a position, and pread works.
    virtual bool seekable() const { return false; }
    /// Reads into `io`. `position` is that of the read for files that seek (the caller moves `offset`).
    virtual Async<usize> read(Thread& thread, UserIo&& io, i64 position);
    /// `position` is the end of the file for O_APPENDING; a write that has to wait looks again, and tells where it ended by `end_position`.
    virtual Async<usize> write(Thread& thread, UserIo&& io, i64 position);
    virtual SysResult<i64> seek(i64 to, Whence whence);
    /// The first byte from `from` on that is data, or in a hole. ENXIO: there is none; EINVAL: it has no such thing.
    virtual Async<i64> find_content(i64 from, bool hole);
    /// Seeking does nothing, and no harm (eventfd and its like).
    static SysResult<i64> no_seek() { return i64{0}; }
    virtual Async<u64> ioctl(Thread& thread, u32 command, u64 argument);
    /// fsync and fdatasync; the file system's by default.
    virtual Async<> synchronise(Thread& thread, bool data_only);
    /// Poll bits that hold now; adds the queues to `poller` if it is not null.
    virtual u32 poll(Poller* poller);
    /// Pages for mmap and execve; ENODEV: it cannot be mapped.
    virtual SysResult<Ref<PageSource>> pages();
    /// True for /dev/zero: a mapping of it is anonymous memory.
    virtual bool maps_anonymous() const { return false; }
    /// The flags that fcntl(F_SETFL) set have changed.
    virtual SysResult<> flags_changed(u32 new_flags);
    /// A descriptor to it was closed in `table` (POSIX locks go with the first close).
    virtual void descriptor_closed(FileTable& table);
    /// close() has taken its last descriptor away: what the call waits for before the file goes (SO_LINGER).
    virtual Async<> last_close(Thread& thread);
    /// What /proc/PID/fd/N and maps show.
    virtual std::string describe(const Path& root) const;
    /// Further lines of /proc/PID/fdinfo/N.
    virtual std::string describe_state() const { return {}; }

    /// Entries in epoll sets: they go when the file is closed.
    void* epoll_items = nullptr;
};

/// A file of a file system that keeps content (regular), on Inode::read and write.
class RegularFile : public File {
  public:
    RegularFile(Path file_path, u32 open_flags) : File(std::move(file_path), open_flags) {}
    bool seekable() const override { return true; }
    bool pollable() const override { return false; }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    SysResult<i64> seek(i64 to, Whence whence) override;
    Async<i64> find_content(i64 from, bool hole) override;
    u32 poll(Poller* poller) override;
    SysResult<Ref<PageSource>> pages() override;

  protected:
    /// Cuts a write at the process's limit. EFBIG: it begins there.
    static SysResult<> check_limit(Thread& thread, UserIo& io, i64 position);
};

/// An open directory.
class DirectoryFile : public File {
  public:
    DirectoryFile(Path file_path, u32 open_flags) : File(std::move(file_path), open_flags) {}
    bool pollable() const override { return false; }
    SysResult<i64> seek(i64 to, Whence whence) override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    /// Entries from `offset` on, "." and ".." first; moves it.
    virtual Async<> read_entries(DirectorySink& sink);

  protected:
    /// "." and "..", if they are next. False: there is no room for more.
    bool add_dots(DirectorySink& sink);
};

}  // namespace pith::lx
