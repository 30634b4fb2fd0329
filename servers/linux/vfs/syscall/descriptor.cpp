// SPDX-License-Identifier: MIT
// Descriptors: close, dup, fcntl, ioctl, getdents, fsync, pipe, memfd_create; the working directory and the root.
#include <cstring>
#include <memory>
#include <vector>

#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"

namespace pith::lx {

Outcome sys_close(Thread& thread, const SyscallArgs& args) {
    FileTable& table = *thread.process.files;
    const i32 descriptor = as_int(args.a0);
    File* const file = table.find(descriptor);
    if (file == nullptr || file->kind() != FileKind::socket) return table.close(descriptor);
    const Ref<File> kept(file);
    if (const SysResult<> closed = table.close(descriptor); !closed.ok()) return closed;
    if (kept->ref_count() != 1) return 0;
    return finish(thread, zero_when_done(kept->last_close(thread)));
}

Outcome sys_close_range(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kUnshare = 2, kCloseExec = 4;
    const u32 first = as_unsigned(args.a0), last = as_unsigned(args.a1), flags = as_unsigned(args.a2);
    if ((flags & ~(kUnshare | kCloseExec)) != 0 || first > last) return Errno::EINVAL;
    if ((flags & kUnshare) != 0) thread.process.files = thread.process.files->copy();
    FileTable& table = *thread.process.files;
    for (i64 descriptor = first; descriptor < table.end() && descriptor <= i64{last}; ++descriptor) {
        const i32 number = static_cast<i32>(descriptor);
        if (table.find(number) == nullptr) continue;
        if ((flags & kCloseExec) != 0) table.set_close_on_exec(number, true);
        else static_cast<void>(table.close(number));
    }
    return 0;
}

Outcome sys_dup(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = any_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return thread.process.files->add(Ref<File>(file.value()), false, descriptor_limit(thread));
}

namespace {

Outcome duplicate(Thread& thread, i32 from, i32 to, bool close_on_exec) {
    FileTable& table = *thread.process.files;
    Ref<File> file(table.find(from));
    if (!file) return Errno::EBADF;
    if (const SysResult<> done = table.set(to, std::move(file), close_on_exec, descriptor_limit(thread));
        !done.ok())
        return done;
    return to;
}

}  // namespace

Outcome sys_dup2(Thread& thread, const SyscallArgs& args) {
    const i32 from = as_int(args.a0), to = as_int(args.a1);
    if (from == to) return thread.process.files->find(from) != nullptr ? Outcome(to) : Outcome(Errno::EBADF);
    return duplicate(thread, from, to, false);
}

Outcome sys_dup3(Thread& thread, const SyscallArgs& args) {
    const i32 from = as_int(args.a0), to = as_int(args.a1);
    const u32 flags = as_unsigned(args.a2);
    if ((flags & ~O_CLOSE_EXEC) != 0 || from == to) return Errno::EINVAL;
    return duplicate(thread, from, to, flags != 0);
}

namespace {

Outcome make_pipe_descriptors(Thread& thread, u64 address, u32 flags) {
    if ((flags & ~(O_CLOSE_EXEC | O_NON_BLOCK | O_DIRECT_IO)) != 0) return Errno::EINVAL;
    SysResult<PipeEnds> made = make_pipe(thread, flags & O_NON_BLOCK);
    if (!made.ok()) return made.error();
    FileTable& table = *thread.process.files;
    const bool close_on_exec = (flags & O_CLOSE_EXEC) != 0;
    i32 numbers[2];
    const SysResult<i32> first = table.add(std::move(made.value().read), close_on_exec,
                                           descriptor_limit(thread));
    if (!first.ok()) return first.error();
    numbers[0] = first.value();
    const SysResult<i32> second = table.add(std::move(made.value().write), close_on_exec,
                                            descriptor_limit(thread));
    if (!second.ok()) {
        static_cast<void>(table.close(numbers[0]));
        return second.error();
    }
    numbers[1] = second.value();
    if (const SysResult<> told = put(thread, address, numbers); !told.ok()) {
        static_cast<void>(table.close(numbers[0]));
        static_cast<void>(table.close(numbers[1]));
        return told;
    }
    return 0;
}

}  // namespace

Outcome sys_pipe(Thread& thread, const SyscallArgs& args) {
    return make_pipe_descriptors(thread, args.a0, 0);
}
Outcome sys_pipe2(Thread& thread, const SyscallArgs& args) {
    return make_pipe_descriptors(thread, args.a0, as_unsigned(args.a1));
}

Outcome sys_memfd_create(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kCloseExec = 1, kAllowSealing = 2, kNoExecSeal = 8, kExec = 16;
    const u32 flags = as_unsigned(args.a1);
    if ((flags & ~(kCloseExec | kAllowSealing | kNoExecSeal | kExec)) != 0) return Errno::EINVAL;
    const SysResult<std::string> name = get_string(thread, args.a0, 250, Errno::EINVAL);
    if (!name.ok()) return name.error();
    Vfs& vfs = *thread.zone().vfs;
    NewFile how;
    how.mode = S_REGULAR | ((flags & kNoExecSeal) != 0 ? 0666 : 0777);
    how.uid = thread.process.credentials.fsuid;
    how.gid = thread.process.credentials.fsgid;
    SysResult<Ref<Inode>> inode = vfs.device_mount->root->inode()->create_unnamed(how).take();
    if (!inode.ok()) return inode.error();
    if ((flags & (kAllowSealing | kNoExecSeal)) == 0) inode.value()->seals = kSealSeal;
    const Path path = vfs.anonymous_path(inode.value(), "/memfd:" + name.value() + " (deleted)");
    Ref<File> file = Ref<RegularFile>::make(path, O_READ_WRITE | O_LARGE_FILE);
    if (inode.value()->open_for_write().ok()) file->counted_writer = true;
    return thread.process.files->add(std::move(file), (flags & kCloseExec) != 0, descriptor_limit(thread));
}

Outcome sys_ioctl(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> found = open_file(thread, args.a0);
    if (!found.ok()) return found.error();
    File& file = *found.value();
    switch (const u32 command = as_unsigned(args.a1)) {
        case kFioclex: thread.process.files->set_close_on_exec(as_int(args.a0), true); return 0;
        case kFionclex: thread.process.files->set_close_on_exec(as_int(args.a0), false); return 0;
        case kFionbio: {
            const SysResult<i32> on = get<i32>(thread, args.a2);
            if (!on.ok()) return on.error();
            file.flags = on.value() != 0 ? file.flags | O_NON_BLOCK : file.flags & ~O_NON_BLOCK;
            return 0;
        }
        case kFioasync: {
            const SysResult<i32> on = get<i32>(thread, args.a2);
            if (!on.ok()) return on.error();
            const u32 flags = on.value() != 0 ? file.flags | O_ASYNC_IO : file.flags & ~O_ASYNC_IO;
            if (flags != file.flags && !file.pollable()) return Errno::ENOTTY;
            file.flags = flags;
            return 0;
        }
        case kFigetbsz:
            if (!file.inode().regular() && !file.inode().directory()) break;
            return put(thread, args.a2, static_cast<i32>(file.inode().file_system().block_size()));
        case kFionread:
            if (!file.inode().regular()) break;
            return put(thread, args.a2, static_cast<i32>(file.inode().size() - file.offset));
        default: static_cast<void>(command); break;
    }
    Async<u64> result = file.ioctl(thread, as_unsigned(args.a1), args.a2);
    if (result.ready()) return Outcome(result.take());
    return run(thread, [](Ref<File>, Task<SysResult<u64>> task) -> Task<SysResult<u64>> {
        co_return co_await std::move(task);
    }(Ref<File>(&file), result.task()));
}

namespace {

/// Lays directory entries out as getdents64 or the old getdents do.
class EntryBuffer : public DirectorySink {
  public:
    EntryBuffer(usize room, bool old_layout) : room_(room), old_(old_layout) {}
    bool add(std::string_view name, u64 number, u32 mode_type, u64 next) override {
        const usize fixed = old_ ? 18 : 19;
        const usize length = (fixed + name.size() + (old_ ? 2 : 1) + 7) & ~usize{7};
        if (bytes_.size() + length > room_) {
            full_ = true;
            return false;
        }
        const usize at = bytes_.size();
        bytes_.resize(at + length);
        u8* entry = bytes_.data() + at;
        const u16 size = static_cast<u16>(length);
        const u8 type = static_cast<u8>(mode_type >> 12);
        std::memcpy(entry, &number, 8);
        std::memcpy(entry + 8, &next, 8);
        std::memcpy(entry + 16, &size, 2);
        if (old_) entry[length - 1] = type;
        else entry[18] = type;
        std::memcpy(entry + fixed - (old_ ? 0 : 0), name.data(), name.size());
        return true;
    }
    bool full() const { return full_; }
    const std::vector<u8>& bytes() const { return bytes_; }

  private:
    std::vector<u8> bytes_;
    usize room_;
    bool old_;
    bool full_ = false;
};

SysResult<u64> give_entries(Thread& thread, const EntryBuffer& buffer, u64 to) {
    if (buffer.bytes().empty()) return buffer.full() ? SysResult<u64>(Errno::EINVAL) : SysResult<u64>(u64{0});
    PITH_CHECK(copy_out(thread, to, buffer.bytes().data(), buffer.bytes().size()));
    return buffer.bytes().size();
}

Outcome read_entries(Thread& thread, const SyscallArgs& args, bool old_layout) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (!file.value()->inode().directory()) return Errno::ENOTDIR;
    auto& directory = static_cast<DirectoryFile&>(*file.value());
    constexpr usize kMost = 32768;
    auto buffer = std::make_unique<EntryBuffer>(std::min<usize>(as_unsigned(args.a2), kMost), old_layout);
    Async<> result = directory.read_entries(*buffer);
    if (result.ready()) {
        if (const SysResult<> done = result.take(); !done.ok()) return done;
        return give_entries(thread, *buffer, args.a1);
    }
    return run(thread,
               [](Thread& reader, Ref<File>, std::unique_ptr<EntryBuffer> entries, u64 to,
                  Task<SysResult<>> task) -> Task<SysResult<u64>> {
                   PITH_CO_CHECK(co_await std::move(task));
                   co_return give_entries(reader, *entries, to);
               }(thread, Ref<File>(file.value()), std::move(buffer), args.a1, result.task()));
}

}  // namespace

Outcome sys_getdents(Thread& thread, const SyscallArgs& args) { return read_entries(thread, args, true); }
Outcome sys_getdents64(Thread& thread, const SyscallArgs& args) { return read_entries(thread, args, false); }

namespace {

Outcome synchronise(Thread& thread, u64 descriptor, bool data_only) {
    const SysResult<File*> file = open_file(thread, descriptor);
    if (!file.ok()) return file.error();
    const Inode& inode = file.value()->inode();
    if (!inode.regular() && !inode.directory() && inode.type() != S_BLOCK) return Errno::EINVAL;
    return finish(thread, file.value()->synchronise(thread, data_only));
}

Task<SysResult<u64>> synchronise_all(Thread& thread) {
    for (const Ref<Mount>& mount : std::vector<Ref<Mount>>(thread.zone().vfs->mounts)) {
        static_cast<void>(PITH_AWAIT(mount->file_system->synchronise()));
    }
    if (Disks* disks = thread.zone().vfs->disks.get()) static_cast<void>(co_await disks->flush());
    co_return u64{0};
}

}  // namespace

Outcome sys_fsync(Thread& thread, const SyscallArgs& args) { return synchronise(thread, args.a0, false); }
Outcome sys_fdatasync(Thread& thread, const SyscallArgs& args) { return synchronise(thread, args.a0, true); }
Outcome sys_sync(Thread& thread, const SyscallArgs&) { return run(thread, synchronise_all(thread)); }
Outcome sys_syncfs(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return finish(thread, file.value()->inode().file_system().synchronise());
}
Outcome sys_sync_file_range(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if ((args.a3 & ~u64{7}) != 0 || static_cast<i64>(args.a1) < 0 || static_cast<i64>(args.a2) < 0)
        return Errno::EINVAL;
    if (!file.value()->inode().regular()) return Errno::ESPIPE;
    return finish(thread, file.value()->inode().synchronise(true));
}
Outcome sys_fadvise64(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (file.value()->inode().type() == S_FIFO) return Errno::ESPIPE;
    if (static_cast<i64>(args.a2) < 0 || as_unsigned(args.a3) > 5) return Errno::EINVAL;
    return 0;
}
Outcome sys_readahead(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (!file.value()->readable()) return Errno::EBADF;
    return file.value()->inode().regular() ? Errno::ok : Errno::EINVAL;
}

Outcome sys_umask(Thread& thread, const SyscallArgs& args) {
    return std::exchange(thread.process.fs->umask, as_unsigned(args.a0) & 0777);
}

namespace {

SysResult<> check_enter(Thread& thread, const Path& path) {
    if (!path.inode().directory()) return Errno::ENOTDIR;
    return check_access(thread.process.credentials, path, kMayExecute);
}

Async<u64> call_chdir(Thread& thread, const SyscallArgs& args) {
    const std::string name = PITH_TRY(get_path(thread, args.a0));
    Path path = PITH_TRY(walk(thread, kAtCwd, name));
    PITH_CHECK(check_enter(thread, path));
    thread.process.fs->working = std::move(path);
    return u64{0};
}

Async<u64> call_chroot(Thread& thread, const SyscallArgs& args) {
    const std::string name = PITH_TRY(get_path(thread, args.a0));
    Path path = PITH_TRY(walk(thread, kAtCwd, name));
    PITH_CHECK(check_enter(thread, path));
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    thread.process.fs->root = std::move(path);
    return u64{0};
}

}  // namespace

PITH_PATH_SYSCALL(chdir)
PITH_PATH_SYSCALL(chroot)

Outcome sys_fchdir(Thread& thread, const SyscallArgs& args) {
    const SysResult<File*> file = any_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if (const SysResult<> allowed = check_enter(thread, file.value()->path); !allowed.ok()) return allowed;
    thread.process.fs->working = file.value()->path;
    return 0;
}

Outcome sys_getcwd(Thread& thread, const SyscallArgs& args) {
    const FsContext& context = *thread.process.fs;
    if (!context.working.dentry->linked()) return Errno::ENOENT;
    std::string name = path_name(context.working, context.root);
    if (!reachable(context.working, context.root)) name.insert(0, "(unreachable)");
    if (name.size() + 1 > kPathMax) return Errno::ENAMETOOLONG;
    if (name.size() + 1 > args.a1) return Errno::ERANGE;
    if (const SysResult<> told = copy_out(thread, args.a0, name.c_str(), name.size() + 1); !told.ok())
        return told;
    return name.size() + 1;
}

}  // namespace pith::lx
