// SPDX-License-Identifier: MIT
// From file to file: sendfile, splice, tee, vmsplice, copy_file_range.
#include <algorithm>
#include <memory>

#include "servers/linux/net/socket.hpp"
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

constexpr usize kBounce = 65536;

/// Where one side of a transfer is: the file's own offset, or one in the program's memory.
struct Side {
    Ref<File> file;
    u64 offset_at = 0;  ///< address of the offset; 0: the file's own
    i64 position = 0;

    SysResult<> load(Thread& thread) {
        position = file->offset;
        if (offset_at != 0) position = PITH_TRY(get<i64>(thread, offset_at));
        return position < 0 ? SysResult<>(Errno::EINVAL) : SysResult<>();
    }
    SysResult<> store(Thread& thread) const {
        if (offset_at != 0) return put(thread, offset_at, position);
        if (file->seekable()) file->offset = position;
        return {};
    }
};

/// Copies until `count` bytes are through, the source ends, or either side will not go on. What was read but could
/// not be written is read again by whoever comes next, if the source is a file that seeks. Others are read once: what they have now (`at_once`:
/// a socket does not wait for it).
Task<SysResult<u64>> pump(Thread& thread, Side from, Side to, usize count, bool at_once) {
    auto buffer = std::make_unique_for_overwrite<u8[]>(std::min(count, kBounce));
    u64 done = 0;
    Errno error = Errno::ok;
    while (done < count && error == Errno::ok) {
        UserIo input = UserIo::kernel(buffer.get(), std::min<usize>(count - done, kBounce));
        Socket* socket = at_once ? socket_of(*from.file) : nullptr;
        ReceiveExtras extras;
        extras.flags = kMsgDontWait;
        const SysResult<usize> got = socket != nullptr
                                         ? PITH_AWAIT(socket->receive(thread, std::move(input), extras))
                                         : PITH_AWAIT(
                                               from.file->read(thread, std::move(input), from.position));
        if (!got.ok()) error = got.error();
        if (!got.ok() || got.value() == 0) break;
        usize written = 0;
        while (written < got.value()) {
            UserIo output = UserIo::kernel(buffer.get() + written, got.value() - written);
            const i64 at = to.file->seekable() ? to.position : -1;
            const SysResult<usize> put_out = PITH_AWAIT(to.file->write(thread, std::move(output), at));
            if (!put_out.ok()) {
                error = put_out.error();
                break;
            }
            written += put_out.value();
            to.position += static_cast<i64>(put_out.value());
        }
        done += written;
        from.position += static_cast<i64>(written);
        if (!from.file->seekable()) break;
    }
    if (done == 0 && error != Errno::ok) co_return error;
    PITH_CO_CHECK(from.store(thread));
    PITH_CO_CHECK(to.store(thread));
    co_return done;
}

/// The same from a pipe, which gives up only what has been written.
Task<SysResult<u64>> drain_pipe(Thread& thread, Side from, Side to, usize count, bool nonblocking) {
    Pipe& pipe = *pipe_of(*from.file);
    while (pipe.used() == 0) {
        if (pipe.writers == 0) co_return u64{0};
        if (nonblocking) co_return Errno::EAGAIN;
        PITH_CO_CHECK(co_await wait_on(thread, pipe.read_queue));
    }
    auto buffer = std::make_unique_for_overwrite<u8[]>(kBounce);
    u64 done = 0;
    while (done < count && pipe.used() != 0) {
        const usize piece = pipe.peek(0, buffer.get(), std::min<usize>(count - done, kBounce));
        UserIo output = UserIo::kernel(buffer.get(), piece);
        const SysResult<usize> written = PITH_AWAIT(
            to.file->write(thread, std::move(output), to.file->seekable() ? to.position : -1));
        if (!written.ok() || written.value() == 0) {
            if (done == 0 && !written.ok()) co_return written.error();
            break;
        }
        UserIo gone = UserIo::kernel(buffer.get(), written.value());
        PITH_CO_TRY(pipe.take(gone));
        pipe.changed_for_writers();
        to.position += static_cast<i64>(written.value());
        done += written.value();
    }
    PITH_CO_CHECK(to.store(thread));
    co_return done;
}

Outcome start_pump(Thread& thread, Side from, Side to, usize count, bool at_once = false) {
    if (const SysResult<> loaded = from.load(thread); !loaded.ok()) return loaded;
    if (const SysResult<> loaded = to.load(thread); !loaded.ok()) return loaded;
    if (count == 0) return 0;
    return run(thread, pump(thread, std::move(from), std::move(to), std::min(count, kMaxReadWrite), at_once));
}

}  // namespace

Outcome sys_sendfile(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> in = open_file(thread, args.a1);
    if (!in.ok()) return in.error();
    if (!in.value()->readable()) return Errno::EBADF;
    const SysResult<File*> out = open_file(thread, args.a0);
    if (!out.ok()) return out.error();
    if (!out.value()->writable()) return Errno::EBADF;
    if (!in.value()->seekable()) return args.a2 != 0 ? Errno::ESPIPE : Errno::EINVAL;
    if ((out.value()->flags & O_APPENDING) != 0) return Errno::EINVAL;
    return start_pump(thread, {Ref<File>(in.value()), args.a2, 0}, {Ref<File>(out.value()), 0, 0}, args.a3);
}

Outcome sys_copy_file_range(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> in = open_file(thread, args.a0);
    if (!in.ok()) return in.error();
    const SysResult<File*> out = open_file(thread, args.a2);
    if (!out.ok()) return out.error();
    if (args.a5 != 0) return Errno::EINVAL;
    Side from{Ref<File>(in.value()), args.a1, 0}, to{Ref<File>(out.value()), args.a3, 0};
    const Inode& source = from.file->inode();
    const Inode& target = to.file->inode();
    if (source.directory() || target.directory()) return Errno::EISDIR;
    if (!source.regular() || !target.regular()) return Errno::EINVAL;
    if (!from.file->readable() || !to.file->writable() || (to.file->flags & O_APPENDING) != 0)
        return Errno::EBADF;
    if (const SysResult<> loaded = from.load(thread); !loaded.ok()) return loaded;
    if (const SysResult<> loaded = to.load(thread); !loaded.ok()) return loaded;
    if (&source == &target) {
        const i64 length = static_cast<i64>(std::min<u64>(args.a4, kMaxReadWrite));
        if (from.position < to.position + length && to.position < from.position + length)
            return Errno::EINVAL;
    }
    return start_pump(thread, std::move(from), std::move(to), args.a4);
}

Outcome sys_splice(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kNonBlock = 2;
    if ((args.a5 & ~u64{15}) != 0) return Errno::EINVAL;
    if (args.a4 == 0) return 0;
    const SysResult<File*> in = open_file(thread, args.a0);
    if (!in.ok()) return in.error();
    const SysResult<File*> out = open_file(thread, args.a2);
    if (!out.ok()) return out.error();
    Side from{Ref<File>(in.value()), args.a1, 0}, to{Ref<File>(out.value()), args.a3, 0};
    if (!from.file->readable() || !to.file->writable()) return Errno::EBADF;
    Pipe* source = pipe_of(*from.file);
    Pipe* target = pipe_of(*to.file);
    if (source == nullptr && target == nullptr) return Errno::EINVAL;
    if ((source != nullptr && args.a1 != 0) || (target != nullptr && args.a3 != 0)) return Errno::ESPIPE;
    if (source == target) return Errno::EINVAL;
    if ((to.file->flags & O_APPENDING) != 0 && target == nullptr) return Errno::EINVAL;
    if ((args.a1 != 0 && !from.file->seekable()) || (args.a3 != 0 && !to.file->seekable()))
        return Errno::EINVAL;
    const usize count = std::min(args.a4, kMaxReadWrite);
    if (source != nullptr) {
        if (const SysResult<> loaded = to.load(thread); !loaded.ok()) return loaded;
        const bool nonblocking = (args.a5 & kNonBlock) != 0 || from.file->nonblocking();
        return run(thread, drain_pipe(thread, std::move(from), std::move(to), count, nonblocking));
    }
    // What does not fit the pipe now is left to the next call.
    if (target->room() == 0 && ((args.a5 & kNonBlock) != 0 || to.file->nonblocking())) return Errno::EAGAIN;
    return start_pump(thread, std::move(from), std::move(to),
                      std::min(count, std::max<usize>(target->room(), 1)), (args.a5 & kNonBlock) != 0);
}

Outcome sys_tee(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kNonBlock = 2;
    if ((args.a3 & ~u64{15}) != 0) return Errno::EINVAL;
    const SysResult<File*> in = open_file(thread, args.a0);
    if (!in.ok()) return in.error();
    const SysResult<File*> out = open_file(thread, args.a1);
    if (!out.ok()) return out.error();
    if (!in.value()->readable() || !out.value()->writable()) return Errno::EBADF;
    Pipe* source = pipe_of(*in.value());
    Pipe* target = pipe_of(*out.value());
    if (source == nullptr || target == nullptr || source == target) return Errno::EINVAL;
    if (args.a2 == 0) return 0;
    const bool nonblocking = (args.a3 & kNonBlock) != 0;
    return run(
        thread,
        [](Thread& copying, Ref<File> from, Ref<File> to, usize count, bool at_once) -> Task<SysResult<u64>> {
            Pipe& first = *pipe_of(*from);
            Pipe& second = *pipe_of(*to);
            while (first.used() == 0 || second.room() == 0) {
                if (first.used() == 0 && first.writers == 0) co_return u64{0};
                if (second.readers == 0) {
                    copying.send(SigInfo::kernel(kSigPipe));
                    co_return Errno::EPIPE;
                }
                if (at_once) co_return Errno::EAGAIN;
                PITH_CO_CHECK(
                    co_await wait_on(copying, first.used() == 0 ? first.read_queue : second.write_queue));
            }
            count = std::min({count, first.used(), second.room(), kBounce});
            auto buffer = std::make_unique_for_overwrite<u8[]>(count);
            UserIo io = UserIo::kernel(buffer.get(), first.peek(0, buffer.get(), count));
            const usize done = PITH_CO_TRY(second.add(io));
            second.changed_for_readers();
            co_return done;
        }(thread, Ref<File>(in.value()), Ref<File>(out.value()), std::min(args.a2, kMaxReadWrite),
                                                                                     nonblocking));
}

}  // namespace pith::lx
