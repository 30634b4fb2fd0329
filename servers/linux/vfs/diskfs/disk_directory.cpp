// SPDX-License-Identifier: MIT
// Directories: who looks enters the directory's gate together with others, who changes it alone. So what is found is so until whoever asked
// has made a dentry of it.
#include <utility>

#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/vfs/diskfs/disk_inode.hpp"
#include "servers/linux/vfs/diskfs/open_file.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

FsNewFile to_fs(const NewFile& file) {
    return {file.mode, file.uid, file.gid, u64{device_major(file.device)} << 32 | device_minor(file.device)};
}

Task<SysResult<Gate::Hold>> enter(Gate& gate, bool alone) {
    if (!gate.try_enter(alone)) PITH_CO_CHECK(co_await gate.enter(alone));
    co_return Gate::Hold(gate);
}

}  // namespace

/// The host may refuse it, and it is open(2) that is to tell.
Task<SysResult<Ref<File>>> DiskDirectory::open_allowed(Self self, Path path, u32 flags) {
    alignas(u64) u8 room[1024];
    const Result<usize> listed = co_await self->client().list(self->id(), 0, room);
    if (!listed.ok()) co_return self->fs().errno_of(listed.error());
    co_return Ref<File>(Ref<DiskOpenDirectory>::make(std::move(path), flags));
}

void DiskDirectory::count_directories(i32 more) {
    if (!fs().shared) links += static_cast<u32>(more);
}

Async<Ref<Inode>> DiskDirectory::lookup(std::string_view name) {
    if (links == 0) return Errno::ENOENT;
    return find(Self(this), std::string(name));
}

Task<SysResult<Ref<Inode>>> DiskDirectory::find(Self self, std::string name) {
    const Gate::Hold hold = PITH_CO_TRY(co_await enter(self->gate(), false));
    const u64 asked = self->client().last_change();
    Result<Fs::Attributes> found = co_await self->client().lookup(self->id(), name);
    if (found.error() == Error::bad_handle && co_await self->remind())
        found = co_await self->client().lookup(self->id(), name);
    if (!found.ok()) co_return self->fs().errno_of(found.error());
    Ref<Inode> inode = PITH_CO_TRY(co_await self->fs().inode(*found, asked));
    static_cast<DiskInode&>(*inode).found(self->id(), name);
    co_return inode;
}

Async<Ref<Inode>> DiskDirectory::create(std::string_view name, const NewFile& file) {
    if (links == 0) return Errno::ENOENT;
    if (fs().read_only()) return Errno::EROFS;
    return make(Self(this), std::string(name), to_fs(file));
}

Task<SysResult<Ref<Inode>>> DiskDirectory::make(Self self, std::string name, FsNewFile file) {
    const Gate::Hold hold = PITH_CO_TRY(co_await enter(self->gate(), true));
    const Timespec time = self->fs().now();
    Result<Fs::Attributes> made = co_await self->client().create(self->id(), name, file, lx::to_fs(time));
    if (!made.ok()) co_return self->fs().errno_of(made.error());
    if ((file.mode & S_TYPE) == S_DIRECTORY) self->count_directories(1);
    self->changed(time);
    Ref<Inode> inode = PITH_CO_TRY(co_await self->fs().inode(*made, self->client().last_change()));
    static_cast<DiskInode&>(*inode).found(self->id(), name);
    co_return inode;
}

Async<Ref<Inode>> DiskDirectory::create_symlink(std::string_view name, std::string_view target,
                                                const NewFile& file) {
    if (links == 0) return Errno::ENOENT;
    if (fs().read_only()) return Errno::EROFS;
    if (target.size() > Fs::kMaxTarget) return Errno::ENAMETOOLONG;
    return make_link(Self(this), std::string(name), std::string(target), to_fs(file));
}

Task<SysResult<Ref<Inode>>> DiskDirectory::make_link(Self self, std::string name, std::string target,
                                                     FsNewFile file) {
    const Gate::Hold hold = PITH_CO_TRY(co_await enter(self->gate(), true));
    const Timespec time = self->fs().now();
    Result<Fs::Attributes> made = co_await self->client().create_link(self->id(), name, target, file,
                                                                      lx::to_fs(time));
    if (!made.ok()) co_return self->fs().errno_of(made.error());
    self->changed(time);
    Ref<Inode> inode = self->fs().new_link(*made, std::move(target));
    static_cast<DiskInode&>(*inode).found(self->id(), name);
    co_return inode;
}

Async<Ref<Inode>> DiskDirectory::create_unnamed(const NewFile& file) {
    if (links == 0) return Errno::EPERM;  // as ext4 has it
    if (fs().read_only()) return Errno::EROFS;
    return make_unnamed(Self(this), to_fs(file));
}

Task<SysResult<Ref<Inode>>> DiskDirectory::make_unnamed(Self self, FsNewFile file) {
    Result<Fs::Attributes> made = co_await self->client().create_unnamed(self->id(), file,
                                                                         lx::to_fs(self->fs().now()));
    if (!made.ok()) co_return self->fs().errno_of(made.error());
    SysResult<Ref<Inode>> inode = co_await self->fs().inode(*made, self->client().last_change());
    if (inode.ok()) static_cast<DiskInode&>(*inode.value()).set_held();
    else self->client().release(made.value().id);
    co_return inode;
}

Async<> DiskDirectory::link(std::string_view name, Inode& inode) {
    if (links == 0) return Errno::ENOENT;
    if (fs().read_only()) return Errno::EROFS;
    return add_link(Self(this), std::string(name), Ref<DiskInode>(static_cast<DiskInode*>(&inode)));
}

Task<SysResult<>> DiskDirectory::add_link(Self self, std::string name, Ref<DiskInode> inode) {
    const Gate::Hold hold = PITH_CO_TRY(co_await enter(self->gate(), true));
    const Timespec time = self->fs().now();
    const Result<Fs::Attributes> done = co_await self->client().link(inode->id(), self->id(), name,
                                                                     lx::to_fs(time));
    if (!done.ok()) co_return self->fs().errno_of(done.error());
    inode->got_name(time);
    inode->changed_here();
    self->fs().keep(*inode);
    self->changed(time);
    co_return SysResult<>();
}

/// Alone in the directory, of which `name` is still `is`.
Task<SysResult<Gate::Hold>> DiskDirectory::enter_for(DiskDirectory& directory, std::string_view name,
                                                     const DiskInode& is) {
    if (directory.gate().try_enter(true)) co_return Gate::Hold(directory.gate());
    PITH_CO_CHECK(co_await directory.gate().enter(true));
    Gate::Hold hold(directory.gate());
    const Result<Fs::Attributes> now = co_await directory.client().lookup(directory.id(), name);
    if (!now.ok()) co_return directory.fs().errno_of(now.error());
    if (!(now.value().id == is.id())) co_return Errno::ENOENT;
    co_return std::move(hold);
}

Async<> DiskDirectory::unlink(std::string_view name, Inode& inode) {
    if (links == 0) return Errno::ENOENT;
    if (fs().read_only()) return Errno::EROFS;
    return remove(Self(this), std::string(name), Ref<DiskInode>(static_cast<DiskInode*>(&inode)));
}

Async<> DiskDirectory::remove_directory(std::string_view name, Inode& inode) { return unlink(name, inode); }

Task<SysResult<>> DiskDirectory::remove(Self self, std::string name, Ref<DiskInode> victim) {
    const Gate::Hold hold = PITH_CO_TRY(co_await enter_for(*self, name, *victim));
    const Timespec time = self->fs().now();
    Result<> done;
    bool held = false;
    if (victim->directory()) {
        done = co_await self->client().remove_directory(self->id(), name, lx::to_fs(time));
    } else {
        held = victim->links == 1 && victim->in_use();
        victim->going = victim->links == 1 && !held;
        done = co_await self->client().unlink(self->id(), name, victim->id(), held, lx::to_fs(time));
    }
    if (!done.ok()) {
        victim->going = false;
        co_return self->fs().errno_of(done.error());
    }
    if (victim->directory()) self->count_directories(-1);
    victim->lost_name(held, time);
    self->changed(time);
    co_return SysResult<>();
}

Async<> DiskDirectory::rename(std::string_view name, Inode& inode, Inode& to, std::string_view new_name,
                              Inode* replaced, bool exchange) {
    if (links == 0) return Errno::ENOENT;
    if (fs().read_only()) return Errno::EROFS;
    if (exchange)
        return swap(Self(this), std::string(name), Ref<DiskInode>(static_cast<DiskInode*>(&inode)),
                    Self(static_cast<DiskDirectory*>(&to)), std::string(new_name),
                    Ref<DiskInode>(static_cast<DiskInode*>(replaced)));
    return move(Self(this), std::string(name), Ref<DiskInode>(static_cast<DiskInode*>(&inode)),
                Self(static_cast<DiskDirectory*>(&to)), std::string(new_name),
                Ref<DiskInode>(static_cast<DiskInode*>(replaced)));
}

Task<SysResult<>> DiskDirectory::move(Self self, std::string name, Ref<DiskInode> inode, Self to,
                                      std::string new_name, Ref<DiskInode> replaced) {
    // Several directories are entered one after the other only by renames, and of those by one at a time.
    Gate::Hold renames;
    if (self != to) renames = PITH_CO_TRY(co_await enter(self->fs().rename_gate, true));
    const Gate::Hold hold = PITH_CO_TRY(co_await enter_for(*self, name, *inode));
    Gate::Hold other;
    if (self != to) other = PITH_CO_TRY(co_await enter(to->gate(), true));
    const Timespec time = self->fs().now();
    const bool last = replaced && !replaced->directory() && replaced->links == 1;
    const bool held = last && replaced->in_use();
    if (replaced) replaced->going = last && !held;
    const Result<> done = co_await self->client().rename(self->id(), name, to->id(), new_name,
                                                         replaced ? replaced->id() : Fs::FileId{}, held,
                                                         lx::to_fs(time));
    if (!done.ok()) {
        if (replaced) replaced->going = false;
        co_return self->fs().errno_of(done.error());
    }
    if (replaced && replaced->directory()) to->count_directories(-1);
    if (replaced) replaced->lost_name(held, time);
    if (inode->directory()) {
        self->count_directories(-1);
        to->count_directories(1);
    }
    inode->change_time = time;
    inode->changed_here();
    static_cast<DiskInode&>(*inode).found(to->id(), new_name);
    self->changed(time);
    to->changed(time);
    co_return SysResult<>();
}

Task<SysResult<>> DiskDirectory::swap(Self self, std::string name, Ref<DiskInode> inode, Self to,
                                      std::string new_name, Ref<DiskInode> other) {
    Gate::Hold renames;
    if (self != to) renames = PITH_CO_TRY(co_await enter(self->fs().rename_gate, true));
    const Gate::Hold hold = PITH_CO_TRY(co_await enter_for(*self, name, *inode));
    Gate::Hold second;
    if (self != to) second = PITH_CO_TRY(co_await enter(to->gate(), true));
    const Result<Fs::Attributes> now = co_await self->client().lookup(to->id(), new_name);
    if (!now.ok()) co_return self->fs().errno_of(now.error());
    if (!(now.value().id == other->id())) co_return Errno::ENOENT;
    const Timespec time = self->fs().now();
    const Result<> done = co_await self->client().exchange(self->id(), name, to->id(), new_name,
                                                           lx::to_fs(time));
    if (!done.ok()) co_return self->fs().errno_of(done.error());
    if (inode->directory() != other->directory()) {
        --(inode->directory() ? self : to)->links;
        ++(inode->directory() ? to : self)->links;
    }
    inode->change_time = other->change_time = time;
    self->changed(time);
    to->changed(time);
    co_return SysResult<>();
}

Async<Ref<File>> DiskDirectory::open(Thread&, const Path& path, u32 flags) {
    if (fs().shared) return open_allowed(Self(this), path, flags);
    return Ref<File>(Ref<DiskOpenDirectory>::make(path, flags));
}

}  // namespace pith::lx
