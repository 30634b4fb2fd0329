// SPDX-License-Identifier: MIT
// stat and its relatives, statfs, readlink, access.
#include <algorithm>
#include <cstring>

#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

LinuxStat fill_stat(const Inode& inode) {
    LinuxStat stat{};
    stat.dev = inode.file_system().device();
    stat.ino = inode.number();
    stat.nlink = inode.links;
    stat.mode = inode.mode;
    stat.uid = inode.uid;
    stat.gid = inode.gid;
    stat.rdev = inode.device_number;
    stat.size = inode.size();
    stat.block_size = static_cast<i64>(inode.file_system().block_size());
    stat.blocks = static_cast<i64>(inode.blocks());
    stat.access_time = inode.access_time;
    stat.modify_time = inode.modify_time;
    stat.change_time = inode.change_time;
    return stat;
}

StatxTime fill_time(const Timespec& time) { return {time.seconds, static_cast<u32>(time.nanoseconds), 0}; }

LinuxStatx fill_statx(const Path& path) {
    const Inode& inode = path.inode();
    constexpr u32 kBasic = 0x7ff, kBirth = 0x800, kMountId = 0x1000;
    LinuxStatx stat{};
    stat.mask = kBasic | kBirth | kMountId;
    stat.block_size = static_cast<u32>(inode.file_system().block_size());
    constexpr u64 kMountRoot = 0x2000;
    stat.attributes_mask = kMountRoot;
    if (path.dentry == path.mount->root) stat.attributes |= kMountRoot;
    stat.nlink = inode.links;
    stat.uid = inode.uid;
    stat.gid = inode.gid;
    stat.mode = static_cast<u16>(inode.mode);
    stat.ino = inode.number();
    stat.size = static_cast<u64>(inode.size());
    stat.blocks = inode.blocks();
    stat.access_time = fill_time(inode.access_time);
    stat.birth_time = fill_time(inode.birth_time);
    stat.change_time = fill_time(inode.change_time);
    stat.modify_time = fill_time(inode.modify_time);
    stat.rdev_major = device_major(inode.device_number);
    stat.rdev_minor = device_minor(inode.device_number);
    stat.dev_major = device_major(inode.file_system().device());
    stat.dev_minor = device_minor(inode.file_system().device());
    stat.mount_id = path.mount->number;
    return stat;
}

/// Brings the attributes up to date, then writes them.
template <typename Fill>
Async<u64> tell(Thread& thread, const Path& path, u64 to, Fill fill) {
    Async<> fresh = path.inode().refresh();
    if (fresh.ready()) {
        PITH_CHECK(fresh.take());
        PITH_CHECK(put(thread, to, fill(path)));
        return u64{0};
    }
    return [](Thread& asking, Path of, u64 address, Fill filler,
              Task<SysResult<>> task) -> Task<SysResult<u64>> {
        PITH_CO_CHECK(co_await std::move(task));
        PITH_CO_CHECK(put(asking, address, filler(of)));
        co_return u64{0};
    }(thread, path, to, fill, fresh.task());
}

Async<u64> tell_stat(Thread& thread, const Path& path, u64 to) {
    return tell(thread, path, to, [](const Path& of) { return fill_stat(of.inode()); });
}

Async<u64> call_stat(Thread& thread, const SyscallArgs& args) {
    const std::string path = PITH_TRY(get_path(thread, args.a0));
    return tell_stat(thread, PITH_TRY(walk(thread, kAtCwd, path, kFollow)), args.a1);
}

Async<u64> call_lstat(Thread& thread, const SyscallArgs& args) {
    const std::string path = PITH_TRY(get_path(thread, args.a0));
    return tell_stat(thread, PITH_TRY(walk(thread, kAtCwd, path, 0)), args.a1);
}

/// The path of an ...at call with AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW in `flags`.
SysResult<Path> at_path(Thread& thread, u64 directory, u64 path_address, u32 flags) {
    const u32 walk_flags = ((flags & kAtSymlinkNoFollow) != 0 ? 0 : kFollow) |
                           ((flags & kAtEmptyPath) != 0 ? kEmptyPath : 0);
    std::string path;
    // A null path with AT_EMPTY_PATH is as good as an empty one.
    if (path_address != 0 || (flags & kAtEmptyPath) == 0) path = PITH_TRY(get_path(thread, path_address));
    return walk(thread, as_int(directory), path, walk_flags);
}

Async<u64> call_newfstatat(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a3);
    if ((flags & ~(kAtSymlinkNoFollow | kAtEmptyPath | kAtNoAutomount)) != 0) return Errno::EINVAL;
    return tell_stat(thread, PITH_TRY(at_path(thread, args.a0, args.a1, flags)), args.a2);
}

Async<u64> call_statx(Thread& thread, const SyscallArgs& args) {
    const u32 flags = as_unsigned(args.a2);
    if ((flags & ~(kAtSymlinkNoFollow | kAtEmptyPath | kAtNoAutomount | kAtStatxSyncType)) != 0)
        return Errno::EINVAL;
    if ((flags & kAtStatxSyncType) == kAtStatxSyncType || (as_unsigned(args.a3) & 0x80000000) != 0)
        return Errno::EINVAL;
    return tell(thread, PITH_TRY(at_path(thread, args.a0, args.a1, flags)), args.a4, fill_statx);
}

Async<u64> tell_statfs(Thread& thread, const Path& path, u64 to) {
    const auto fill = [](const Path& of, const FileSystemUsage& usage) {
        LinuxStatfs result{};
        result.type = static_cast<i64>(usage.magic);
        result.block_size = result.fragment_size = static_cast<i64>(usage.block_size);
        result.blocks = usage.blocks;
        result.blocks_free = usage.blocks_free;
        result.blocks_available = std::min(usage.blocks_free, usage.blocks_available);
        result.files = usage.files;
        result.files_free = usage.files_free;
        result.name_length = kNameMax;
        constexpr i64 kValid = 0x20, kRelatime = 0x1000;
        result.flags = kValid | kRelatime | (of.mount->flags & 15);
        const u64 id = of.mount->file_system->device();
        std::memcpy(result.id, &id, sizeof id);
        return result;
    };
    Async<FileSystemUsage> usage = path.mount->file_system->usage();
    if (usage.ready()) {
        const FileSystemUsage answer = PITH_TRY(usage.take());
        PITH_CHECK(put(thread, to, fill(path, answer)));
        return u64{0};
    }
    return [](Thread& asking, Path of, u64 address, auto filler,
              Task<SysResult<FileSystemUsage>> task) -> Task<SysResult<u64>> {
        const FileSystemUsage answer = PITH_CO_TRY(co_await std::move(task));
        PITH_CO_CHECK(put(asking, address, filler(of, answer)));
        co_return u64{0};
    }(thread, path, to, fill, usage.task());
}

Async<u64> call_statfs(Thread& thread, const SyscallArgs& args) {
    const std::string path = PITH_TRY(get_path(thread, args.a0));
    return tell_statfs(thread, PITH_TRY(walk(thread, kAtCwd, path)), args.a1);
}

Async<u64> tell_link(Thread& thread, const Path& path, u64 to, i32 size, bool by_descriptor) {
    if (!path.inode().symlink()) return by_descriptor ? Errno::ENOENT : Errno::EINVAL;
    path.inode().touch_access();
    const auto store = [](Thread& reader, const std::string& text, u64 address,
                          usize room) -> SysResult<u64> {
        const usize length = std::min(text.size(), room);
        PITH_CHECK(copy_out(reader, address, text.data(), length));
        return length;
    };
    Async<std::string> text = path.inode().read_link(thread);
    if (text.ready()) return store(thread, PITH_TRY(text.take()), to, static_cast<usize>(size));
    return [](Thread& reader, u64 address, usize room, auto storing,
              Task<SysResult<std::string>> task) -> Task<SysResult<u64>> {
        const std::string target = PITH_CO_TRY(co_await std::move(task));
        co_return storing(reader, target, address, room);
    }(thread, to, static_cast<usize>(size), store, text.task());
}

Async<u64> call_readlink(Thread& thread, const SyscallArgs& args) {
    if (as_int(args.a2) <= 0) return Errno::EINVAL;
    const std::string path = PITH_TRY(get_path(thread, args.a0));
    return tell_link(thread, PITH_TRY(walk(thread, kAtCwd, path, 0)), args.a1, as_int(args.a2), false);
}

Async<u64> call_readlinkat(Thread& thread, const SyscallArgs& args) {
    if (as_int(args.a3) <= 0) return Errno::EINVAL;
    const std::string path = PITH_TRY(get_path(thread, args.a1));
    const Path found = PITH_TRY(walk(thread, as_int(args.a0), path, kEmptyPath));
    return tell_link(thread, found, args.a2, as_int(args.a3), path.empty());
}

Async<u64> check_accessible(Thread& thread, u64 directory, u64 path_address, u32 wanted, u32 flags) {
    if ((wanted & ~7u) != 0) return Errno::EINVAL;
    if ((flags & ~(kAtEaccess | kAtSymlinkNoFollow | kAtEmptyPath)) != 0) return Errno::EINVAL;
    Credentials& credentials = thread.process.credentials;
    const u32 fsuid = credentials.fsuid, fsgid = credentials.fsgid;
    if ((flags & kAtEaccess) == 0) {
        // The real ids decide, for the walk too.
        credentials.fsuid = credentials.uid;
        credentials.fsgid = credentials.gid;
    }
    SysResult<Path> path = at_path(thread, directory, path_address, flags);
    SysResult<> result = path.ok() ? check_access(credentials, path.value(), wanted)
                                   : SysResult<>(path.error());
    credentials.fsuid = fsuid;
    credentials.fsgid = fsgid;
    if (!result.ok()) return result.error();
    return u64{0};
}

Async<u64> call_access(Thread& thread, const SyscallArgs& args) {
    return check_accessible(thread, static_cast<u64>(kAtCwd), args.a0, as_unsigned(args.a1), 0);
}
Async<u64> call_faccessat(Thread& thread, const SyscallArgs& args) {
    return check_accessible(thread, args.a0, args.a1, as_unsigned(args.a2), 0);
}
Async<u64> call_faccessat2(Thread& thread, const SyscallArgs& args) {
    return check_accessible(thread, args.a0, args.a1, as_unsigned(args.a2), as_unsigned(args.a3));
}

}  // namespace

PITH_PATH_SYSCALL(stat)
PITH_PATH_SYSCALL(lstat)
PITH_PATH_SYSCALL(newfstatat)
PITH_PATH_SYSCALL(statx)
PITH_PATH_SYSCALL(statfs)
PITH_PATH_SYSCALL(readlink)
PITH_PATH_SYSCALL(readlinkat)
PITH_PATH_SYSCALL(access)
PITH_PATH_SYSCALL(faccessat)
PITH_PATH_SYSCALL(faccessat2)

Outcome sys_fstat(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = any_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return finish(thread, tell_stat(thread, file.value()->path, args.a1));
}

Outcome sys_fstatfs(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = any_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return finish(thread, tell_statfs(thread, file.value()->path, args.a1));
}

}  // namespace pith::lx
