// SPDX-License-Identifier: MIT
// Store: inodes, and what is done with names.
#include <cstddef>
#include <cstring>

#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

namespace {

constexpr u64 kInodeSeed = 0x0de;

u64 checksum(const Inode& inode, u32 number) {
    u64 words[offsetof(Inode, check) / 8];
    std::memcpy(words, &inode, sizeof words);
    return hash(words, std::size(words), kInodeSeed + number);
}

bool name_possible(std::string_view name) {
    return !name.empty() && name.size() <= Fs::kMaxName && name != "." && name != ".." &&
           name.find('/') == name.npos && name.find('\0') == name.npos;
}

bool type_possible(u32 mode) {
    constexpr u32 kTypes[] = {0010000, 0020000, 0040000, 0060000, 0100000, 0120000, 0140000};
    for (const u32 type : kTypes)
        if ((mode & ~07777u) == type) return true;
    return false;
}

}  // namespace

/// not_found: there is no such file.
Result<Node> Store::node(u64 number) {
    if (number == 0 || number >= geometry_.inodes) return Error::not_found;
    Node node;
    static_cast<Inode&>(node) = image_.at<Inode>(inode_offset(number));
    node.number = static_cast<u32>(number);
    if (node.mode == 0) return Error::not_found;
    const bool sound = node.check == checksum(node, node.number) && type_possible(node.mode) &&
                       node.height <= kMaxHeight && (node.root == 0 || possible(node.root)) &&
                       node.size <= kMaxSize && (!node.directory() || node.size % kPage == 0);
    if (!sound) return spoilt();
    return node;
}

Result<Node> Store::node(Fs::FileId id) {
    Result<Node> found = node(id.number);
    if (found.error() == Error::not_found || (found.ok() && found->generation != id.generation))
        return Error::bad_handle;
    return found;
}

void Store::save(Node& file) {
    file.check = checksum(file, file.number);
    image_.put(inode_offset(file.number), static_cast<const Inode*>(&file), sizeof(Inode));
}

u64 Store::free_inodes() const {
    u64 free = 0;
    for (u64 i = kRoot; i < geometry_.inodes; i++)
        free += image_.at<Inode>(inode_offset(i)).mode == 0 ? 1 : 0;
    return free;
}

/// It is to be saved.
Result<Node> Store::new_node(const NewFile& file) {
    if (!type_possible(file.mode)) return Error::invalid;
    for (u64 tries = geometry_.inodes; image_.at<Inode>(inode_offset(next_inode_)).mode != 0; tries--) {
        if (tries == 0) return Error::no_space;
        if (++next_inode_ == geometry_.inodes) next_inode_ = kRoot;
    }
    Node made{};
    made.number = next_inode_;
    made.generation = image_.super().generation + 1;
    image_.set(offsetof(Super, generation), made.generation);
    made.mode = file.mode;
    made.user = file.user;
    made.group = file.group;
    made.device = file.device;
    made.accessed = made.modified = made.changed = made.created = file.time;
    return made;
}

void Store::remove(Node file) {
    cut(file, 0, ~u64{0});
    const Inode none{};
    image_.put(inode_offset(file.number), &none, sizeof none);
}

void Store::touch(Node& directory, Fs::Time time) {
    directory.modified = directory.changed = time;
    save(directory);
}

void Store::lose_name(Node& file, Fs::Time time) {
    file.links = file.directory() ? 0 : file.links - 1;
    file.changed = time;
    save(file);
}

Result<Node> Store::lookup(const Node& directory, std::string_view name) {
    if (!directory.directory()) return Error::wrong_type;
    if (!name_possible(name)) return Error::invalid;
    Result<Node> found = node(u64{PITH_TRY(find(directory, name)).inode});
    if (found.error() == Error::not_found) return spoilt();
    return found;
}

/// Where a new name can be: nothing, or an error.
Result<Store::Found> Store::find_absent(const Node& directory, std::string_view name) {
    if (!directory.directory()) return Error::wrong_type;
    if (!name_possible(name)) return Error::invalid;
    if (directory.links == 0) return Error::not_found;
    const Result<Found> found = find(directory, name);
    if (found.ok()) return Error::exists;
    if (found.error() == Error::not_found) return Found();
    return found.error();
}

Result<Node> Store::create(Node directory, std::string_view name, const NewFile& file,
                           std::string_view target) {
    static_cast<void>(PITH_TRY(find_absent(directory, name)));
    Node made = PITH_TRY(new_node(file));
    made.links = 1;
    if (made.directory()) {
        if (directory.links >= kMaxLinks) return Error::no_slot;
        made.links = 2;
        made.device = directory.number;
        directory.links++;
    }
    if (made.link()) {
        const u32 page = PITH_TRY(make(made, 0, true));
        image_.write(at(page), {reinterpret_cast<const u8*>(target.data()), target.size()});
        made.size = target.size();
    }
    PITH_CHECK(insert(directory, name, made.number));
    save(made);
    touch(directory, file.time);
    return made;
}

Result<Node> Store::create_unnamed(const Node& directory, const NewFile& file) {
    if (!directory.directory()) return Error::wrong_type;
    if (directory.links == 0) return Error::not_found;
    Node made = PITH_TRY(new_node(file));
    save(made);
    return made;
}

Result<> Store::link(Node file, Node directory, std::string_view name, Fs::Time time) {
    if (file.directory()) return Error::wrong_type;
    static_cast<void>(PITH_TRY(find_absent(directory, name)));
    if (file.links >= kMaxLinks) return Error::no_slot;
    PITH_CHECK(insert(directory, name, file.number));
    file.links++;
    file.changed = time;
    save(file);
    touch(directory, time);
    return {};
}

Result<Node> Store::unlink(Node directory, std::string_view name, Fs::Time time) {
    Node file = PITH_TRY(lookup(directory, name));
    if (file.directory()) return Error::wrong_type;
    erase(PITH_TRY(find(directory, name)).slot);
    lose_name(file, time);
    touch(directory, time);
    return file;
}

Result<Node> Store::remove_directory(Node directory, std::string_view name, Fs::Time time) {
    Node file = PITH_TRY(lookup(directory, name));
    if (!file.directory()) return Error::wrong_type;
    if (next_name(file, 0).ok()) return Error::occupied;
    erase(PITH_TRY(find(directory, name)).slot);
    lose_name(file, time);
    directory.links--;
    touch(directory, time);
    return file;
}

/// `directory` is `node`, or somewhere below it.
Result<bool> Store::below(u32 directory, u32 node) {
    for (u64 steps = 0; steps < geometry_.inodes; steps++) {
        if (directory == node) return true;
        if (directory == kRoot) return false;
        Result<Node> here = this->node(u64{directory});
        if (!here.ok() || !here->directory()) return spoilt();
        directory = static_cast<u32>(here->device);
    }
    return spoilt();
}

Result<Node> Store::rename(Node from, std::string_view name, Node to, std::string_view new_name, bool replace,
                           Fs::Time time) {
    if (!from.directory() || !to.directory()) return Error::wrong_type;
    if (!name_possible(name) || !name_possible(new_name)) return Error::invalid;
    if (to.links == 0) return Error::not_found;
    const bool same = from.number == to.number;
    Node& target = same ? from : to;
    Node moved = PITH_TRY(lookup(from, name));
    if (moved.directory() && PITH_TRY(below(to.number, moved.number))) return Error::invalid;
    Node victim{};
    Result<Found> there = find(to, new_name);
    if (there.ok()) {
        if (!replace) return Error::exists;
        victim = PITH_TRY(lookup(to, new_name));
        if (victim.number == moved.number) return Node{};
        if (victim.directory() != moved.directory()) return Error::wrong_type;
        if (victim.directory() && next_name(victim, 0).ok()) return Error::occupied;
        image_.set32(there->slot, moved.number);
        lose_name(victim, time);
        if (victim.directory()) target.links--;
    } else {
        if (there.error() != Error::not_found) return there.error();
        PITH_CHECK(insert(target, new_name, moved.number));
    }
    erase(PITH_TRY(find(from, name)).slot);
    if (moved.directory() && !same) {
        if (target.links >= kMaxLinks) return Error::no_slot;
        from.links--;
        target.links++;
        moved.device = target.number;
    }
    moved.changed = time;
    save(moved);
    touch(from, time);
    if (!same) touch(to, time);
    return victim;
}

Result<> Store::exchange(Node from, std::string_view name, Node to, std::string_view other, Fs::Time time) {
    if (!from.directory() || !to.directory()) return Error::wrong_type;
    Node one = PITH_TRY(lookup(from, name)), two = PITH_TRY(lookup(to, other));
    if (one.number == two.number) return {};
    const bool same = from.number == to.number;
    if (one.directory() && PITH_TRY(below(to.number, one.number))) return Error::invalid;
    if (two.directory() && PITH_TRY(below(from.number, two.number))) return Error::invalid;
    const u64 first = PITH_TRY(find(from, name)).slot, second = PITH_TRY(find(to, other)).slot;
    image_.set32(first, two.number);
    image_.set32(second, one.number);
    if (one.directory()) one.device = to.number;
    if (two.directory()) two.device = from.number;
    if (one.directory() != two.directory()) {
        Node& gains = one.directory() ? to : from;
        Node& loses = one.directory() ? from : to;
        if (!same && gains.links >= kMaxLinks) return Error::no_slot;
        gains.links++;
        loses.links--;
    }
    one.changed = two.changed = time;
    save(one);
    save(two);
    if (same) from.links = image_.at<Inode>(inode_offset(from.number)).links;
    touch(from, time);
    if (!same) touch(to, time);
    return {};
}

}  // namespace pith::memory_fs
