// SPDX-License-Identifier: MIT
// Store: made, or taken up: undone what was not finished, and looked through wholly.
#include <cstddef>
#include <cstring>

#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

namespace {

constexpr u64 kMagic[2] = {0x6d65'6d6f'7279'2046, 0x5320'6f66'2070'6974};

Geometry geometry_of(u64 pages) {
    constexpr u64 kPerPage = kPage / sizeof(Inode);
    const u64 table = (pages / 2 + kPerPage - 1) / kPerPage;
    return {pages, table * kPerPage, kTablePage + table};
}

u64 checksum(const Record& record) {
    u64 words[sizeof(Record) / 8];
    std::memcpy(words, &record, sizeof words);
    return hash(words, std::size(words), 0x4ec);
}

}  // namespace

/// What is known of a store that is looked through.
struct Store::Walk {
    struct Seen {
        u32 names = 0;        ///< that mean it
        u32 directories = 0;  ///< that are in it
        u32 parent = 0;       ///< where its last name is
    };
    std::vector<Seen> seen;
};

void Store::format() {
    image_.zero(kTablePage * kPage, (geometry_.first - kTablePage) * kPage);
    Super super{};
    super.geometry = geometry_;
    super.record_check = checksum(super.record);
    image_.write(sizeof super.magic, {reinterpret_cast<const u8*>(&super) + sizeof super.magic,
                                      sizeof super - sizeof super.magic});
    Node root{};
    root.number = kRoot;
    root.mode = 0040755;
    root.links = 2;
    root.device = kRoot;
    root.generation = 1;
    image_.set(offsetof(Super, generation), 1);
    save(root);
    image_.finish();
    // One that was begun and not finished begins again: there is nothing in it.
    image_.store(sizeof(u64), kMagic[1]);
    image_.store(0, kMagic[0]);
}

Result<> Store::open() {
    broken_ = true;
    geometry_ = geometry_of(image_.pages());
    if (image_.pages() < kMinPages || image_.pages() > kMaxPages) return Error::invalid;
    if (image_.super().magic[0] == 0) format();
    const Super& super = image_.super();
    if (std::memcmp(super.magic, kMagic, sizeof kMagic) != 0 || super.geometry != geometry_) return Error::io;
    PITH_CHECK(image_.undo());
    if (super.record_check != checksum(super.record) || super.committed > super.record.change)
        return Error::io;

    used_.assign((geometry_.pages + 63) / 64, 0);
    taken_.clear();
    dropped_.clear();
    free_ = geometry_.pages - geometry_.first;
    next_page_ = static_cast<u32>(geometry_.first);
    next_inode_ = kRoot;
    broken_ = false;
    Walk walk{std::vector<Walk::Seen>(geometry_.inodes)};
    for (u32 i = kRoot; i < geometry_.inodes; i++)
        if (!check_inode(walk, i).ok() || broken_) return spoilt();
    for (u32 i = kRoot; i < geometry_.inodes; i++) {
        const Walk::Seen& seen = walk.seen[i];
        Result<Node> node = this->node(u64{i});
        const bool directory = node.ok() && node->directory();
        const bool named = node.ok() && node->links != 0 && i != kRoot;
        bool sound = node.ok() || (seen.names == 0 && i != kRoot);
        if (directory) {
            sound = seen.names == (named ? 1u : 0u) && (!named || seen.parent == node->device) &&
                    node->links == (node->links != 0 ? 2 + seen.directories : 0);
            if (i == kRoot) sound &= node->links != 0;
        } else if (node.ok()) {
            sound = i != kRoot && seen.names == node->links;
        }
        if (!sound) return spoilt();
    }
    return {};
}

Result<> Store::check_inode(Walk& walk, u32 number) {
    Result<Node> node = this->node(u64{number});
    if (node.error() == Error::not_found) return {};
    if (!node.ok()) return node.error();
    u32 pages = 0;
    if (node->root != 0) PITH_CHECK(check_tree(walk, {node->root, node->height}, pages));
    if (pages != node->pages || node->generation > image_.super().generation) return Error::io;
    if (node->link() && node->size > Fs::kMaxTarget) return Error::io;
    return node->directory() ? check_names(walk, *node) : Result<>();
}

/// Every page once, and counted.
Result<> Store::check_tree(Walk& walk, Tree tree, u32& pages) {
    if (used(tree.page)) return Error::io;
    mark(tree.page, true);
    pages++;
    for (u32 i = 0; tree.height != 0 && i < kFan; i++)
        if (const u32 page = child(tree.page, i); page != 0)
            PITH_CHECK(check_tree(walk, {page, tree.height - 1}, pages));
    return {};
}

Result<> Store::check_names(Walk& walk, const Node& directory) {
    for (u64 i = 0; i < directory.size / kPage; i++)
        if (find(directory, i) == 0) return Error::io;
    u64 from = 0;
    for (;;) {
        Result<Listed> entry = next_name(directory, from);
        if (entry.error() == Error::not_found) return {};
        if (!entry.ok()) return entry.error();
        if (directory.links == 0) return Error::io;
        Walk::Seen& seen = walk.seen[entry->inode];
        seen.names++;
        seen.parent = directory.number;
        Result<Node> node = this->node(u64{entry->inode});
        if (!node.ok()) return Error::io;
        if (node->directory()) walk.seen[directory.number].directories++;
        from = entry->next;
    }
}

Result<> Store::finish(const Record* record) {
    if (record != nullptr) {
        const u64 check = checksum(*record);
        image_.put(offsetof(Super, record), record, sizeof *record);
        image_.set(offsetof(Super, record_check), check);
        // Another session: its count begins.
        if (record->change == 0) image_.set(offsetof(Super, committed), 0);
    }
    if (broken_) return Error::io;
    if (image_.overflowed()) return Error::no_memory;
    image_.finish();
    taken_.clear();
    for (const Tree& tree : dropped_) give_back(tree);
    dropped_.clear();
    return {};
}

void Store::abandon() {
    if (!image_.undo().ok()) broken_ = true;
    for (const u32 page : taken_) mark(page, false);
    taken_.clear();
    dropped_.clear();
}

void Store::commit(u64 change) { image_.store(offsetof(Super, committed), change); }

}  // namespace pith::memory_fs
