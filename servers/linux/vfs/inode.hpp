// SPDX-License-Identifier: MIT
// Inode: a file, directory, link or device of a mounted file system, with its attributes. The path walk, the
// system calls and permission checks work on the attributes that are cached here; the operations below are what a
// file system implements. Callers have checked permissions, name lengths and types (what each operation says);
// the file system checks what only it knows (existence, space). Nothing here touches a program's memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "servers/linux/page_source.hpp"
#include "servers/linux/ref.hpp"
#include "servers/linux/vfs/async.hpp"
#include "servers/linux/vfs/types.hpp"

namespace pith::lx {

class Dentry;
class File;
class FileSystem;
class LockList;
class Pipe;
class DirectorySink;
class Thread;
class UserIo;
struct Path;

/// Who creates a file: its owner and the permission bits after umask.
struct NewFile {
    u32 mode = 0;  ///< type and permission bits
    u32 uid = 0;
    u32 gid = 0;
    u64 device = 0;  ///< of a device node
};

/// Which attributes set_attributes changes.
struct AttributeChange {
    bool set_mode = false, set_uid = false, set_gid = false, set_access_time = false, set_modify_time = false;
    u32 mode = 0;  ///< permission bits only
    u32 uid = 0;
    u32 gid = 0;
    Timespec access_time{};
    Timespec modify_time{};
};

/// Takes directory entries from Inode::read_directory.
class DirectorySink {
  public:
    /// `next` is the position after this entry. False: there is no room, the entry was not taken.
    virtual bool add(std::string_view name, u64 number, u32 mode_type, u64 next) = 0;

  protected:
    virtual ~DirectorySink() = default;
};

class Inode : public RefCounted {
  public:
    Inode(FileSystem& file_system, u64 number, u32 mode);
    ~Inode() override;

    FileSystem& file_system() const { return file_system_; }
    u64 number() const { return number_; }
    u32 type() const { return mode & S_TYPE; }
    bool directory() const { return type() == S_DIRECTORY; }
    bool regular() const { return type() == S_REGULAR; }
    bool symlink() const { return type() == S_SYMLINK; }
    bool device() const { return type() == S_CHARACTER || type() == S_BLOCK; }
    i64 size() const { return size_; }

    // Attributes, kept up to date by the file system.
    u32 mode;
    u32 uid = 0;
    u32 gid = 0;
    u32 links = 1;
    u64 device_number = 0;
    Timespec access_time{}, modify_time{}, change_time{}, birth_time{};

    /// False: a dentry of it is stale and is to be looked up again (a process that is gone).
    virtual bool valid() const { return true; }
    /// Brings cached attributes up to date, where they are kept elsewhere or computed.
    virtual Async<> refresh() { return {}; }
    /// The same for one of a shared file system that is being opened, however new they are. ESTALE: its name is another file's by now.
    virtual Async<> refresh_to_open() { return {}; }
    /// 512-byte blocks in use.
    virtual u64 blocks() const { return 0; }
    virtual Async<> set_attributes(const AttributeChange& change);

    // Of directories. Names are valid (1..255 bytes, no '/', not "." or "..").
    /// ENOENT: no such entry.
    virtual Async<Ref<Inode>> lookup(std::string_view name);
    /// A file, directory, device, FIFO or socket. The name does not exist.
    virtual Async<Ref<Inode>> create(std::string_view name, const NewFile& file);
    virtual Async<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                             const NewFile& file);
    /// A regular file without a name, on the same file system (O_TMPFILE).
    virtual Async<Ref<Inode>> create_unnamed(const NewFile& file);
    virtual Async<> link(std::string_view name, Inode& inode);
    /// `inode` is what `name` is: removes a non-directory, or an empty directory (ENOTEMPTY).
    virtual Async<> unlink(std::string_view name, Inode& inode);
    virtual Async<> remove_directory(std::string_view name, Inode& inode);
    /// Moves `inode` to `to`, in place of `replaced` (may be null; types agree, a directory must be empty:
    /// ENOTEMPTY); or with `exchange` swaps the two.
    virtual Async<> rename(std::string_view name, Inode& inode, Inode& to, std::string_view new_name,
                           Inode* replaced, bool exchange);
    /// Entries from position `position` on, without "." and ".."; positions below 2 are those. Advances it.
    virtual Async<> read_directory(u64& position, DirectorySink& sink);

    /// The target of a symbolic link, as `thread` sees it.
    virtual Async<std::string> read_link(Thread& thread);
    /// True for links that lead to an object and not to a path (/proc/PID/fd/N, exe, cwd, root).
    virtual bool magic_link() const { return false; }
    /// Where such a link leads.
    virtual SysResult<Path> follow(Thread& thread);

    /// A new open file description, for what is not opened by its device number. `flags` are those of open.
    virtual Async<Ref<File>> open(Thread& thread, const Path& path, u32 flags);

    // Of regular files.
    /// Reads at `offset` until the buffer is full or the file ends; bytes read.
    virtual Async<usize> read(i64 offset, UserIo& io);
    /// Writes at `offset`, growing the file; bytes written (less than asked when space or memory ends).
    virtual Async<usize> write(i64 offset, UserIo& io);
    virtual Async<> truncate(i64 size);
    /// fallocate: `mode` as Linux's.
    virtual Async<> allocate(u32 mode, i64 offset, i64 length);
    /// SEEK_DATA (`hole` false) and SEEK_HOLE: ENXIO behind the end.
    virtual Async<i64> seek_data(i64 offset, bool hole);
    virtual Async<> synchronise(bool data_only) {
        (void)data_only;
        return {};
    }
    /// Pages for mmap and execve; null: it cannot be mapped (ENODEV).
    virtual Ref<PageSource> pages() { return nullptr; }

    /// Access-time update after a read, and both others after a write.
    void touch_access();
    void touch_modify();
    void touch_change();

    /// Open descriptions that may write; negative: running programs that forbid it (ETXTBSY).
    SysResult<> open_for_write();
    void close_for_write();
    SysResult<> deny_write();
    void allow_write();

    /// FIFO state, made at the first open.
    Ref<Pipe> fifo;
    /// POSIX and flock locks; made when first needed.
    std::unique_ptr<LockList> locks;
    /// It never had a name, and may get one.
    bool linkable = false;
    /// memfd seals.
    u32 seals = 0;

  protected:
    i64 size_ = 0;

  private:
    FileSystem& file_system_;
    u64 number_;
    i32 writers_ = 0;
};

}  // namespace pith::lx
