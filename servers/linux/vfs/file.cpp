// SPDX-License-Identifier: MIT
// Open file descriptions: what all kinds share, regular files, directories.
#include "servers/linux/vfs/file.hpp"

#include <algorithm>

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/epoll.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/lock.hpp"
#include "servers/linux/vfs/path.hpp"

namespace pith::lx {

File::File(Path file_path, u32 open_flags) : path(std::move(file_path)), flags(open_flags) {}

File::~File() {
    if (epoll_items != nullptr) forget_epoll_items(*this);
    if (inode().locks) inode().locks->release_description(*this);
    if (counted_writer) inode().close_for_write();
    if (denies_write) inode().allow_write();
}

Async<usize> File::read(Thread&, UserIo&&, i64) { return Errno::EINVAL; }
Async<usize> File::write(Thread&, UserIo&&, i64) { return Errno::EINVAL; }
SysResult<i64> File::seek(i64, Whence) { return Errno::ESPIPE; }
Async<i64> File::find_content(i64 from, bool hole) { return seek(from, hole ? Whence::hole : Whence::data); }
Async<u64> File::ioctl(Thread&, u32, u64) { return Errno::ENOTTY; }
Async<> File::synchronise(Thread&, bool data_only) { return inode().synchronise(data_only); }
u32 File::poll(Poller*) { return kPollIn | kPollOut | kPollReadNormal | kPollWriteNormal; }
SysResult<Ref<PageSource>> File::pages() { return Errno::ENODEV; }
SysResult<> File::flags_changed(u32) { return {}; }
Async<> File::last_close(Thread&) { return {}; }

void File::descriptor_closed(FileTable& table) {
    if (inode().locks) inode().locks->release_owner(&table);
}

std::string File::describe(const Path& root) const { return path_name(path, root); }

Async<usize> RegularFile::read(Thread&, UserIo&& io, i64 position) {
    if ((flags & O_NO_ACCESS_TIME) == 0) inode().touch_access();
    return inode().read(position, io);
}

SysResult<> RegularFile::check_limit(Thread& thread, UserIo& io, i64 position) {
    const u64 limit = thread.process.limit(Resource::fsize).soft;
    if (limit == kUnlimited) return {};
    if (static_cast<u64>(position) >= limit) {
        thread.send(SigInfo::kernel(kSigXfsz));
        return Errno::EFBIG;
    }
    io.limit(limit - static_cast<u64>(position));
    return {};
}

Async<usize> RegularFile::write(Thread& thread, UserIo&& io, i64 position) {
    if (io.remaining() == 0) return usize{0};
    PITH_CHECK(check_limit(thread, io, position));
    // Who writes to a program that is set-user-id, and is not root, takes that away.
    if ((inode().mode & (S_SETUID | S_SETGID)) != 0 && !thread.process.credentials.root()) {
        inode().mode &= ~S_SETUID;
        if ((inode().mode & 010) != 0) inode().mode &= ~S_SETGID;
    }
    return inode().write(position, io);
}

SysResult<i64> RegularFile::seek(i64 to, Whence whence) {
    i64 base = 0;
    switch (whence) {
        case Whence::set: break;
        case Whence::current: base = offset; break;
        case Whence::end: base = inode().size(); break;
        default: return Errno::EINVAL;
    }
    i64 result;
    if (__builtin_add_overflow(base, to, &result)) return Errno::EOVERFLOW;
    if (result < 0) return Errno::EINVAL;
    return offset = result;
}

Async<i64> RegularFile::find_content(i64 from, bool hole) { return inode().seek_data(from, hole); }

u32 RegularFile::poll(Poller*) { return kPollIn | kPollOut | kPollReadNormal | kPollWriteNormal; }

SysResult<Ref<PageSource>> RegularFile::pages() {
    Ref<PageSource> source = inode().pages();
    if (!source) return Errno::ENODEV;
    return source;
}

SysResult<i64> DirectoryFile::seek(i64 to, Whence whence) {
    i64 base = 0;
    if (whence == Whence::current) {
        base = offset;
    } else if (whence != Whence::set) {
        return Errno::EINVAL;
    }
    i64 result;
    if (__builtin_add_overflow(base, to, &result) || result < 0) return Errno::EINVAL;
    return offset = result;
}

Async<usize> DirectoryFile::read(Thread&, UserIo&&, i64) { return Errno::EISDIR; }

bool DirectoryFile::add_dots(DirectorySink& sink) {
    if (offset == 0) {
        if (!sink.add(".", inode().number(), S_DIRECTORY, 1)) return false;
        offset = 1;
    }
    if (offset == 1) {
        const Dentry* parent = path.dentry->parent().get();
        if (parent == nullptr && path.mount->point) parent = path.mount->point->parent().get();
        const u64 number = parent != nullptr ? parent->inode()->number() : inode().number();
        if (!sink.add("..", number, S_DIRECTORY, 2)) return false;
        offset = 2;
    }
    return true;
}

Async<> DirectoryFile::read_entries(DirectorySink& sink) {
    if (!path.dentry->linked()) return Errno::ENOENT;
    inode().touch_access();
    if (!add_dots(sink)) return {};
    u64 position = static_cast<u64>(offset);
    Async<> result = inode().read_directory(position, sink);
    offset = static_cast<i64>(position);
    return result;
}

}  // namespace pith::lx
