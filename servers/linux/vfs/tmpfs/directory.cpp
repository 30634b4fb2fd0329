// SPDX-License-Identifier: MIT
// Directories of the file system in memory.
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"

namespace pith::lx {

namespace {
constexpr i64 kEntrySize = 20;  ///< what Linux's tmpfs counts for an entry in st_size
}

TmpDirectory::~TmpDirectory() {
    // A tree of any depth is taken apart without recursion.
    std::vector<Ref<Inode>> doomed;
    for (auto& [position, item] : entries_) doomed.push_back(std::move(item.inode));
    while (!doomed.empty()) {
        Ref<Inode> inode = std::move(doomed.back());
        doomed.pop_back();
        if (!inode || !inode->directory() || inode->ref_count() != 1) continue;
        auto& directory = static_cast<TmpDirectory&>(*inode);
        for (auto& [position, item] : directory.entries_) doomed.push_back(std::move(item.inode));
        directory.entries_.clear();
    }
}

u32 TmpDirectory::hash(std::string_view name) {
    u64 value = 0xcbf2'9ce4'8422'2325;
    for (char c : name) value = (value ^ static_cast<u8>(c)) * 0x100'0000'01b3;
    return static_cast<u32>(value ^ value >> 32);
}

TmpDirectory::Entry* TmpDirectory::entry(std::string_view name) const {
    const u32 wanted = hash(name);
    for (Entry* item = buckets_[wanted % buckets_.size()]; item != nullptr; item = item->hash_next) {
        if (item->hash == wanted && item->name == name) return item;
    }
    return nullptr;
}

Inode* TmpDirectory::find(std::string_view name) const {
    Entry* item = entry(name);
    return item != nullptr ? item->inode.get() : nullptr;
}

void TmpDirectory::rehash() {
    buckets_.assign(buckets_.size() * 4, nullptr);
    for (auto& [position, item] : entries_) {
        Entry*& bucket = buckets_[item.hash % buckets_.size()];
        item.hash_next = bucket;
        bucket = &item;
    }
}

void TmpDirectory::add(std::string_view name, Ref<Inode> inode) {
    Entry& item = entries_.emplace_hint(entries_.end(), next_position_, Entry{})->second;
    item.position = next_position_++;
    item.name = name;
    item.inode = std::move(inode);
    item.hash = hash(name);
    Entry*& bucket = buckets_[item.hash % buckets_.size()];
    item.hash_next = bucket;
    bucket = &item;
    if (entries_.size() > buckets_.size() * 2) rehash();
    size_ += kEntrySize;
}

Ref<Inode> TmpDirectory::remove(std::string_view name) {
    Entry* item = entry(name);
    if (item == nullptr) return nullptr;
    Entry** link = &buckets_[item->hash % buckets_.size()];
    while (*link != item) link = &(*link)->hash_next;
    *link = item->hash_next;
    Ref<Inode> inode = std::move(item->inode);
    entries_.erase(item->position);
    size_ -= kEntrySize;
    return inode;
}

Async<Ref<Inode>> TmpDirectory::lookup(std::string_view name) {
    Entry* item = entry(name);
    if (item == nullptr) return Errno::ENOENT;
    return item->inode;
}

Async<Ref<Inode>> TmpDirectory::create(std::string_view name, const NewFile& file) {
    PITH_CHECK(tmpfs().inode_made());
    Ref<Inode> inode;
    switch (file.mode & S_TYPE) {
        case S_DIRECTORY: inode = Ref<TmpDirectory>::make(tmpfs(), file.mode); break;
        case S_REGULAR: inode = Ref<TmpFile>::make(tmpfs(), file.mode); break;
        default: inode = Ref<TmpInode>::make(tmpfs(), file.mode); break;
    }
    inode->uid = file.uid;
    inode->gid = file.gid;
    inode->device_number = file.device;
    if (inode->directory()) ++links;
    add(name, inode);
    touch_modify();
    return inode;
}

Async<Ref<Inode>> TmpDirectory::create_symlink(std::string_view name, std::string_view target,
                                               const NewFile& file) {
    PITH_CHECK(tmpfs().inode_made());
    Ref<Inode> inode = Ref<TmpSymlink>::make(tmpfs(), target);
    inode->uid = file.uid;
    inode->gid = file.gid;
    add(name, inode);
    touch_modify();
    return inode;
}

Async<> TmpDirectory::link(std::string_view name, Inode& inode) {
    ++inode.links;
    inode.touch_change();
    add(name, Ref<Inode>(&inode));
    touch_modify();
    return {};
}

Async<> TmpDirectory::unlink(std::string_view name, Inode& inode) {
    Ref<Inode> gone = remove(name);
    --inode.links;
    inode.touch_change();
    touch_modify();
    return {};
}

Async<> TmpDirectory::remove_directory(std::string_view name, Inode& inode) {
    if (!static_cast<TmpDirectory&>(inode).empty()) return Errno::ENOTEMPTY;
    Ref<Inode> gone = remove(name);
    inode.links = 0;
    --links;
    inode.touch_change();
    touch_modify();
    return {};
}

Async<> TmpDirectory::rename(std::string_view name, Inode& inode, Inode& to, std::string_view new_name,
                             Inode* replaced, bool exchange) {
    auto& target = static_cast<TmpDirectory&>(to);
    if (exchange) {
        Entry& first = *entry(name);
        Entry& second = *target.entry(new_name);
        std::swap(first.inode, second.inode);
        if (inode.directory() != replaced->directory()) {
            TmpDirectory& loses = inode.directory() ? *this : target;
            TmpDirectory& gains = inode.directory() ? target : *this;
            --loses.links;
            ++gains.links;
        }
        replaced->touch_change();
    } else {
        if (replaced != nullptr) {
            if (replaced->directory() && !static_cast<TmpDirectory*>(replaced)->empty())
                return Errno::ENOTEMPTY;
            Ref<Inode> gone = target.remove(new_name);
            if (gone->directory()) {
                gone->links = 0;
                --target.links;
            } else {
                --gone->links;
            }
            gone->touch_change();
        }
        target.add(new_name, remove(name));
        if (inode.directory()) {
            --links;
            ++target.links;
        }
    }
    inode.touch_change();
    touch_modify();
    if (&target != this) target.touch_modify();
    return {};
}

Async<> TmpDirectory::read_directory(u64& position, DirectorySink& sink) {
    for (auto place = entries_.lower_bound(position); place != entries_.end(); ++place) {
        const Entry& item = place->second;
        if (!sink.add(item.name, item.inode->number(), item.inode->type(), place->first + 1)) break;
        position = place->first + 1;
    }
    return {};
}

}  // namespace pith::lx
