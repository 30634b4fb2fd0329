// SPDX-License-Identifier: MIT
// fcntl and flock.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/socket.hpp"
#include "servers/linux/vfs/lock.hpp"
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

constexpr u32 F_DUP = 0, F_GET_FD = 1, F_SET_FD = 2, F_GET_FL = 3, F_SET_FL = 4, F_GET_LOCK = 5,
              F_SET_LOCK = 6;
constexpr u32 F_SET_LOCK_WAIT = 7, F_SET_OWNER = 8, F_GET_OWNER = 9, F_SET_SIGNAL = 10, F_GET_SIGNAL = 11;
constexpr u32 F_SET_OWNER_EX = 15, F_GET_OWNER_EX = 16, F_OFD_GET_LOCK = 36, F_OFD_SET_LOCK = 37;
constexpr u32 F_OFD_SET_LOCK_WAIT = 38, F_SET_LEASE = 1024, F_GET_LEASE = 1025, F_NOTIFY_CHANGES = 1026;
constexpr u32 F_DUP_CLOSE_EXEC = 1030, F_SET_PIPE_SIZE = 1031, F_GET_PIPE_SIZE = 1032, F_ADD_SEAL = 1033,
              F_GET_SEAL = 1034;
constexpr i16 kReadLock = 0, kWriteLock = 1, kUnlock = 2;
constexpr u64 kMaxPipe = 1 << 20;

LockList& locks_of(Inode& inode) {
    if (!inode.locks) inode.locks = std::make_unique<LockList>();
    return *inode.locks;
}

/// The range of a struct flock. EINVAL, EOVERFLOW.
SysResult<RangeLock> to_range(const File& file, const LinuxFlock& given) {
    i64 base = 0;
    switch (given.whence) {
        case 0: break;
        case 1: base = file.offset; break;
        case 2: base = file.inode().size(); break;
        default: return Errno::EINVAL;
    }
    RangeLock range;
    if (__builtin_add_overflow(base, given.start, &range.start)) return Errno::EOVERFLOW;
    if (range.start < 0) return Errno::EINVAL;
    if (given.length == 0) {
        range.last = kLockEnd;
    } else if (given.length > 0) {
        if (__builtin_add_overflow(range.start, given.length - 1, &range.last)) return Errno::EOVERFLOW;
    } else {
        range.last = range.start - 1;
        range.start += given.length;
        if (range.start < 0) return Errno::EINVAL;
    }
    range.exclusive = given.type == kWriteLock;
    return range;
}

Task<SysResult<u64>> wait_for_lock(Thread& thread, Ref<File> file, RangeLock range) {
    LockList& locks = locks_of(file->inode());
    while (const RangeLock* blocker = locks.conflict(range)) {
        if (range.pid >= 0 && blocker->pid >= 0 && LockList::deadlock(range.owner, blocker->owner))
            co_return Errno::EDEADLK;
        const LockList::Waiting waiting(range.owner, blocker->owner);
        PITH_CO_CHECK(co_await wait_on(thread, locks.changed));
    }
    locks.set(range);
    co_return u64{0};
}

Outcome range_lock(Thread& thread, File& file, u32 command, u64 address) {
    const bool description = command >= F_OFD_GET_LOCK;
    const SysResult<LinuxFlock> given = get<LinuxFlock>(thread, address);
    if (!given.ok()) return given.error();
    LinuxFlock flock = given.value();
    if (description && flock.pid != 0) return Errno::EINVAL;
    const bool test = command == F_GET_LOCK || command == F_OFD_GET_LOCK;
    if (flock.type != kReadLock && flock.type != kWriteLock && (flock.type != kUnlock || test))
        return Errno::EINVAL;
    SysResult<RangeLock> made = to_range(file, flock);
    if (!made.ok()) return made.error();
    RangeLock range = made.value();
    range.owner = description ? static_cast<const void*>(&file) : thread.process.files.get();
    range.pid = description ? -1 : thread.process.pid;
    if (heap_low() && flock.type != kUnlock) return Errno::ENOLCK;
    LockList& locks = locks_of(file.inode());
    if (test) {
        const RangeLock* blocker = locks.conflict(range);
        flock.type = kUnlock;
        if (blocker != nullptr) {
            flock = {blocker->exclusive ? kWriteLock : kReadLock,
                     0,
                     0,
                     blocker->start,
                     blocker->last == kLockEnd ? 0 : blocker->last - blocker->start + 1,
                     blocker->pid,
                     0};
        }
        return put(thread, address, flock);
    }
    if (flock.type == kUnlock) {
        locks.clear(range.owner, range.start, range.last);
        return 0;
    }
    if (flock.type == kReadLock ? !file.readable() : !file.writable()) return Errno::EBADF;
    const RangeLock* blocker = locks.conflict(range);
    if (blocker == nullptr) {
        locks.set(range);
        return 0;
    }
    if (command != F_SET_LOCK_WAIT && command != F_OFD_SET_LOCK_WAIT) return Errno::EAGAIN;
    return run(thread, wait_for_lock(thread, Ref<File>(&file), range));
}

Outcome set_flags(Thread& thread, File& file, u32 wanted) {
    constexpr u32 kChangeable = O_APPENDING | O_NON_BLOCK | O_ASYNC_IO | O_DIRECT_IO | O_NO_ACCESS_TIME;
    if ((wanted & O_NO_ACCESS_TIME) != 0 && (file.flags & O_NO_ACCESS_TIME) == 0) {
        if (const SysResult<> owner = check_owner(thread.process.credentials, file.inode()); !owner.ok())
            return owner;
    }
    const u32 flags = (file.flags & ~kChangeable) | (wanted & kChangeable);
    if (const SysResult<> changed = file.flags_changed(flags); !changed.ok()) return changed;
    file.flags = flags;
    return 0;
}

Outcome pipe_size(Thread& thread, File& file, u32 command, u64 size) {
    Pipe* pipe = pipe_of(file);
    if (pipe == nullptr) return Errno::EBADF;
    if (command == F_SET_PIPE_SIZE) {
        const u32 wanted = as_unsigned(size);
        if (wanted > 1u << 31) return Errno::EINVAL;
        if (wanted > kMaxPipe && wanted > pipe->capacity() && !thread.process.credentials.root())
            return Errno::EPERM;
        if (const SysResult<> done = pipe->resize(wanted); !done.ok()) return done;
    }
    return pipe->capacity();
}

Outcome seals(File& file, u32 command, u32 wanted) {
    // Only files without a name on a memory file system have seals.
    Inode& inode = file.inode();
    if (!inode.regular() || file.path.dentry->parent() || inode.links != 0) return Errno::EINVAL;
    if (command == F_GET_SEAL) return inode.seals;
    if (!file.writable()) return Errno::EPERM;
    if ((wanted & ~(kSealSeal | kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite)) != 0)
        return Errno::EINVAL;
    if ((inode.seals & kSealSeal) != 0) return Errno::EPERM;
    inode.seals |= wanted;
    return 0;
}

void set_owner(const Thread& thread, File& file, i32 pid) {
    if (Socket* socket = socket_of(file); socket != nullptr) socket->set_owner(thread, pid);
    else file.owner = pid;
}

struct OwnerEx {
    i32 type, pid;
};

Outcome ownership(Thread& thread, File& file, u32 command, u64 argument) {
    switch (command) {
        case F_SET_OWNER:
            if (as_int(argument) == static_cast<i32>(0x80000000)) return Errno::EINVAL;
            set_owner(thread, file, as_int(argument));
            return 0;
        case F_GET_OWNER: return file.owner;
        case F_SET_SIGNAL:
            if (argument > kSignals) return Errno::EINVAL;
            file.owner_signal = as_int(argument);
            return 0;
        case F_GET_SIGNAL: return file.owner_signal;
        case F_SET_OWNER_EX: {
            const SysResult<OwnerEx> given = get<OwnerEx>(thread, argument);
            if (!given.ok()) return given.error();
            if (given.value().type < 0 || given.value().type > 2) return Errno::EINVAL;
            set_owner(thread, file, given.value().type == 2 ? -given.value().pid : given.value().pid);
            return 0;
        }
        default:
            return put(thread, argument,
                       OwnerEx{file.owner < 0 ? 2 : 1, file.owner < 0 ? -file.owner : file.owner});
    }
}

}  // namespace

Outcome sys_fcntl(Thread& thread, const SyscallArgs& args) {
    const u32 command = as_unsigned(args.a1);
    const SysResult<File*> found = any_file(thread, args.a0);
    if (!found.ok()) return found.error();
    File& file = *found.value();
    FileTable& table = *thread.process.files;
    switch (command) {
        case F_DUP:
        case F_DUP_CLOSE_EXEC:
            if (as_int(args.a2) < 0 || static_cast<u64>(as_int(args.a2)) >= descriptor_limit(thread))
                return Errno::EINVAL;
            return table.add(Ref<File>(&file), command == F_DUP_CLOSE_EXEC, descriptor_limit(thread),
                             as_int(args.a2));
        case F_GET_FD: return table.close_on_exec(as_int(args.a0)) ? 1 : 0;
        case F_SET_FD: table.set_close_on_exec(as_int(args.a0), (args.a2 & 1) != 0); return 0;
        case F_GET_FL: return file.flags;
        default: break;
    }
    if (file.path_only()) return Errno::EBADF;
    switch (command) {
        case F_SET_FL: return set_flags(thread, file, as_unsigned(args.a2));
        case F_GET_LOCK:
        case F_SET_LOCK:
        case F_SET_LOCK_WAIT:
        case F_OFD_GET_LOCK:
        case F_OFD_SET_LOCK:
        case F_OFD_SET_LOCK_WAIT: return range_lock(thread, file, command, args.a2);
        case F_SET_OWNER:
        case F_GET_OWNER:
        case F_SET_SIGNAL:
        case F_GET_SIGNAL:
        case F_SET_OWNER_EX:
        case F_GET_OWNER_EX: return ownership(thread, file, command, args.a2);
        case F_SET_PIPE_SIZE:
        case F_GET_PIPE_SIZE: return pipe_size(thread, file, command, args.a2);
        case F_ADD_SEAL:
        case F_GET_SEAL: return seals(file, command, as_unsigned(args.a2));
        case F_GET_LEASE: return static_cast<i32>(kUnlock);
        case F_SET_LEASE: return as_int(args.a2) == kUnlock ? Outcome(Errno::EAGAIN) : Outcome(Errno::EINVAL);
        case F_NOTIFY_CHANGES: return file.inode().directory() ? Errno::EINVAL : Errno::ENOTDIR;
        default: return Errno::EINVAL;
    }
}

namespace {

Task<SysResult<u64>> wait_for_flock(Thread& thread, Ref<File> file, bool exclusive) {
    LockList& locks = locks_of(file->inode());
    while (!locks.lock_whole(*file, exclusive)) PITH_CO_CHECK(co_await wait_on(thread, locks.changed));
    co_return u64{0};
}

}  // namespace

Outcome sys_flock(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kShared = 1, kExclusive = 2, kNonBlock = 4, kRelease = 8;
    const u32 operation = as_unsigned(args.a1) & ~kNonBlock;
    if (operation != kShared && operation != kExclusive && operation != kRelease) return Errno::EINVAL;
    const SysResult<File*> found = open_file(thread, args.a0);
    if (!found.ok()) return found.error();
    File& file = *found.value();
    LockList& locks = locks_of(file.inode());
    if (operation == kRelease) {
        locks.unlock_whole(file);
        return 0;
    }
    // A conversion gives the old lock up first, as on Linux.
    if (locks.lock_whole(file, operation == kExclusive)) return 0;
    locks.unlock_whole(file);
    if ((args.a1 & kNonBlock) != 0) return Errno::EAGAIN;
    return run(thread, wait_for_flock(thread, Ref<File>(&file), operation == kExclusive));
}

}  // namespace pith::lx
