// SPDX-License-Identifier: MIT
// Names: mkdir, rmdir, mknod, unlink, link, symlink, rename.
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

using Kind = LastComponent::Kind;

/// The place of a name that is to be created. EEXIST, and what creating needs.
SysResult<LastComponent> place_to_create(Thread& thread, i32 directory, std::string_view path,
                                         bool may_end_in_slash) {
    LastComponent last = PITH_TRY(walk_to_last(thread, directory, path));
    if (last.kind != Kind::normal) return Errno::EEXIST;
    if (may_try_to_create(thread, last)) return last;
    const SysResult<Path> found = look_up(thread, last.directory, last.name);
    if (found.ok()) return Errno::EEXIST;
    if (found.error() != Errno::ENOENT) return found.error();
    if (last.trailing_slash && !may_end_in_slash) return Errno::ENOENT;
    if (!last.directory.dentry->linked() || last.directory.inode().file_system().fixed_names())
        return Errno::ENOENT;
    return last;
}

SysResult<LastComponent> place_to_create(Thread& thread, u64 directory, u64 path_address,
                                         bool may_end_in_slash) {
    const std::string path = PITH_TRY(get_path(thread, path_address));
    return place_to_create(thread, as_int(directory), path, may_end_in_slash);
}

SysResult<> check_create(Thread& thread, const LastComponent& last) {
    return check_access(thread.process.credentials, last.directory, kMayWrite | kMayExecute);
}

/// Waits for a new inode, and makes its dentry.
Async<Path> made_path(Thread& thread, const LastComponent& last, Async<Ref<Inode>> creation) {
    DentryCache& dentries = thread.zone().vfs->dentries;
    if (creation.ready()) {
        const Ref<Inode> inode = PITH_TRY(creation.take());
        return Path{last.directory.mount, dentries.add(last.directory.dentry, last.name, inode)};
    }
    return [](DentryCache& cache, LastComponent place,
              Task<SysResult<Ref<Inode>>> task) -> Task<SysResult<Path>> {
        const Ref<Inode> inode = PITH_CO_TRY(co_await std::move(task));
        co_return Path{place.directory.mount, cache.add(place.directory.dentry, place.name, inode)};
    }(dentries, last, creation.task());
}

Async<u64> without_path(Async<Path> made) {
    if (made.ready()) {
        PITH_CHECK(made.take());
        return u64{0};
    }
    return [](Task<SysResult<Path>> task) -> Task<SysResult<u64>> {
        PITH_CO_CHECK(co_await std::move(task));
        co_return u64{0};
    }(made.task());
}

Async<u64> made(Thread& thread, const LastComponent& last, Async<Ref<Inode>> creation) {
    return without_path(made_path(thread, last, std::move(creation)));
}

Async<u64> make_directory(Thread& thread, u64 directory, u64 path, u32 mode) {
    const LastComponent last = PITH_TRY(place_to_create(thread, directory, path, true));
    PITH_CHECK(check_create(thread, last));
    Inode& parent = last.directory.inode();
    return made(thread, last,
                parent.create(last.name, new_file(thread, parent, S_DIRECTORY | (mode & 01777))));
}

}  // namespace

Async<Path> create_node(Thread& thread, i32 directory, std::string_view path, u32 mode, u64 device) {
    const u32 type = mode & S_TYPE;
    const LastComponent last = PITH_TRY(place_to_create(thread, directory, path, false));
    PITH_CHECK(check_create(thread, last));
    if ((type == S_CHARACTER || type == S_BLOCK) && !thread.process.credentials.root()) return Errno::EPERM;
    Inode& parent = last.directory.inode();
    return made_path(thread, last, parent.create(last.name, new_file(thread, parent, mode, device)));
}

namespace {

Async<u64> make_node(Thread& thread, u64 directory, u64 path_address, u32 mode, u32 device) {
    const u32 type = (mode & S_TYPE) != 0 ? mode & S_TYPE : S_REGULAR;
    const bool special = type == S_CHARACTER || type == S_BLOCK;
    if (type == S_DIRECTORY) return Errno::EPERM;
    if (!special && type != S_REGULAR && type != S_FIFO && type != S_SOCKET) return Errno::EINVAL;
    const u64 number = special ? make_device(device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00))
                               : 0;
    const std::string path = PITH_TRY(get_path(thread, path_address));
    return without_path(create_node(thread, as_int(directory), path, type | (mode & 07777), number));
}

Async<u64> make_symlink(Thread& thread, u64 target_address, u64 directory, u64 path) {
    const std::string target = PITH_TRY(get_path(thread, target_address));
    if (target.empty()) return Errno::ENOENT;
    const LastComponent last = PITH_TRY(place_to_create(thread, directory, path, false));
    PITH_CHECK(check_create(thread, last));
    Inode& parent = last.directory.inode();
    NewFile file = new_file(thread, parent, S_SYMLINK | 0777);
    file.mode = S_SYMLINK | 0777;
    return made(thread, last, parent.create_symlink(last.name, target, file));
}

Async<u64> make_link(Thread& thread, u64 old_directory, u64 old_path, u64 directory, u64 path, u32 flags) {
    if ((flags & ~(kAtSymlinkFollow | kAtEmptyPath)) != 0) return Errno::EINVAL;
    const u32 walk_flags = ((flags & kAtSymlinkFollow) != 0 ? kFollow : 0) |
                           ((flags & kAtEmptyPath) != 0 ? kEmptyPath : 0);
    const std::string old_name = PITH_TRY(get_path(thread, old_path));
    const Path old = PITH_TRY(walk(thread, as_int(old_directory), old_name, walk_flags));
    const LastComponent last = PITH_TRY(place_to_create(thread, directory, path, false));
    if (!(old.mount == last.directory.mount)) return Errno::EXDEV;
    PITH_CHECK(check_create(thread, last));
    if (&old.inode().file_system() != &last.directory.inode().file_system()) return Errno::EXDEV;
    if (old.inode().directory()) return Errno::EPERM;
    if (old.inode().links == 0 && !old.inode().linkable) return Errno::ENOENT;
    Vfs* vfs = thread.zone().vfs;
    return after(last.directory.inode().link(last.name, old.inode()),
                 [vfs, parent = last.directory.dentry, name = last.name, inode = Ref<Inode>(&old.inode())] {
                     inode->linkable = false;
                     vfs->dentries.add(parent, name, inode);
                 });
}

Async<u64> remove_file(Thread& thread, u64 directory, u64 path_address) {
    const std::string path = PITH_TRY(get_path(thread, path_address));
    const LastComponent last = PITH_TRY(walk_to_last(thread, as_int(directory), path));
    if (last.kind != Kind::normal) return Errno::EISDIR;
    const Path found = PITH_TRY(look_up(thread, last.directory, last.name));
    if (last.trailing_slash) return found.inode().directory() ? Errno::EISDIR : Errno::ENOTDIR;
    PITH_CHECK(check_remove(thread.process.credentials, last.directory, found.inode()));
    if (found.inode().directory()) return Errno::EISDIR;
    if (found.dentry->mounts != 0 || !(found.mount == last.directory.mount)) return Errno::EBUSY;
    Vfs* vfs = thread.zone().vfs;
    return after(last.directory.inode().unlink(last.name, found.inode()),
                 [vfs, dentry = found.dentry] { vfs->dentries.removed(*dentry); });
}

Async<u64> remove_directory(Thread& thread, u64 directory, u64 path_address) {
    const std::string path = PITH_TRY(get_path(thread, path_address));
    const LastComponent last = PITH_TRY(walk_to_last(thread, as_int(directory), path));
    switch (last.kind) {
        case Kind::dot: return Errno::EINVAL;
        case Kind::dot_dot: return Errno::ENOTEMPTY;
        case Kind::root: return Errno::EBUSY;
        case Kind::normal: break;
    }
    const Path found = PITH_TRY(look_up(thread, last.directory, last.name));
    PITH_CHECK(check_remove(thread.process.credentials, last.directory, found.inode()));
    if (!found.inode().directory()) return Errno::ENOTDIR;
    if (found.dentry->mounts != 0 || !(found.mount == last.directory.mount)) return Errno::EBUSY;
    Vfs* vfs = thread.zone().vfs;
    return after(last.directory.inode().remove_directory(last.name, found.inode()),
                 [vfs, dentry = found.dentry] { vfs->dentries.removed(*dentry); });
}

constexpr u32 kNoReplace = 1, kExchange = 2, kWhiteout = 4;

/// Is `above` the directory `below`, or a directory over it?
bool ancestor(const Dentry& above, const Dentry* below) {
    for (; below != nullptr; below = below->parent().get()) {
        if (below == &above) return true;
    }
    return false;
}

/// What must hold before `old` takes the place of `fresh` (which may be empty).
SysResult<> check_rename(Thread& thread, const LastComponent& from, const Path& old, const LastComponent& to,
                         const Path& fresh, u32 flags) {
    const Credentials& credentials = thread.process.credentials;
    const bool exchange = (flags & kExchange) != 0;
    PITH_CHECK(check_remove(credentials, from.directory, old.inode()));
    if (fresh) {
        PITH_CHECK(check_remove(credentials, to.directory, fresh.inode()));
        if (!exchange && old.inode().directory() && !fresh.inode().directory()) return Errno::ENOTDIR;
        if (!exchange && !old.inode().directory() && fresh.inode().directory()) return Errno::EISDIR;
    } else {
        if (!to.directory.dentry->linked()) return Errno::ENOENT;
        PITH_CHECK(check_access(credentials, to.directory, kMayWrite | kMayExecute));
    }
    if (!(from.directory == to.directory)) {
        if (old.inode().directory()) PITH_CHECK(check_access(credentials, old, kMayWrite));
        if (exchange && fresh.inode().directory()) PITH_CHECK(check_access(credentials, fresh, kMayWrite));
    }
    const bool old_mounted = !(old.mount == from.directory.mount) || old.dentry->mounts != 0;
    if (old_mounted || (fresh && (!(fresh.mount == to.directory.mount) || fresh.dentry->mounts != 0)))
        return Errno::EBUSY;
    return {};
}

Async<u64> rename_path(Thread& thread, u64 old_directory, u64 old_path, u64 new_directory, u64 new_path,
                       u32 flags) {
    if ((flags & ~(kNoReplace | kExchange | kWhiteout)) != 0) return Errno::EINVAL;
    if ((flags & kExchange) != 0 && (flags & (kNoReplace | kWhiteout)) != 0) return Errno::EINVAL;
    if ((flags & kWhiteout) != 0) return Errno::EINVAL;
    const std::string old_name = PITH_TRY(get_path(thread, old_path));
    const std::string new_name = PITH_TRY(get_path(thread, new_path));
    const LastComponent from = PITH_TRY(walk_to_last(thread, as_int(old_directory), old_name));
    const LastComponent to = PITH_TRY(walk_to_last(thread, as_int(new_directory), new_name));
    if (!(from.directory.mount == to.directory.mount)) return Errno::EXDEV;
    if (from.kind != Kind::normal) return Errno::EBUSY;
    if (to.kind != Kind::normal) return (flags & kNoReplace) != 0 ? Errno::EEXIST : Errno::EBUSY;
    const bool exchange = (flags & kExchange) != 0;
    const Path old = PITH_TRY(look_up(thread, from.directory, from.name));
    SysResult<Path> target = look_up(thread, to.directory, to.name);
    if (!target.ok() && target.error() != Errno::ENOENT) return target.error();
    const Path fresh = target.ok() ? std::move(target).value() : Path{};
    if (fresh && (flags & kNoReplace) != 0) return Errno::EEXIST;
    if (!fresh && exchange) return Errno::ENOENT;
    if (exchange && to.trailing_slash && !fresh.inode().directory()) return Errno::ENOTDIR;
    if (!old.inode().directory()) {
        if (from.trailing_slash || (!exchange && to.trailing_slash)) return Errno::ENOTDIR;
    }
    if (ancestor(*old.dentry, to.directory.dentry.get())) return Errno::EINVAL;
    if (fresh && ancestor(*fresh.dentry, from.directory.dentry.get()))
        return exchange ? Errno::EINVAL : Errno::ENOTEMPTY;
    if (fresh && &fresh.inode() == &old.inode()) return u64{0};
    PITH_CHECK(check_rename(thread, from, old, to, fresh, flags));
    Vfs* vfs = thread.zone().vfs;
    Async<> moved = from.directory.inode().rename(from.name, old.inode(), to.directory.inode(), to.name,
                                                  fresh ? &fresh.inode() : nullptr, exchange);
    return after(std::move(moved), [vfs, exchange, moving = old.dentry, replaced = fresh.dentry,
                                    parent = to.directory.dentry, name = to.name] {
        if (exchange) return vfs->dentries.exchange(*moving, *replaced);
        if (replaced) vfs->dentries.remove(*replaced);
        vfs->dentries.move(*moving, parent, name);
    });
}

constexpr u64 kHere = static_cast<u64>(kAtCwd);

Async<u64> call_mkdir(Thread& thread, const SyscallArgs& a) {
    return make_directory(thread, kHere, a.a0, as_unsigned(a.a1));
}
Async<u64> call_mkdirat(Thread& thread, const SyscallArgs& a) {
    return make_directory(thread, a.a0, a.a1, as_unsigned(a.a2));
}
Async<u64> call_mknod(Thread& thread, const SyscallArgs& a) {
    return make_node(thread, kHere, a.a0, as_unsigned(a.a1), as_unsigned(a.a2));
}
Async<u64> call_mknodat(Thread& thread, const SyscallArgs& a) {
    return make_node(thread, a.a0, a.a1, as_unsigned(a.a2), as_unsigned(a.a3));
}
Async<u64> call_symlink(Thread& thread, const SyscallArgs& a) {
    return make_symlink(thread, a.a0, kHere, a.a1);
}
Async<u64> call_symlinkat(Thread& thread, const SyscallArgs& a) {
    return make_symlink(thread, a.a0, a.a1, a.a2);
}
Async<u64> call_link(Thread& thread, const SyscallArgs& a) {
    return make_link(thread, kHere, a.a0, kHere, a.a1, 0);
}
Async<u64> call_linkat(Thread& thread, const SyscallArgs& a) {
    return make_link(thread, a.a0, a.a1, a.a2, a.a3, as_unsigned(a.a4));
}
Async<u64> call_unlink(Thread& thread, const SyscallArgs& a) { return remove_file(thread, kHere, a.a0); }
Async<u64> call_rmdir(Thread& thread, const SyscallArgs& a) { return remove_directory(thread, kHere, a.a0); }
Async<u64> call_unlinkat(Thread& thread, const SyscallArgs& a) {
    const u32 flags = as_unsigned(a.a2);
    if ((flags & ~kAtRemoveDir) != 0) return Errno::EINVAL;
    return flags != 0 ? remove_directory(thread, a.a0, a.a1) : remove_file(thread, a.a0, a.a1);
}
Async<u64> call_rename(Thread& thread, const SyscallArgs& a) {
    return rename_path(thread, kHere, a.a0, kHere, a.a1, 0);
}
Async<u64> call_renameat(Thread& thread, const SyscallArgs& a) {
    return rename_path(thread, a.a0, a.a1, a.a2, a.a3, 0);
}
Async<u64> call_renameat2(Thread& thread, const SyscallArgs& a) {
    return rename_path(thread, a.a0, a.a1, a.a2, a.a3, as_unsigned(a.a4));
}

}  // namespace

PITH_PATH_SYSCALL(mkdir)
PITH_PATH_SYSCALL(mkdirat)
PITH_PATH_SYSCALL(mknod)
PITH_PATH_SYSCALL(mknodat)
PITH_PATH_SYSCALL(symlink)
PITH_PATH_SYSCALL(symlinkat)
PITH_PATH_SYSCALL(link)
PITH_PATH_SYSCALL(linkat)
PITH_PATH_SYSCALL(unlink)
PITH_PATH_SYSCALL(unlinkat)
PITH_PATH_SYSCALL(rmdir)
PITH_PATH_SYSCALL(rename)
PITH_PATH_SYSCALL(renameat)
PITH_PATH_SYSCALL(renameat2)

}  // namespace pith::lx
