// SPDX-License-Identifier: MIT
// From path names to Paths: symbolic links, "..", mount points, the root of the process, permission to search, and
// the rules of openat2. A walk never waits: where a file system has to be asked that answers later, the walk ends
// with kWalkWaits and what it waits for is parked with the thread; with_lookup() (syscall/handler.hpp) waits and
// begins the call anew. So a call changes nothing before its walks are done.
#pragma once

#include <string>
#include <string_view>

#include "servers/linux/vfs/dentry.hpp"

namespace pith::lx {

class Thread;
struct Credentials;

/// Internal: a file system has to answer first.
inline constexpr Errno kWalkWaits = static_cast<Errno>(600);

/// How to walk.
enum WalkFlag : u32 {
    kFollow = 1,        ///< a symbolic link as the last component is followed
    kEmptyPath = 2,     ///< "" is the start itself (AT_EMPTY_PATH)
    kNoMagicLinks = 4,  ///< RESOLVE_NO_MAGICLINKS
    kNoSymlinks = 8,    ///< RESOLVE_NO_SYMLINKS
    kBeneath = 16,      ///< RESOLVE_BENEATH
    kInRoot = 32,       ///< RESOLVE_IN_ROOT
    kNoCrossing = 64,   ///< RESOLVE_NO_XDEV
};

/// The directory of a path's last component, and that component.
struct LastComponent {
    Path directory;
    std::string name;  ///< "" for "/" and the like: see `kind`
    enum class Kind : u8 { normal, root, dot, dot_dot } kind = Kind::normal;
    bool trailing_slash = false;
};

/// The thing that `path` names, from the descriptor `directory` (kAtCwd). ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG,
/// EBADF.
SysResult<Path> walk(Thread& thread, i32 directory, std::string_view path, u32 flags = kFollow);
/// Everything but the last component, which may not exist: for what creates and removes names.
SysResult<LastComponent> walk_to_last(Thread& thread, i32 directory, std::string_view path, u32 flags = 0);
/// One name in a directory, mount points crossed, no link followed. ENOENT. Does not check permissions.
SysResult<Path> look_up(Thread& thread, const Path& directory, std::string_view name);
/// What is to be created there may be created at once: nothing is known to be there, and the file system says EEXIST if something is.
bool may_try_to_create(Thread& thread, const LastComponent& last);
/// For open: the last component behind all links, and what is there (none: it may be created).
struct OpenTarget {
    LastComponent last;
    Path found;
};
SysResult<OpenTarget> walk_to_open(Thread& thread, i32 directory, std::string_view path, u32 flags);

/// The name of a path as seen from `root` ("/a/b", "(unreachable)/..." never: that begins with '/' too), with
/// " (deleted)" if it is.
std::string path_name(const Path& path, const Path& root);
/// False if `path` is not below `root`.
bool reachable(const Path& path, const Path& root);

// Permissions
inline constexpr u32 kMayExecute = 1, kMayWrite = 2, kMayRead = 4;
/// EACCES, or EROFS for writing. By fsuid, fsgid and groups; the superuser may all but execute what nobody may.
SysResult<> check_access(const Credentials& credentials, const Path& path, u32 wanted);
/// The same for an inode alone.
SysResult<> check_inode_access(const Credentials& credentials, const Inode& inode, u32 wanted);
/// EPERM unless it is the file's owner or the superuser.
SysResult<> check_owner(const Credentials& credentials, const Inode& inode);
/// May `victim` be removed from `directory`? Write and search permission there, and the sticky rule.
SysResult<> check_remove(const Credentials& credentials, const Path& directory, const Inode& victim);

}  // namespace pith::lx
