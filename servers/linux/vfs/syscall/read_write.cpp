// SPDX-License-Identifier: MIT
// read, write and their relatives, lseek.
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

/// A positioned call's position; kCurrent: the file's own.
constexpr i64 kCurrent = -1;
constexpr u32 kRwfHighPriority = 1, kRwfDataSync = 2, kRwfSync = 4, kRwfNoWait = 8, kRwfAppend = 16;

SysResult<File*> file_for(Thread& thread, u64 descriptor, bool write) {
    File* file = PITH_TRY(open_file(thread, descriptor));
    if (write ? !file->writable() : !file->readable()) return Errno::EBADF;
    return file;
}

Outcome read_at(Thread& thread, File& file, UserIo&& io, i64 position) {
    const bool own = position == kCurrent && file.seekable();
    Async<usize> result = file.read(thread, std::move(io), own ? file.offset : position);
    if (result.ready()) {
        const SysResult<usize> done = result.take();
        if (own && done.ok()) file.offset += static_cast<i64>(done.value());
        return Outcome(done);
    }
    return run(thread, [](Ref<File> held, bool moves, Task<SysResult<usize>> task) -> Task<SysResult<u64>> {
        const usize done = PITH_CO_TRY(co_await std::move(task));
        if (moves) held->offset += static_cast<i64>(done);
        co_return done;
    }(Ref<File>(&file), own, result.task()));
}

Outcome write_at(Thread& thread, File& file, UserIo&& io, i64 position, u32 rwf_flags = 0) {
    const bool own = position == kCurrent && file.seekable();
    i64 at = own ? file.offset : position;
    if (file.seekable() && ((file.flags & O_APPENDING) != 0 || (rwf_flags & kRwfAppend) != 0))
        at = file.inode().size();
    Async<usize> result = file.write(thread, std::move(io), at);
    if (result.ready()) {
        const SysResult<usize> done = result.take();
        if (own && done.ok() && done.value() != 0) file.offset = at + static_cast<i64>(done.value());
        return Outcome(done);
    }
    return run(thread,
               [](Ref<File> held, bool moves, i64 from, Task<SysResult<usize>> task) -> Task<SysResult<u64>> {
                   const usize done = PITH_CO_TRY(co_await std::move(task));
                   const i64 end = std::exchange(held->end_position, -1);
                   if (moves) held->offset = end >= 0 ? end : from + static_cast<i64>(done);
                   co_return done;
               }(Ref<File>(&file), own, at, result.task()));
}

Outcome positioned(Thread& thread, u64 descriptor, SysResult<UserIo> io, i64 position, bool write,
                   u32 flags = 0) {
    if (position < 0) return Errno::EINVAL;
    const SysResult<File*> found = open_file(thread, descriptor);
    if (!found.ok()) return found.error();
    File& file = *found.value();
    if (!file.seekable() && !file.inode().directory()) return Errno::ESPIPE;
    if (write ? !file.writable() : !file.readable()) return Errno::EBADF;
    if (!io.ok()) return io.error();
    return write ? write_at(thread, file, std::move(io).value(), position, flags)
                 : read_at(thread, file, std::move(io).value(), position);
}

Outcome stream(Thread& thread, u64 descriptor, SysResult<UserIo> io, bool write, u32 flags = 0) {
    const SysResult<File*> file = file_for(thread, descriptor, write);
    if (!file.ok()) return file.error();
    if (!io.ok()) return io.error();
    return write ? write_at(thread, *file.value(), std::move(io).value(), kCurrent, flags)
                 : read_at(thread, *file.value(), std::move(io).value(), kCurrent);
}

Outcome vector_two(Thread& thread, const SyscallArgs& args, bool write) {
    const u32 flags = as_unsigned(args.a5);
    if ((flags & ~(kRwfHighPriority | kRwfDataSync | kRwfSync | kRwfNoWait | kRwfAppend)) != 0)
        return Errno::EOPNOTSUPP;
    SysResult<UserIo> io = UserIo::vector(thread, args.a1, args.a2);
    if (static_cast<i64>(args.a3) == -1) return stream(thread, args.a0, std::move(io), write, flags);
    return positioned(thread, args.a0, std::move(io), static_cast<i64>(args.a3), write, flags);
}

}  // namespace

Outcome sys_read(Thread& thread, const SyscallArgs& args) {
    return stream(thread, args.a0, UserIo::buffer(thread, args.a1, args.a2), false);
}
Outcome sys_write(Thread& thread, const SyscallArgs& args) {
    return stream(thread, args.a0, UserIo::buffer(thread, args.a1, args.a2), true);
}
Outcome sys_readv(Thread& thread, const SyscallArgs& args) {
    return stream(thread, args.a0, UserIo::vector(thread, args.a1, args.a2), false);
}
Outcome sys_writev(Thread& thread, const SyscallArgs& args) {
    return stream(thread, args.a0, UserIo::vector(thread, args.a1, args.a2), true);
}
Outcome sys_pread64(Thread& thread, const SyscallArgs& args) {
    return positioned(thread, args.a0, UserIo::buffer(thread, args.a1, args.a2), static_cast<i64>(args.a3),
                      false);
}
Outcome sys_pwrite64(Thread& thread, const SyscallArgs& args) {
    return positioned(thread, args.a0, UserIo::buffer(thread, args.a1, args.a2), static_cast<i64>(args.a3),
                      true);
}
Outcome sys_preadv(Thread& thread, const SyscallArgs& args) {
    return positioned(thread, args.a0, UserIo::vector(thread, args.a1, args.a2), static_cast<i64>(args.a3),
                      false);
}
Outcome sys_pwritev(Thread& thread, const SyscallArgs& args) {
    return positioned(thread, args.a0, UserIo::vector(thread, args.a1, args.a2), static_cast<i64>(args.a3),
                      true);
}
Outcome sys_preadv2(Thread& thread, const SyscallArgs& args) { return vector_two(thread, args, false); }
Outcome sys_pwritev2(Thread& thread, const SyscallArgs& args) { return vector_two(thread, args, true); }

namespace {

SysResult<u64> move_to(File& file, const SysResult<i64>& found) {
    const i64 position = PITH_TRY(found);
    if (file.seekable()) file.offset = position;
    return static_cast<u64>(position);
}

}  // namespace

Outcome sys_lseek(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (as_unsigned(args.a2) > static_cast<u32>(Whence::hole)) return Errno::EINVAL;
    const auto whence = static_cast<Whence>(as_unsigned(args.a2));
    const i64 to = static_cast<i64>(args.a1);
    if (whence != Whence::data && whence != Whence::hole) return file.value()->seek(to, whence);
    Async<i64> found = file.value()->find_content(to, whence == Whence::hole);
    if (found.ready()) return move_to(*file.value(), found.take());
    return run(thread, [](Ref<File> held, Task<SysResult<i64>> task) -> Task<SysResult<u64>> {
        const SysResult<i64> answer = co_await std::move(task);
        co_return move_to(*held, answer);
    }(Ref<File>(file.value()), found.task()));
}

}  // namespace pith::lx
