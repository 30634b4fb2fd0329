// SPDX-License-Identifier: MIT
// What all inodes of a file system on a disk have: attributes and their changes.
#include "servers/linux/vfs/diskfs/disk_inode.hpp"

#include <utility>

#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

Errno fs_errno(Error error) {
    switch (error) {
        case Error::ok: return Errno::ok;
        case Error::bad_handle: return Errno::ESTALE;
        case Error::no_space: return Errno::ENOSPC;
        case Error::access: return Errno::EROFS;
        case Error::exists: return Errno::EEXIST;
        case Error::not_found: return Errno::ENOENT;
        case Error::occupied: return Errno::ENOTEMPTY;
        case Error::no_slot: return Errno::EMLINK;
        case Error::invalid: return Errno::EINVAL;
        case Error::wrong_type: return Errno::ENOTDIR;
        case Error::no_memory: return Errno::ENOMEM;
        case Error::busy: return Errno::EBUSY;
        case Error::unsupported: return Errno::EOPNOTSUPP;
        default: return Errno::EIO;
    }
}

DiskInode::DiskInode(DiskFs& of, const Fs::Attributes& attributes)
    : Inode(of, attributes.id.number, attributes.mode),
      fs_(&of),
      id_(attributes.id),
      sectors_(attributes.sectors),
      told_access_time_(from_fs(attributes.accessed)),
      seen_losses_(of.client().losses()) {
    uid = attributes.user;
    gid = attributes.group;
    links = attributes.links;
    device_number = make_device(static_cast<u32>(attributes.device >> 32),
                                static_cast<u32>(attributes.device));
    size_ = static_cast<i64>(attributes.size);
    access_time = told_access_time_;
    modify_time = from_fs(attributes.modified);
    change_time = from_fs(attributes.changed);
    birth_time = from_fs(attributes.created);
    if (!of.shared) return;
    shared_ = std::make_unique<Shared>();
    shared_->looked_at = of.zone.now();
    shared_->seen_modified = modify_time;
    shared_->seen_changed = change_time;
}

DiskInode::~DiskInode() {
    fs_->forget(*this);
    if (held_) client().release(id_);
}

FsClient& DiskInode::client() const { return fs_->client(); }

void DiskInode::lost_name(bool held, const Timespec& time) {
    links = directory() || links == 0 ? 0 : links - 1;
    change_time = time;
    changed_here();
    held_ |= held;
    if (links == 0) fs_->let_go(*this);
}

void DiskInode::got_name(const Timespec& time) {
    change_time = time;
    // Its name keeps it now.
    if (links++ == 0 && std::exchange(held_, false)) client().release(id_);
}

Async<> DiskInode::refresh() {
    if (!stale_ && !outdated()) return {};
    return ask_again(Ref<DiskInode>(this));
}

Async<> DiskInode::refresh_to_open() {
    if (!fs_->shared) return {};
    return ask_to_open(Ref<DiskInode>(this));
}

Task<SysResult<>> DiskInode::ask_again(Ref<DiskInode> self) {
    const Result<> asked = co_await self->ask();
    // One that the host has removed is as it was.
    if (self->fs_->shared && asked.error() == Error::bad_handle) co_return SysResult<>();
    co_return self->fs_->errno_of(asked.error());
}

Task<SysResult<>> DiskInode::ask_to_open(Ref<DiskInode> self) {
    const Result<> asked = co_await self->ask();
    co_return self->fs_->errno_of(asked.error());
}

Task<Result<>> DiskInode::ask() {
    const Ref<DiskInode> self(this);
    stale_ = false;
    const u64 asked = client().last_change();
    Result<Fs::Attributes> now = co_await client().attributes(id_);
    if (now.error() == Error::bad_handle && co_await remind()) now = co_await client().attributes(id_);
    if (shared_) {
        shared_->looked_at = fs_->zone.now();
        if (now.ok()) take(now.value(), asked);
    } else if (now.ok()) {
        sectors_ = now.value().sectors;
        if (directory()) size_ = static_cast<i64>(now.value().size);
    }
    if (now.ok()) co_return Result<>();
    stale_ = !fs_->shared;
    co_return now.error();
}

bool DiskInode::outdated() const {
    return shared_ && fs_->zone.now() - shared_->looked_at >= FileSystem::kTrusted;
}

bool DiskInode::access_time_told() const { return fs_->shared || access_time == told_access_time_; }

void DiskInode::take(const Fs::Attributes& now, u64 asked) {
    shared_->looked_at = fs_->zone.now();
    if (asked < shared_->changed_at || changing()) return;
    mode = type() | (now.mode & 07777);
    uid = now.user;
    gid = now.group;
    if (!held_) links = now.links;
    sectors_ = now.sectors;
    access_time = from_fs(now.accessed);
    modify_time = from_fs(now.modified);
    change_time = from_fs(now.changed);
    const bool same = modify_time == shared_->seen_modified && change_time == shared_->seen_changed;
    shared_->seen_modified = modify_time;
    shared_->seen_changed = change_time;
    if (!same || size_ != static_cast<i64>(now.size)) changed_elsewhere(static_cast<i64>(now.size));
}

void DiskInode::found(const Fs::FileId& directory, std::string_view name) {
    if (!shared_) return;
    shared_->found_in = directory;
    shared_->found_as = name;
}

Task<bool> DiskInode::remind(u32 levels) {
    if (!shared_ || shared_->found_as.empty() || levels == 0) co_return false;
    const Ref<DiskInode> self(this);
    const std::string name = shared_->found_as;
    const Fs::FileId place = shared_->found_in;
    const Ref<DiskInode> directory(fs_->find(place));
    Result<Fs::Attributes> there = co_await client().lookup(place, name);
    if (there.error() == Error::bad_handle && directory && co_await directory->remind(levels - 1))
        there = co_await client().lookup(place, name);
    co_return there.ok() && there.value().id == id_;
}

Async<> DiskInode::set_attributes(const AttributeChange& change) {
    if (fs_->read_only()) return Errno::EROFS;
    return change_attributes(Ref<DiskInode>(this), change);
}

Task<SysResult<>> DiskInode::change_attributes(Ref<DiskInode> self, AttributeChange change) {
    FsAttributeChange wanted;
    if (change.set_mode) wanted.flags |= Fs::kSetMode;
    if (change.set_uid) wanted.flags |= Fs::kSetUser;
    if (change.set_gid) wanted.flags |= Fs::kSetGroup;
    if (change.set_access_time) wanted.flags |= Fs::kSetAccessed;
    if (change.set_modify_time) wanted.flags |= Fs::kSetModified;
    wanted.mode = change.mode & 07777;
    wanted.user = change.uid;
    wanted.group = change.gid;
    if (change.set_access_time) wanted.accessed = to_fs(change.access_time);
    if (change.set_modify_time) wanted.modified = to_fs(change.modify_time);
    const Timespec time = self->fs_->now();
    Result<> done = co_await self->client().set_attributes(self->id_, wanted, to_fs(time));
    if (done.error() == Error::bad_handle && co_await self->remind())
        done = co_await self->client().set_attributes(self->id_, wanted, to_fs(time));
    self->changed_here();
    if (self->fs_->shared && done.error() == Error::access) co_return Errno::EPERM;
    if (!done.ok()) co_return fs_errno(done.error());
    if (change.set_mode) self->mode = self->type() | (change.mode & 07777);
    if (change.set_uid) self->uid = change.uid;
    if (change.set_gid) self->gid = change.gid;
    if (change.set_access_time) self->access_time = self->told_access_time_ = change.access_time;
    if (change.set_modify_time) self->modify_time = change.modify_time;
    self->change_time = time;
    if (self->fs_->shared) self->set_stale();  // the host's clock sets it
    co_return SysResult<>();
}

Task<SysResult<>> DiskInode::tell_access_time() {
    const Ref<DiskInode> self(this);
    const Timespec time = access_time;
    FsAttributeChange change;
    change.flags = Fs::kSetAccessed;
    change.accessed = to_fs(time);
    const Result<> done = co_await client().set_attributes(id_, change, to_fs(change_time));
    if (done.ok()) told_access_time_ = time;
    co_return fs_errno(done.error());
}

Task<SysResult<>> DiskInode::write_out() {
    if (links != 0 && !access_time_told() && !fs_->read_only()) co_return co_await tell_access_time();
    co_return SysResult<>();
}

Async<> DiskInode::synchronise(bool) { return make_durable(Ref<DiskInode>(this)); }

Task<SysResult<>> DiskInode::make_durable(Ref<DiskInode> self) {
    const SysResult<> written = co_await self->write_out();
    const Result<> committed = co_await self->client().commit();
    const SysResult<> kept = self->fs_->told_losses(self->seen_losses_);
    if (!written.ok()) co_return written;
    if (!committed.ok()) co_return fs_errno(committed.error());
    co_return kept;
}

}  // namespace pith::lx
