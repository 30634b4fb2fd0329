// SPDX-License-Identifier: MIT
// Dentries, their cache, and mounts.
#include "servers/linux/vfs/dentry.hpp"

#include "servers/linux/zone.hpp"

namespace pith::lx {

Dentry::Dentry(Ref<Dentry> parent, std::string_view name, Ref<Inode> inode)
    : parent_(std::move(parent)), name_(name), inode_(std::move(inode)) {
    static u64 last_number = 0;
    number_ = ++last_number;
}

bool Dentry::current() const {
    if (!inode_->valid()) return false;
    const FileSystem& of = inode_->file_system();
    return !of.shared || mounts != 0 || of.zone.now() - confirmed_ < FileSystem::kTrusted;
}

Dentry::~Dentry() {
    if (cache_ != nullptr) cache_->erase(*this);
    // Not recursively: a chain of directories may be deeper than the stack.
    Ref<Dentry> up = std::move(parent_);
    while (up && up->ref_count() == 1) {
        Ref<Dentry> next = std::move(up->parent_);
        up = std::move(next);
    }
}

DentryCache::DentryCache() : absent_(kAbsent) {}

DentryCache::~DentryCache() {
    shrink();
    for (Dentry* bucket : buckets_) {
        for (Dentry* dentry = bucket; dentry != nullptr; dentry = dentry->hash_next_)
            dentry->cache_ = nullptr;
    }
}

u32 DentryCache::hash(const Dentry& parent, std::string_view name) {
    u64 value = reinterpret_cast<u64>(&parent) >> 4;
    for (char c : name) value = (value ^ static_cast<u8>(c)) * 0x100'0000'01b3;
    return static_cast<u32>(value ^ value >> 29);
}

Ref<Dentry> DentryCache::find(const Dentry& parent, std::string_view name) {
    const u32 wanted = hash(parent, name);
    for (Dentry* dentry = buckets_[wanted % kBuckets]; dentry != nullptr; dentry = dentry->hash_next_) {
        if (dentry->hash_ == wanted && dentry->parent_.get() == &parent && dentry->name_ == name) {
            return Ref<Dentry>(dentry);
        }
    }
    return nullptr;
}

bool DentryCache::absent(const Dentry& parent, std::string_view name) const {
    const Absent& entry = absent_[hash(parent, name) % kAbsent];
    return entry.parent == parent.number() && entry.name == name;
}

void DentryCache::set_absent(const Dentry& parent, std::string_view name) {
    Absent& entry = absent_[hash(parent, name) % kAbsent];
    entry.parent = parent.number();
    entry.name = name;
}

void DentryCache::forget_absent(const Dentry& parent, std::string_view name) {
    Absent& entry = absent_[hash(parent, name) % kAbsent];
    if (entry.parent == parent.number() && entry.name == name) entry.parent = 0;
}

Ref<Dentry> DentryCache::add(const Ref<Dentry>& parent, std::string_view name, const Ref<Inode>& inode) {
    const u64 now = inode->file_system().shared ? inode->file_system().zone.now() : 0;
    if (Ref<Dentry> known = find(*parent, name)) {
        if (known->inode_ == inode) {
            known->confirmed_ = now;
            return known;
        }
        remove(*known);
    }
    auto dentry = Ref<Dentry>::make(parent, name, inode);
    dentry->confirmed_ = now;
    dentry->linked_ = parent->linked_;
    if (!dentry->linked_) return dentry;
    insert(*dentry);
    if (inode->file_system().cacheable()) keep(*dentry);
    return dentry;
}

void DentryCache::insert(Dentry& dentry) {
    dentry.cache_ = this;
    dentry.hash_ = hash(*dentry.parent_, dentry.name_);
    forget_absent(*dentry.parent_, dentry.name_);
    Dentry*& bucket = buckets_[dentry.hash_ % kBuckets];
    dentry.hash_next_ = bucket;
    bucket = &dentry;
}

void DentryCache::erase(Dentry& dentry) {
    Dentry** link = &buckets_[dentry.hash_ % kBuckets];
    while (*link != &dentry) link = &(*link)->hash_next_;
    *link = dentry.hash_next_;
    dentry.cache_ = nullptr;
}

void DentryCache::keep(Dentry& dentry) {
    dentry.keeper_ = Ref<Dentry>(&dentry);
    dentry.recent_previous_ = nullptr;
    dentry.recent_next_ = recent_first_;
    (recent_first_ != nullptr ? recent_first_->recent_previous_ : recent_last_) = &dentry;
    recent_first_ = &dentry;
    dentry.cached_ = true;
    if (++kept_ > kKept) let_go(*recent_last_);
}

void DentryCache::let_go(Dentry& dentry) {
    if (!dentry.cached_) return;
    dentry.cached_ = false;
    (dentry.recent_previous_ != nullptr ? dentry.recent_previous_->recent_next_
                                        : recent_first_) = dentry.recent_next_;
    (dentry.recent_next_ != nullptr ? dentry.recent_next_->recent_previous_
                                    : recent_last_) = dentry.recent_previous_;
    --kept_;
    Ref<Dentry> last = std::move(dentry.keeper_);
}

void DentryCache::remove(Dentry& dentry) {
    Ref<Dentry> held(&dentry);
    if (dentry.cache_ != nullptr) erase(dentry);
    dentry.linked_ = false;
    let_go(dentry);
}

void DentryCache::removed(Dentry& dentry) {
    if (dentry.linked_ && dentry.inode_->file_system().remembers_absent())
        set_absent(*dentry.parent_, dentry.name_);
    remove(dentry);
}

void DentryCache::move(Dentry& dentry, const Ref<Dentry>& parent, std::string_view name) {
    if (const Ref<Dentry> there = find(*parent, name); there && there.get() != &dentry) remove(*there);
    if (dentry.cache_ != nullptr) erase(dentry);
    dentry.parent_ = parent;
    dentry.name_ = name;
    insert(dentry);
}

void DentryCache::exchange(Dentry& a, Dentry& b) {
    if (a.cache_ != nullptr) erase(a);
    if (b.cache_ != nullptr) erase(b);
    std::swap(a.parent_, b.parent_);
    std::swap(a.name_, b.name_);
    insert(a);
    insert(b);
}

void DentryCache::shrink(FileSystem* file_system) {
    for (Dentry* dentry = recent_first_; dentry != nullptr;) {
        Dentry* next = dentry->recent_next_;
        if (file_system == nullptr || &dentry->inode_->file_system() == file_system) let_go(*dentry);
        dentry = next;
    }
}

Mount::Mount(Ref<FileSystem> mounted, Ref<Dentry> mount_root, Ref<Mount> parent_mount,
             Ref<Dentry> mount_point, u32 mount_flags, std::string mount_source)
    : file_system(std::move(mounted)),
      root(std::move(mount_root)),
      parent(std::move(parent_mount)),
      point(std::move(mount_point)),
      flags(mount_flags),
      source(std::move(mount_source)),
      number(0) {
    ++file_system->mounts;
    if (point) ++point->mounts;
}

void Mount::move_to(const Path& place) {
    if (point) --point->mounts;
    parent = place.mount;
    point = place.dentry;
    ++point->mounts;
}

Mount::~Mount() {
    if (point) --point->mounts;
    if (--file_system->mounts == 0) file_system->unmounted();
}

}  // namespace pith::lx
