// SPDX-License-Identifier: MIT
// Opening files.
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/heap_guard.hpp"

#include "servers/linux/vfs/dev/device.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

NewFile new_file(Thread& thread, const Inode& directory, u32 mode, u64 device) {
    const Credentials& credentials = thread.process.credentials;
    NewFile file;
    file.mode = mode & ~(thread.process.fs->umask & 0777);
    file.uid = credentials.fsuid;
    file.gid = credentials.fsgid;
    file.device = device;
    if ((directory.mode & S_SETGID) != 0) {
        file.gid = directory.gid;
        if ((mode & S_TYPE) == S_DIRECTORY) {
            file.mode |= S_SETGID;
        } else if ((mode & (S_SETGID | 010)) == (S_SETGID | 010) && !credentials.root() &&
                   !credentials.in_group(file.gid) && credentials.fsgid != file.gid) {
            file.mode &= ~S_SETGID;
        }
    }
    return file;
}

namespace {

/// open_found() of one whose attributes are new.
Async<Ref<File>> open_known(Thread& thread, const Path& path, u32 flags, bool created);

u32 wanted_access(u32 flags) {
    static constexpr u32 kByMode[] = {kMayRead, kMayWrite, kMayRead | kMayWrite, kMayRead | kMayWrite};
    return kByMode[flags & O_ACCESS_MODE] | ((flags & O_TRUNCATE) != 0 ? kMayWrite : 0);
}

/// What Linux's may_open checks.
SysResult<> check_open(Thread& thread, const Path& path, u32 flags, bool created) {
    Inode& inode = path.inode();
    const Credentials& credentials = thread.process.credentials;
    if ((flags & O_DIRECTORY_ONLY) != 0 && !inode.directory()) return Errno::ENOTDIR;
    if (inode.symlink()) return Errno::ELOOP;
    if (inode.directory() && (flags & (O_ACCESS_MODE | O_CREATE | O_TRUNCATE)) != 0) return Errno::EISDIR;
    if (inode.device() && (path.mount->flags & kMountNoDevices) != 0) return Errno::EACCES;
    if (!created) PITH_CHECK(check_access(credentials, path, wanted_access(flags)));
    if ((flags & O_NO_ACCESS_TIME) != 0) PITH_CHECK(check_owner(credentials, inode));
    return {};
}

Async<Ref<File>> make_file(Thread& thread, const Path& path, u32 flags) {
    Inode& inode = path.inode();
    switch (inode.type()) {
        case S_CHARACTER:
        case S_BLOCK: return open_device(thread, path, flags);
        case S_FIFO: return open_fifo(thread, path, flags);
        case S_SOCKET: return Errno::ENXIO;
        default: break;
    }
    Async<Ref<File>> opened = inode.open(thread, path, flags);
    return opened;
}

Task<SysResult<Ref<File>>> truncate_first(Thread& thread, Path path, u32 flags,
                                          Task<SysResult<>> truncation) {
    PITH_CO_CHECK(co_await std::move(truncation));
    co_return PITH_AWAIT(make_file(thread, path, flags));
}

Task<SysResult<Ref<File>>> give_back_write(Path path, Task<SysResult<Ref<File>>> opening) {
    SysResult<Ref<File>> file = co_await std::move(opening);
    if (file.ok()) file.value()->counted_writer = true;
    else path.inode().close_for_write();
    co_return file;
}

/// The file of an inode that has been created in `directory`, whose name was not there.
Async<Ref<File>> create_and_open(Thread& thread, const LastComponent& last, u32 flags, u32 mode) {
    const Path& directory = last.directory;
    if (last.trailing_slash) return Errno::EISDIR;
    if (!directory.dentry->linked() || directory.inode().file_system().fixed_names()) return Errno::ENOENT;
    PITH_CHECK(check_access(thread.process.credentials, directory, kMayWrite | kMayExecute));
    const NewFile file = new_file(thread, directory.inode(), S_REGULAR | (mode & 07777));
    Async<Ref<Inode>> created = directory.inode().create(last.name, file);
    if (created.ready()) {
        Ref<Inode> inode = PITH_TRY(created.take());
        Path path{directory.mount, thread.zone().vfs->dentries.add(directory.dentry, last.name, inode)};
        return open_found(thread, path, flags, true);
    }
    return [](Thread& opener, LastComponent place, u32 open_flags,
              Task<SysResult<Ref<Inode>>> task) -> Task<SysResult<Ref<File>>> {
        SysResult<Ref<Inode>> inode = co_await std::move(task);
        DentryCache& dentries = opener.zone().vfs->dentries;
        // Somebody was quicker.
        const bool there = inode.error() == Errno::EEXIST && (open_flags & O_EXCLUSIVE) == 0;
        if (there) inode = PITH_AWAIT(place.directory.inode().lookup(place.name));
        PITH_CO_CHECK(inode);
        Path path{place.directory.mount, dentries.add(place.directory.dentry, place.name, inode.value())};
        co_return PITH_AWAIT(open_found(opener, path, open_flags, !there));
    }(thread, last, flags, created.task());
}

Async<Ref<File>> open_made(Thread& thread, const Path& directory, Ref<Inode> inode, u32 flags) {
    inode->linkable = (flags & O_EXCLUSIVE) == 0;
    Path path = thread.zone().vfs->anonymous_path(inode, "/#" + decimal(inode->number()));
    path.mount = directory.mount;
    return open_found(thread, path, flags & ~(O_TEMPORARY | O_EXCLUSIVE), true);
}

Async<Ref<File>> open_unnamed(Thread& thread, const Path& directory, u32 flags, u32 mode) {
    if ((flags & O_ACCESS_MODE) == O_READ_ONLY) return Errno::EINVAL;
    if (!directory.inode().directory()) return Errno::ENOTDIR;
    PITH_CHECK(check_access(thread.process.credentials, directory, kMayWrite | kMayExecute));
    Async<Ref<Inode>> made = directory.inode().create_unnamed(
        new_file(thread, directory.inode(), S_REGULAR | (mode & 07777)));
    if (made.ready()) return open_made(thread, directory, PITH_TRY(made.take()), flags);
    return [](Thread& opener, Path place, u32 open_flags,
              Task<SysResult<Ref<Inode>>> task) -> Task<SysResult<Ref<File>>> {
        Ref<Inode> inode = PITH_CO_TRY(co_await std::move(task));
        co_return PITH_AWAIT(open_made(opener, place, std::move(inode), open_flags));
    }(thread, directory, flags, made.task());
}

}  // namespace

namespace {

/// Others may have changed it, or put another one in its place, since it was looked up.
Task<SysResult<Ref<File>>> open_refreshed(Thread& thread, Path path, u32 flags, Task<SysResult<>> refresh) {
    const SysResult<> fresh = co_await std::move(refresh);
    const Ref<Dentry> parent = path.dentry->parent();
    if (fresh.error() == Errno::ESTALE && parent && path.dentry->linked()) {
        const std::string name(path.dentry->name());
        Ref<Inode> inode = PITH_CO_TRY(PITH_AWAIT(parent->inode()->lookup(name)));
        path.dentry = thread.zone().vfs->dentries.add(parent, name, inode);
    } else {
        PITH_CO_CHECK(fresh);
    }
    co_return PITH_AWAIT(open_known(thread, path, flags, false));
}

}  // namespace

Async<Ref<File>> open_found(Thread& thread, const Path& path, u32 flags, bool created) {
    if (!created && path.inode().file_system().shared) {
        Async<> fresh = path.inode().refresh_to_open();
        if (!fresh.ready()) return open_refreshed(thread, path, flags, fresh.task());
        PITH_CHECK(fresh.take());
    }
    return open_known(thread, path, flags, created);
}

namespace {

Async<Ref<File>> open_known(Thread& thread, const Path& path, u32 flags, bool created) {
    if (heap_low()) return Errno::ENFILE;
    Inode& inode = path.inode();
    PITH_CHECK(check_open(thread, path, flags, created));
    // O_NO_CTTY goes on to the device, which takes it away.
    const u32 device_flags = inode.device() ? flags & O_NO_CTTY : 0;
    const u32 kept = (flags & ~(O_CREATE | O_EXCLUSIVE | O_NO_CTTY | O_TRUNCATE | O_CLOSE_EXEC)) |
                     O_LARGE_FILE | device_flags;
    const bool writes = inode.regular() &&
                        ((flags & O_ACCESS_MODE) != O_READ_ONLY || (flags & O_TRUNCATE) != 0);
    if (writes) PITH_CHECK(inode.open_for_write());
    Async<Ref<File>> opened = [&]() -> Async<Ref<File>> {
        if ((flags & O_TRUNCATE) != 0 && inode.regular() && !created) {
            Async<> truncated = inode.truncate(0);
            if (!truncated.ready()) return truncate_first(thread, path, kept, truncated.task());
            PITH_CHECK(truncated.take());
        }
        return make_file(thread, path, kept);
    }();
    if (!writes) return opened;
    if (!opened.ready()) return give_back_write(path, opened.task());
    SysResult<Ref<File>> file = opened.take();
    if (file.ok() && (flags & O_ACCESS_MODE) != O_READ_ONLY) file.value()->counted_writer = true;
    else inode.close_for_write();
    return file;
}

}  // namespace

Async<Ref<File>> open_path(Thread& thread, i32 directory, std::string_view path, u32 flags, u32 mode,
                           u32 walk_flags) {
    if ((flags & O_TEMPORARY) == O_TEMPORARY) {
        return open_unnamed(thread, PITH_TRY(walk(thread, directory, path, kFollow | walk_flags)), flags,
                            mode);
    }
    const bool exclusive = (flags & (O_CREATE | O_EXCLUSIVE)) == (O_CREATE | O_EXCLUSIVE);
    if ((flags & O_NO_FOLLOW) == 0 && !exclusive) walk_flags |= kFollow;
    if ((flags & O_CREATE) == 0) {
        const Path found = PITH_TRY(walk(thread, directory, path, walk_flags));
        if ((flags & O_PATH_ONLY) != 0) {
            if ((flags & O_DIRECTORY_ONLY) != 0 && !found.inode().directory()) return Errno::ENOTDIR;
            return Ref<File>(Ref<File>::make(found, flags & ~O_CLOSE_EXEC));
        }
        return open_found(thread, found, flags, false);
    }
    if (exclusive) {
        const LastComponent last = PITH_TRY(walk_to_last(thread, directory, path, walk_flags));
        if (may_try_to_create(thread, last)) return create_and_open(thread, last, flags, mode);
    }
    OpenTarget target = PITH_TRY(walk_to_open(thread, directory, path, walk_flags));
    if (!target.found) return create_and_open(thread, target.last, flags, mode);
    if (exclusive) return Errno::EEXIST;
    if (target.last.trailing_slash) return Errno::EISDIR;
    return open_found(thread, target.found, flags, false);
}

// Calls

namespace {

constexpr u32 kKnownFlags = O_ACCESS_MODE | O_CREATE | O_EXCLUSIVE | O_NO_CTTY | O_TRUNCATE | O_APPENDING |
                            O_NON_BLOCK | O_SYNCHRONOUS | O_DATA_SYNC | O_ASYNC_IO | O_DIRECT_IO |
                            O_LARGE_FILE | O_DIRECTORY_ONLY | O_NO_FOLLOW | O_NO_ACCESS_TIME | O_CLOSE_EXEC |
                            O_PATH_ONLY | O_TEMPORARY;

SysResult<u64> install(Thread& thread, Ref<File> file, u32 flags) {
    const i32 descriptor = PITH_TRY(
        thread.process.files->add(std::move(file), (flags & O_CLOSE_EXEC) != 0, descriptor_limit(thread)));
    return static_cast<u64>(descriptor);
}

Async<u64> open_and_install(Thread& thread, i32 directory, u64 path_address, u32 flags, u32 mode,
                            u32 walk_flags) {
    flags &= kKnownFlags;
    if ((flags & O_PATH_ONLY) != 0) flags &= O_PATH_ONLY | O_DIRECTORY_ONLY | O_NO_FOLLOW | O_CLOSE_EXEC;
    constexpr u32 kTemporaryBit = O_TEMPORARY & ~O_DIRECTORY_ONLY;
    if ((flags & kTemporaryBit) != 0) {
        if ((flags & O_TEMPORARY) != O_TEMPORARY || (flags & O_CREATE) != 0) return Errno::EINVAL;
    } else if ((flags & (O_CREATE | O_DIRECTORY_ONLY)) == (O_CREATE | O_DIRECTORY_ONLY)) {
        // Linux 6.1 creates a regular file here; newer ones refuse, as is sane.
        return Errno::EINVAL;
    }
    const std::string path = PITH_TRY(get_path(thread, path_address));
    PITH_CHECK(thread.process.files->check_room(descriptor_limit(thread)));
    Async<Ref<File>> file = open_path(thread, directory, path, flags, mode, walk_flags);
    if (file.ready()) return install(thread, PITH_TRY(file.take()), flags);
    return [](Thread& opener, u32 open_flags, Task<SysResult<Ref<File>>> task) -> Task<SysResult<u64>> {
        co_return install(opener, PITH_CO_TRY(co_await std::move(task)), open_flags);
    }(thread, flags, file.task());
}

Async<u64> call_open(Thread& thread, const SyscallArgs& args) {
    return open_and_install(thread, kAtCwd, args.a0, as_unsigned(args.a1), as_unsigned(args.a2), 0);
}
Async<u64> call_openat(Thread& thread, const SyscallArgs& args) {
    return open_and_install(thread, as_int(args.a0), args.a1, as_unsigned(args.a2), as_unsigned(args.a3), 0);
}
Async<u64> call_creat(Thread& thread, const SyscallArgs& args) {
    return open_and_install(thread, kAtCwd, args.a0, O_CREATE | O_WRITE_ONLY | O_TRUNCATE,
                            as_unsigned(args.a1), 0);
}

struct OpenHow {
    u64 flags, mode, resolve;
};

Async<u64> call_openat2(Thread& thread, const SyscallArgs& args) {
    if (args.a3 < sizeof(OpenHow)) return Errno::EINVAL;
    if (args.a3 > kPageSize) return Errno::E2BIG;
    const auto how = PITH_TRY(get<OpenHow>(thread, args.a2));
    for (u64 extra = sizeof(OpenHow); extra < args.a3; ++extra) {
        if (PITH_TRY(get<u8>(thread, args.a2 + extra)) != 0) return Errno::E2BIG;
    }
    constexpr u64 kNoXdev = 1, kNoMagic = 2, kNoLinks = 4, kResolveBeneath = 8, kResolveInRoot = 16,
                  kCached = 32;
    if ((how.flags & ~u64{kKnownFlags}) != 0) return Errno::EINVAL;
    if ((how.resolve & ~(kNoXdev | kNoMagic | kNoLinks | kResolveBeneath | kResolveInRoot | kCached)) != 0)
        return Errno::EINVAL;
    if ((how.resolve & kResolveBeneath) != 0 && (how.resolve & kResolveInRoot) != 0) return Errno::EINVAL;
    if ((how.flags & (O_CREATE | (O_TEMPORARY & ~O_DIRECTORY_ONLY))) != 0 ? (how.mode & ~u64{07777}) != 0
                                                                          : how.mode != 0) {
        return Errno::EINVAL;
    }
    constexpr u64 kWithPath = O_PATH_ONLY | O_DIRECTORY_ONLY | O_NO_FOLLOW | O_CLOSE_EXEC;
    if ((how.flags & O_PATH_ONLY) != 0 && (how.flags & ~kWithPath) != 0) return Errno::EINVAL;
    u32 walk_flags = 0;
    if ((how.resolve & kNoXdev) != 0) walk_flags |= kNoCrossing;
    if ((how.resolve & kNoMagic) != 0) walk_flags |= kNoMagicLinks;
    if ((how.resolve & kNoLinks) != 0) walk_flags |= kNoSymlinks;
    if ((how.resolve & kResolveBeneath) != 0) walk_flags |= kBeneath;
    if ((how.resolve & kResolveInRoot) != 0) walk_flags |= kInRoot;
    return open_and_install(thread, as_int(args.a0), args.a1, static_cast<u32>(how.flags),
                            static_cast<u32>(how.mode), walk_flags);
}

}  // namespace

PITH_PATH_SYSCALL(open)
PITH_PATH_SYSCALL(openat)
PITH_PATH_SYSCALL(creat)
PITH_PATH_SYSCALL(openat2)

}  // namespace pith::lx
