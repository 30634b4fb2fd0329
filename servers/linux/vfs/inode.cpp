// SPDX-License-Identifier: MIT
// What an inode does that its file system does not say otherwise: fail as Linux does.
#include "servers/linux/vfs/inode.hpp"

#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/dentry.hpp"
#include "servers/linux/vfs/file.hpp"
#include "servers/linux/vfs/lock.hpp"
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

Timespec FileSystem::now() const {
    const i64 time = zone.realtime();
    return {time / 1'000'000'000, time % 1'000'000'000};
}

Inode::Inode(FileSystem& of, u64 inode_number, u32 file_mode)
    : mode(file_mode), file_system_(of), number_(inode_number) {
    access_time = modify_time = change_time = birth_time = of.now();
}

Inode::~Inode() = default;

Async<> Inode::set_attributes(const AttributeChange& change) {
    if (change.set_mode) mode = type() | (change.mode & 07777);
    if (change.set_uid) uid = change.uid;
    if (change.set_gid) gid = change.gid;
    if (change.set_access_time) access_time = change.access_time;
    if (change.set_modify_time) modify_time = change.modify_time;
    touch_change();
    return {};
}

Async<Ref<Inode>> Inode::lookup(std::string_view) { return Errno::ENOTDIR; }
Async<Ref<Inode>> Inode::create(std::string_view, const NewFile&) { return Errno::EPERM; }
Async<Ref<Inode>> Inode::create_symlink(std::string_view, std::string_view, const NewFile&) {
    return Errno::EPERM;
}
Async<Ref<Inode>> Inode::create_unnamed(const NewFile&) { return Errno::EOPNOTSUPP; }
Async<> Inode::link(std::string_view, Inode&) { return Errno::EPERM; }
Async<> Inode::unlink(std::string_view, Inode&) { return Errno::EPERM; }
Async<> Inode::remove_directory(std::string_view, Inode&) { return Errno::EPERM; }
Async<> Inode::rename(std::string_view, Inode&, Inode&, std::string_view, Inode*, bool) {
    return Errno::EPERM;
}
Async<> Inode::read_directory(u64&, DirectorySink&) { return Errno::ENOTDIR; }
Async<std::string> Inode::read_link(Thread&) { return Errno::EINVAL; }
SysResult<Path> Inode::follow(Thread&) { return Errno::EINVAL; }
Async<usize> Inode::read(i64, UserIo&) { return Errno::EINVAL; }
Async<usize> Inode::write(i64, UserIo&) { return Errno::EINVAL; }
Async<> Inode::truncate(i64) { return Errno::EINVAL; }
Async<> Inode::allocate(u32, i64, i64) { return Errno::EOPNOTSUPP; }

Async<i64> Inode::seek_data(i64 offset, bool hole) {
    if (offset < 0 || offset >= size_) return Errno::ENXIO;
    return hole ? size_ : offset;
}

Async<Ref<File>> Inode::open(Thread&, const Path& path, u32 flags) {
    if (directory()) return Ref<File>(Ref<DirectoryFile>::make(path, flags));
    if (regular()) return Ref<File>(Ref<RegularFile>::make(path, flags));
    return Errno::ENXIO;
}

void Inode::touch_access() {
    if (file_system_.read_only()) return;
    // relatime: only when it tells something new, or once a day.
    const auto not_after = [](const Timespec& a, const Timespec& b) {
        return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds <= b.nanoseconds);
    };
    const Timespec now = file_system_.now();
    if (not_after(access_time, modify_time) || not_after(access_time, change_time) ||
        now.seconds - access_time.seconds >= 86400) {
        access_time = now;
    }
}

void Inode::touch_modify() { modify_time = change_time = file_system_.now(); }

void Inode::touch_change() { change_time = file_system_.now(); }

SysResult<> Inode::open_for_write() {
    if (writers_ < 0) return Errno::ETXTBSY;
    ++writers_;
    return {};
}

void Inode::close_for_write() { --writers_; }

SysResult<> Inode::deny_write() {
    if (writers_ > 0) return Errno::ETXTBSY;
    --writers_;
    return {};
}

void Inode::allow_write() { ++writers_; }

}  // namespace pith::lx
