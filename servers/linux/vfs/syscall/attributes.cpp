// SPDX-License-Identifier: MIT
// Attributes: chmod, chown, utimes, truncate, fallocate, extended attributes (there are none).
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

constexpr u64 kHere = static_cast<u64>(kAtCwd);

SysResult<Path> named(Thread& thread, u64 directory, u64 path_address, u32 at_flags) {
    const std::string path = PITH_TRY(get_path(thread, path_address));
    const u32 flags = ((at_flags & kAtSymlinkNoFollow) != 0 ? 0 : kFollow) |
                      ((at_flags & kAtEmptyPath) != 0 ? kEmptyPath : 0);
    return walk(thread, as_int(directory), path, flags);
}

SysResult<> check_writable_mount(const Path& path) {
    return (path.mount->flags & kMountReadOnly) != 0 || path.inode().file_system().read_only()
               ? SysResult<>(Errno::EROFS)
               : SysResult<>();
}

Async<u64> change_mode(Thread& thread, const Path& path, u32 mode) {
    PITH_CHECK(check_writable_mount(path));
    Inode& inode = path.inode();
    const Credentials& credentials = thread.process.credentials;
    PITH_CHECK(check_owner(credentials, inode));
    if (inode.symlink()) return Errno::EOPNOTSUPP;
    AttributeChange change;
    change.set_mode = true;
    change.mode = mode & 07777;
    if (!credentials.root() && credentials.fsgid != inode.gid && !credentials.in_group(inode.gid))
        change.mode &= ~S_SETGID;
    return zero_when_done(inode.set_attributes(change));
}

Async<u64> change_owner(Thread& thread, const Path& path, u32 uid, u32 gid) {
    PITH_CHECK(check_writable_mount(path));
    Inode& inode = path.inode();
    const Credentials& credentials = thread.process.credentials;
    AttributeChange change;
    change.set_uid = uid != ~0u;
    change.set_gid = gid != ~0u;
    change.uid = uid;
    change.gid = gid;
    if (!credentials.root()) {
        const bool owner = credentials.fsuid == inode.uid;
        if (change.set_uid && !(owner && uid == inode.uid)) return Errno::EPERM;
        const bool member = gid == inode.gid || gid == credentials.fsgid || credentials.in_group(gid);
        if (change.set_gid && !(owner && member)) return Errno::EPERM;
        if (!change.set_uid && !change.set_gid && !owner) return u64{0};
    }
    if (!inode.directory() && (inode.mode & (S_SETUID | S_SETGID)) != 0) {
        change.set_mode = true;
        change.mode = inode.mode & 07777 & ~S_SETUID;
        if ((inode.mode & 010) != 0) change.mode &= ~S_SETGID;
    }
    return zero_when_done(inode.set_attributes(change));
}

/// `times` may be null: now.
Async<u64> change_times(Thread& thread, const Path& path, const Timespec* times) {
    Inode& inode = path.inode();
    const Credentials& credentials = thread.process.credentials;
    AttributeChange change;
    change.set_access_time = change.set_modify_time = true;
    const Timespec now = thread.zone().vfs->now();
    change.access_time = change.modify_time = now;
    bool all_now = true;
    if (times != nullptr) {
        for (u32 i = 0; i < 2; ++i) {
            const i64 nanoseconds = times[i].nanoseconds;
            if (nanoseconds == kUtimeNow || nanoseconds == kUtimeOmit) continue;
            if (nanoseconds < 0 || nanoseconds >= 1'000'000'000) return Errno::EINVAL;
        }
        if (times[0].nanoseconds == kUtimeOmit && times[1].nanoseconds == kUtimeOmit) return u64{0};
        all_now = times[0].nanoseconds == kUtimeNow && times[1].nanoseconds == kUtimeNow;
        change.set_access_time = times[0].nanoseconds != kUtimeOmit;
        change.set_modify_time = times[1].nanoseconds != kUtimeOmit;
        if (times[0].nanoseconds != kUtimeNow) change.access_time = times[0];
        if (times[1].nanoseconds != kUtimeNow) change.modify_time = times[1];
    }
    PITH_CHECK(check_writable_mount(path));
    if (!check_owner(credentials, inode).ok()) {
        if (!all_now) return Errno::EPERM;
        PITH_CHECK(check_inode_access(credentials, inode, kMayWrite));
    }
    return zero_when_done(inode.set_attributes(change));
}

/// utimensat: with a null path the descriptor itself.
Async<u64> call_utimensat(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a3);
    if ((flags & ~(kAtSymlinkNoFollow | kAtEmptyPath)) != 0) return Errno::EINVAL;
    Timespec times[2];
    if (args.a2 != 0) PITH_CHECK(copy_in(thread, times, args.a2, sizeof times));
    const Timespec* given = args.a2 != 0 ? times : nullptr;
    if (given != nullptr && times[0].nanoseconds == kUtimeOmit && times[1].nanoseconds == kUtimeOmit)
        return u64{0};
    if (args.a1 == 0 && as_int(args.a0) != kAtCwd) {
        if (flags != 0) return Errno::EINVAL;
        return change_times(thread, PITH_TRY(open_file(thread, args.a0))->path, given);
    }
    return change_times(thread, PITH_TRY(named(thread, args.a0, args.a1, flags)), given);
}

Async<u64> times_of_timevals(Thread& thread, u64 directory, u64 path, u64 times_address) {
    Timespec times[2];
    if (times_address != 0) {
        Timeval values[2];
        PITH_CHECK(copy_in(thread, values, times_address, sizeof values));
        for (u32 i = 0; i < 2; ++i) {
            if (values[i].microseconds < 0 || values[i].microseconds >= 1'000'000) return Errno::EINVAL;
            times[i] = {values[i].seconds, values[i].microseconds * 1000};
        }
    }
    if (path == 0 && as_int(directory) != kAtCwd) {
        return change_times(thread, PITH_TRY(open_file(thread, directory))->path,
                            times_address != 0 ? times : nullptr);
    }
    return change_times(thread, PITH_TRY(named(thread, directory, path, 0)),
                        times_address != 0 ? times : nullptr);
}

Async<u64> call_utimes(Thread& thread, const SyscallArgs& args) {
    return times_of_timevals(thread, kHere, args.a0, args.a1);
}
Async<u64> call_futimesat(Thread& thread, const SyscallArgs& args) {
    return times_of_timevals(thread, args.a0, args.a1, args.a2);
}

Async<u64> call_utime(Thread& thread, const SyscallArgs& args) {
    Timespec times[2];
    if (args.a1 != 0) {
        i64 seconds[2];
        PITH_CHECK(copy_in(thread, seconds, args.a1, sizeof seconds));
        times[0] = {seconds[0], 0};
        times[1] = {seconds[1], 0};
    }
    return change_times(thread, PITH_TRY(named(thread, kHere, args.a0, 0)), args.a1 != 0 ? times : nullptr);
}

Async<u64> call_chmod(Thread& thread, const SyscallArgs& args) {
    return change_mode(thread, PITH_TRY(named(thread, kHere, args.a0, 0)), as_unsigned(args.a1));
}
Async<u64> call_fchmodat(Thread& thread, const SyscallArgs& args) {
    return change_mode(thread, PITH_TRY(named(thread, args.a0, args.a1, 0)), as_unsigned(args.a2));
}
Async<u64> call_fchmodat2(Thread& thread, const SyscallArgs& args) {
    if ((args.a3 & ~u64{kAtSymlinkNoFollow | kAtEmptyPath}) != 0) return Errno::EINVAL;
    return change_mode(thread, PITH_TRY(named(thread, args.a0, args.a1, as_unsigned(args.a3))),
                       as_unsigned(args.a2));
}
Async<u64> call_chown(Thread& thread, const SyscallArgs& args) {
    return change_owner(thread, PITH_TRY(named(thread, kHere, args.a0, 0)), as_unsigned(args.a1),
                        as_unsigned(args.a2));
}
Async<u64> call_lchown(Thread& thread, const SyscallArgs& args) {
    const Path path = PITH_TRY(named(thread, kHere, args.a0, kAtSymlinkNoFollow));
    return change_owner(thread, path, as_unsigned(args.a1), as_unsigned(args.a2));
}
Async<u64> call_fchownat(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a4);
    if ((flags & ~(kAtSymlinkNoFollow | kAtEmptyPath)) != 0) return Errno::EINVAL;
    const Path path = PITH_TRY(named(thread, args.a0, args.a1, flags));
    return change_owner(thread, path, as_unsigned(args.a2), as_unsigned(args.a3));
}

SysResult<> check_size(Thread& thread, i64 old_size, i64 size) {
    const u64 limit = thread.process.limit(Resource::fsize).soft;
    if (size <= old_size || static_cast<u64>(size) <= limit) return {};
    thread.send(SigInfo::kernel(kSigXfsz));
    return Errno::EFBIG;
}

Async<u64> call_truncate(Thread& thread, const SyscallArgs& args) {
    const i64 size = static_cast<i64>(args.a1);
    if (size < 0) return Errno::EINVAL;
    const Path path = PITH_TRY(named(thread, kHere, args.a0, 0));
    Inode& inode = path.inode();
    if (inode.directory()) return Errno::EISDIR;
    if (!inode.regular()) return Errno::EINVAL;
    PITH_CHECK(check_access(thread.process.credentials, path, kMayWrite));
    PITH_CHECK(check_size(thread, inode.size(), size));
    PITH_CHECK(inode.open_for_write());
    inode.close_for_write();
    return zero_when_done(inode.truncate(size));
}

/// There are no extended attributes: reading finds none, setting is not supported.
Async<u64> no_attributes(Thread& thread, u64 path_address, u64 name_address, u32 at_flags, Errno error) {
    static_cast<void>(PITH_TRY(named(thread, kHere, path_address, at_flags)));
    if (name_address != 0) {
        const std::string name = PITH_TRY(get_string(thread, name_address, 256, Errno::ERANGE));
        if (name.empty()) return Errno::ERANGE;
        if (name.find('.') == name.npos) return Errno::EOPNOTSUPP;
    }
    return error;
}

Async<u64> call_getxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, 0, Errno::ENODATA);
}
Async<u64> call_lgetxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, kAtSymlinkNoFollow, Errno::ENODATA);
}
Async<u64> call_setxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, 0, Errno::EOPNOTSUPP);
}
Async<u64> call_lsetxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, kAtSymlinkNoFollow, Errno::EOPNOTSUPP);
}
Async<u64> call_removexattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, 0, Errno::ENODATA);
}
Async<u64> call_lremovexattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, a.a1, kAtSymlinkNoFollow, Errno::ENODATA);
}
Async<u64> call_listxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, 0, 0, Errno::ok);
}
Async<u64> call_llistxattr(Thread& thread, const SyscallArgs& a) {
    return no_attributes(thread, a.a0, 0, kAtSymlinkNoFollow, Errno::ok);
}

}  // namespace

PITH_PATH_SYSCALL(utimensat)
PITH_PATH_SYSCALL(utimes)
PITH_PATH_SYSCALL(futimesat)
PITH_PATH_SYSCALL(utime)
PITH_PATH_SYSCALL(chmod)
PITH_PATH_SYSCALL(fchmodat)
PITH_PATH_SYSCALL(fchmodat2)
PITH_PATH_SYSCALL(chown)
PITH_PATH_SYSCALL(lchown)
PITH_PATH_SYSCALL(fchownat)
PITH_PATH_SYSCALL(truncate)
PITH_PATH_SYSCALL(getxattr)
PITH_PATH_SYSCALL(lgetxattr)
PITH_PATH_SYSCALL(setxattr)
PITH_PATH_SYSCALL(lsetxattr)
PITH_PATH_SYSCALL(removexattr)
PITH_PATH_SYSCALL(lremovexattr)
PITH_PATH_SYSCALL(listxattr)
PITH_PATH_SYSCALL(llistxattr)

Outcome sys_fchmod(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return finish(thread, change_mode(thread, file.value()->path, as_unsigned(args.a1)));
}

Outcome sys_fchown(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return finish(thread,
                  change_owner(thread, file.value()->path, as_unsigned(args.a1), as_unsigned(args.a2)));
}

Outcome sys_ftruncate(Thread& thread, const SyscallArgs& args) {
    const i64 size = static_cast<i64>(args.a1);
    if (size < 0) return Errno::EINVAL;
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    Inode& inode = file.value()->inode();
    if (!inode.regular() || !file.value()->writable()) return Errno::EINVAL;
    if (const SysResult<> fits = check_size(thread, inode.size(), size); !fits.ok()) return fits;
    return finish(thread, inode.truncate(size));
}

Outcome sys_fallocate(Thread& thread, const SyscallArgs& args) {
    const i64 offset = static_cast<i64>(args.a2), length = static_cast<i64>(args.a3);
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (offset < 0 || length <= 0) return Errno::EINVAL;
    if ((args.a1 & ~u64{0x7f}) != 0) return Errno::EOPNOTSUPP;
    if (!file.value()->writable()) return Errno::EBADF;
    Inode& inode = file.value()->inode();
    if (inode.type() == S_FIFO) return Errno::ESPIPE;
    if (inode.directory()) return Errno::EISDIR;
    if (!inode.regular()) return Errno::ENODEV;
    i64 end;
    if (__builtin_add_overflow(offset, length, &end)) return Errno::EFBIG;
    if ((args.a1 & 1) == 0) {
        if (const SysResult<> fits = check_size(thread, inode.size(), end); !fits.ok()) return fits;
    }
    return finish(thread, inode.allocate(as_unsigned(args.a1), offset, length));
}

Outcome sys_fgetxattr(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    return file.ok() ? Errno::ENODATA : file.error();
}
Outcome sys_fsetxattr(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    return file.ok() ? Errno::EOPNOTSUPP : file.error();
}
Outcome sys_flistxattr(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    return file.ok() ? Errno::ok : file.error();
}
Outcome sys_fremovexattr(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    return file.ok() ? Errno::ENODATA : file.error();
}

}  // namespace pith::lx
