// SPDX-License-Identifier: MIT
// Permission checks.
#include "servers/linux/process.hpp"
#include "servers/linux/vfs/path.hpp"

namespace pith::lx {

SysResult<> check_inode_access(const Credentials& credentials, const Inode& inode, u32 wanted) {
    if (credentials.root()) {
        // The superuser executes a file only if somebody may; directories are always searched.
        if ((wanted & kMayExecute) == 0 || inode.directory() || (inode.mode & 0111) != 0) return {};
        return Errno::EACCES;
    }
    u32 bits = inode.mode;
    if (credentials.fsuid == inode.uid) {
        bits >>= 6;
    } else if (credentials.fsgid == inode.gid || credentials.in_group(inode.gid)) {
        bits >>= 3;
    }
    return (wanted & ~bits & 7) == 0 ? SysResult<>() : Errno::EACCES;
}

SysResult<> check_access(const Credentials& credentials, const Path& path, u32 wanted) {
    const Inode& inode = path.inode();
    if ((wanted & kMayWrite) != 0 && (inode.regular() || inode.directory() || inode.symlink())) {
        if ((path.mount->flags & kMountReadOnly) != 0 || inode.file_system().read_only()) return Errno::EROFS;
    }
    if ((wanted & kMayExecute) != 0 && inode.regular() && (path.mount->flags & kMountNoExecute) != 0) {
        return Errno::EACCES;
    }
    return check_inode_access(credentials, inode, wanted);
}

SysResult<> check_owner(const Credentials& credentials, const Inode& inode) {
    return credentials.root() || credentials.fsuid == inode.uid ? SysResult<>() : Errno::EPERM;
}

SysResult<> check_remove(const Credentials& credentials, const Path& directory, const Inode& victim) {
    PITH_CHECK(check_access(credentials, directory, kMayWrite | kMayExecute));
    const Inode& parent = directory.inode();
    if ((parent.mode & S_STICKY) != 0 && !credentials.root() && credentials.fsuid != victim.uid &&
        credentials.fsuid != parent.uid) {
        return Errno::EPERM;
    }
    return {};
}

}  // namespace pith::lx
