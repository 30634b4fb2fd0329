// SPDX-License-Identifier: MIT
// FileSystem: making, removing and moving names.
#include <cstring>

#include "lib/ext4/directory.hpp"
#include "lib/ext4/extents.hpp"
#include "lib/ext4/file_system.hpp"

namespace pith::ext4 {

namespace {

constexpr u16 kMaxLinks = 65000;
constexpr usize kNameBlocks = 24;  ///< that making or removing a name changes
constexpr u32 kMaxParents = 1u << 16;

bool possible(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

u8 type_of(u16 mode) {
    if (LINUX_S_ISREG(mode)) return EXT2_FT_REG_FILE;
    if (LINUX_S_ISDIR(mode)) return EXT2_FT_DIR;
    if (LINUX_S_ISCHR(mode)) return EXT2_FT_CHRDEV;
    if (LINUX_S_ISBLK(mode)) return EXT2_FT_BLKDEV;
    if (LINUX_S_ISFIFO(mode)) return EXT2_FT_FIFO;
    if (LINUX_S_ISSOCK(mode)) return EXT2_FT_SOCK;
    if (LINUX_S_ISLNK(mode)) return EXT2_FT_SYMLINK;
    return EXT2_FT_UNKNOWN;
}

void empty_tree(Inode& inode) {
    auto* header = reinterpret_cast<ext3_extent_header*>(inode.raw->i_block);
    *header = {};
    header->eh_magic = EXT3_EXT_MAGIC;
    header->eh_max = (sizeof inode.raw->i_block - sizeof *header) / sizeof(ext3_extent);
    inode.raw->i_flags |= EXT4_EXTENTS_FL;
}

}  // namespace

Result<FileId> FileSystem::lookup(FileId directory, std::string_view name) {
    if (name.empty() || name.size() > kMaxName) return Error::invalid;
    return look([&]() -> Result<FileId> {
        Inode inode = PITH_TRY(open_directory(directory));
        const u32 number = PITH_TRY(Directory(*volume_, inode).find(name)).inode;
        const Result<Inode> found = volume_->inode(number);
        if (!found.ok() && found.error() == Error::not_found) return Error::io;  // a name of nothing
        if (!found.ok()) return found.error();
        return FileId{number, found.value().raw->i_generation};
    });
}

Result<> FileSystem::count_links(Inode& inode, int change) {
    PITH_CHECK(volume_->edit(inode));
    u16& links = inode.raw->i_links_count;
    if (!inode.directory()) {
        if (change > 0 && links >= kMaxLinks) return Error::no_slot;
        if (change < 0 && links == 0) return Error::io;
        links = static_cast<u16>(links + change);
        return {};
    }
    // A directory with too many below it has 1: not counted.
    if (change > 0 && links >= kMaxLinks && ext2fs_has_feature_dir_nlink(volume_->fs()->super) == 0)
        return Error::no_slot;
    if (change > 0 && links != 1) links = links + 1 >= kMaxLinks ? 1 : static_cast<u16>(links + 1);
    if (change < 0 && links > 2) links--;
    return {};
}

Result<> FileSystem::add_name(Inode& directory, std::string_view name, const Inode& inode) {
    return Directory(*volume_, directory).add(name, inode.number, type_of(inode.mode()));
}

Result<Inode> FileSystem::new_inode(u32 directory, const NewFile& file, u16 mode) {
    Inode inode = PITH_TRY(file.as.inode != 0
                               ? volume_->allocate_inode(file.as.inode, file.as.generation, mode)
                               : volume_->allocate_inode(directory, mode));
    inode.raw->i_uid = static_cast<u16>(file.user);
    ext2fs_set_i_uid_high(*inode.raw, static_cast<u16>(file.user >> 16));
    inode.raw->i_gid = static_cast<u16>(file.group);
    ext2fs_set_i_gid_high(*inode.raw, static_cast<u16>(file.group >> 16));
    stamp(inode, true);
    return inode;
}

Result<FileId> FileSystem::make(FileId directory, std::string_view name, const NewFile& file, u16 mode,
                                const std::function<Result<>(Inode&, Inode&)>& fill) {
    if (!possible(name)) return Error::invalid;
    return operate(kNameBlocks, [&]() -> Result<FileId> {
        Inode parent = PITH_TRY(open_directory(directory));
        if (parent.raw->i_links_count == 0) return Error::not_found;
        const Result<Entry> there = Directory(*volume_, parent).find(name);
        if (there.ok()) return Error::exists;
        if (there.error() != Error::not_found) return there.error();
        PITH_CHECK(volume_->edit(parent));
        Inode inode = PITH_TRY(new_inode(directory.inode, file, mode));
        inode.raw->i_links_count = 1;
        PITH_CHECK(fill(inode, parent));
        PITH_CHECK(add_name(parent, name, inode));
        stamp(parent, true);
        return FileId{inode.number, inode.raw->i_generation};
    });
}

Result<FileId> FileSystem::create(FileId directory, std::string_view name, const NewFile& file) {
    const u16 mode = file.mode;
    if (type_of(mode) == EXT2_FT_UNKNOWN || LINUX_S_ISDIR(mode) || LINUX_S_ISLNK(mode)) return Error::invalid;
    return make(directory, name, file, mode, [&](Inode& inode, Inode&) -> Result<> {
        if (LINUX_S_ISREG(mode)) empty_tree(inode);
        if (!LINUX_S_ISCHR(mode) && !LINUX_S_ISBLK(mode)) return {};
        const u32 major = file.device_major, minor = file.device_minor;
        if (major < 256 && minor < 256) inode.raw->i_block[0] = major << 8 | minor;
        else inode.raw->i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
        return {};
    });
}

Result<FileId> FileSystem::create_unnamed(FileId directory, const NewFile& file) {
    if (!LINUX_S_ISREG(file.mode)) return Error::invalid;
    const FileId made = PITH_TRY(operate(kNameBlocks, [&]() -> Result<FileId> {
        const Inode parent = PITH_TRY(open_directory(directory));
        if (parent.raw->i_links_count == 0) return Error::not_found;
        Inode inode = PITH_TRY(new_inode(directory.inode, file, file.mode));
        empty_tree(inode);
        PITH_CHECK(add_orphan(inode));
        return FileId{inode.number, inode.raw->i_generation};
    }));
    holds_.insert(made.inode);
    return made;
}

Result<FileId> FileSystem::make_directory(FileId directory, std::string_view name, const NewFile& file) {
    const auto mode = static_cast<u16>((file.mode & 07777) | LINUX_S_IFDIR);
    return make(directory, name, file, mode, [&](Inode& inode, Inode& parent) -> Result<> {
        empty_tree(inode);
        inode.raw->i_links_count = 2;
        PITH_CHECK(count_links(parent, +1));
        return Directory(*volume_, inode).make(parent.number);
    });
}

Result<FileId> FileSystem::make_link(FileId directory, std::string_view name, std::string_view target,
                                     const NewFile& file) {
    if (target.empty() || target.size() >= volume_->block_size() ||
        target.find('\0') != std::string_view::npos)
        return Error::invalid;
    return make(directory, name, file, LINUX_S_IFLNK | 0777, [&](Inode& inode, Inode&) -> Result<> {
        inode.set_size(target.size());
        if (target.size() < sizeof inode.raw->i_block) {
            std::memcpy(inode.raw->i_block, target.data(), target.size());
            return {};
        }
        // Its block is metadata: it is in the journal, and read through the cache.
        empty_tree(inode);
        const Blocks blocks = PITH_TRY(volume_->allocate(goal(inode, 0), 1));
        PITH_CHECK(add_extent(*volume_, inode, 0, blocks, false));
        Buffer* buffer = PITH_TRY(volume_->cache().fresh(blocks.first));
        std::memcpy(buffer->data, target.data(), target.size());
        return {};
    });
}

Result<usize> FileSystem::read_link(FileId file, std::span<char> to) {
    return look([&]() -> Result<usize> {
        const Inode inode = PITH_TRY(open(file));
        if (!inode.symlink()) return Error::wrong_type;
        const usize size = inode.size() < to.size() ? inode.size() : to.size();
        if (ext2fs_is_fast_symlink(inode.small()) != 0) {
            std::memcpy(to.data(), inode.raw->i_block, size);
            return size;
        }
        if (inode.size() >= volume_->block_size()) return Error::io;
        const Mapping mapping = PITH_TRY(find_blocks(*volume_, inode, 0, 1));
        if (mapping.state != Mapping::written) return Error::io;
        std::memcpy(to.data(), PITH_TRY(volume_->cache().read(mapping.block))->data, size);
        return size;
    });
}

Result<> FileSystem::link(FileId file, FileId directory, std::string_view name) {
    if (!possible(name)) return Error::invalid;
    return operate(kNameBlocks, [&]() -> Result<> {
        Inode inode = PITH_TRY(open(file));
        Inode parent = PITH_TRY(open_directory(directory));
        if (inode.directory()) return Error::wrong_type;
        const bool unnamed = inode.raw->i_links_count == 0;
        if (parent.raw->i_links_count == 0 || (unnamed && !held(inode.number))) return Error::not_found;
        const Result<Entry> there = Directory(*volume_, parent).find(name);
        if (there.ok()) return Error::exists;
        if (there.error() != Error::not_found) return there.error();
        if (unnamed) PITH_CHECK(remove_orphan(inode));
        PITH_CHECK(count_links(inode, +1));
        PITH_CHECK(volume_->edit(parent));
        PITH_CHECK(add_name(parent, name, inode));
        stamp(inode, false);
        stamp(parent, true);
        return {};
    });
}

/// A name of the inode's less. True: it was the last one, and it is an orphan now.
Result<bool> FileSystem::drop_link(Inode& inode) {
    PITH_CHECK(volume_->edit(inode));
    const bool last = inode.directory() || inode.raw->i_links_count == 1;
    const bool mapped = inode.regular() || inode.directory() ||
                        (inode.symlink() && ext2fs_is_fast_symlink(inode.small()) == 0);
    if (last && mapped && (inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
    if (inode.directory()) inode.raw->i_links_count = 0;
    else PITH_CHECK(count_links(inode, -1));
    stamp(inode, false);
    if (last) PITH_CHECK(add_orphan(inode));
    return last;
}

/// What lost its last name.
Result<> FileSystem::settle_orphan(FileId file, FileId* orphan) {
    if (orphan != nullptr) *orphan = file;
    // The name is gone; what could not be freed stays in the list of orphans.
    else if (file.inode != 0 && !held(file.inode)) static_cast<void>(remove_file(file.inode));
    return {};
}

Result<> FileSystem::unlink(FileId directory, std::string_view name, FileId* orphan) {
    if (!possible(name)) return Error::invalid;
    FileId lost;
    PITH_CHECK(operate(kNameBlocks, [&]() -> Result<> {
        lost = {};
        Inode parent = PITH_TRY(open_directory(directory));
        Directory names(*volume_, parent);
        const Entry entry = PITH_TRY(names.find(name));
        Inode inode = PITH_TRY(volume_->inode(entry.inode));
        if (inode.directory()) return Error::wrong_type;
        PITH_CHECK(volume_->edit(parent));
        PITH_CHECK(names.remove(entry));
        stamp(parent, true);
        if (PITH_TRY(drop_link(inode))) lost = {inode.number, inode.raw->i_generation};
        return {};
    }));
    return settle_orphan(lost, orphan);
}

Result<> FileSystem::remove_directory(FileId directory, std::string_view name, FileId* orphan) {
    if (!possible(name)) return Error::invalid;
    FileId lost;
    PITH_CHECK(operate(kNameBlocks, [&]() -> Result<> {
        Inode parent = PITH_TRY(open_directory(directory));
        Directory names(*volume_, parent);
        const Entry entry = PITH_TRY(names.find(name));
        Inode inode = PITH_TRY(volume_->inode(entry.inode));
        if (!inode.directory() || inode.number == EXT2_ROOT_INO) return Error::wrong_type;
        if (!PITH_TRY(Directory(*volume_, inode).empty())) return Error::occupied;
        PITH_CHECK(volume_->edit(parent));
        PITH_CHECK(names.remove(entry));
        PITH_CHECK(count_links(parent, -1));
        stamp(parent, true);
        lost = {inode.number, inode.raw->i_generation};
        static_cast<void>(PITH_TRY(drop_link(inode)));
        return {};
    }));
    return settle_orphan(lost, orphan);
}

/// A directory must not come below itself.
Result<> FileSystem::check_new_parent(const Inode& inode, u32 directory) {
    for (u32 steps = 0; directory != EXT2_ROOT_INO; steps++) {
        if (directory == inode.number) return Error::invalid;
        if (steps > kMaxParents) return Error::io;
        Inode up = PITH_TRY(volume_->inode(directory));
        if (!up.directory()) return Error::io;
        directory = PITH_TRY(Directory(*volume_, up).find("..")).inode;
    }
    return inode.number == EXT2_ROOT_INO ? Result<>{Error::invalid} : Result<>{};
}

Result<> FileSystem::rename(FileId from, std::string_view name, FileId to, std::string_view new_name,
                            bool replace, FileId* orphan) {
    if (!possible(name) || !possible(new_name)) return Error::invalid;
    FileId lost;
    PITH_CHECK(operate(2 * kNameBlocks, [&]() -> Result<> {
        lost = {};
        Inode source = PITH_TRY(open_directory(from));
        Inode target = PITH_TRY(open_directory(to));
        if (target.raw->i_links_count == 0) return Error::not_found;
        const u32 number = PITH_TRY(Directory(*volume_, source).find(name)).inode;
        Inode inode = PITH_TRY(volume_->inode(number));
        const bool directory = inode.directory(), moves = source.number != target.number;
        if (directory && moves) PITH_CHECK(check_new_parent(inode, target.number));
        PITH_CHECK(volume_->edit(source));
        PITH_CHECK(volume_->edit(target));
        Directory targets(*volume_, target);
        const Result<Entry> there = targets.find(new_name);
        if (there.ok()) {
            if (!replace) return Error::exists;
            if (there.value().inode == inode.number) return {};
            Inode victim = PITH_TRY(volume_->inode(there.value().inode));
            if (victim.directory() != directory) return Error::wrong_type;
            if (directory && !PITH_TRY(Directory(*volume_, victim).empty())) return Error::occupied;
            PITH_CHECK(targets.redirect(there.value(), inode.number, type_of(inode.mode())));
            if (directory) PITH_CHECK(count_links(target, -1));
            if (PITH_TRY(drop_link(victim))) lost = {victim.number, victim.raw->i_generation};
        } else if (there.error() != Error::not_found) {
            return there.error();
        } else {
            PITH_CHECK(targets.add(new_name, inode.number, type_of(inode.mode())));
        }
        // Only now: the new name may have moved it.
        Directory sources(*volume_, source);
        const Entry old = PITH_TRY(sources.find(name));
        PITH_CHECK(sources.remove(old));
        if (moves) PITH_CHECK(change_parent(inode, source, target));
        PITH_CHECK(volume_->edit(inode));
        stamp(inode, false);
        stamp(source, true);
        stamp(target, true);
        return {};
    }));
    return settle_orphan(lost, orphan);
}

/// `inode`, which may be a directory, comes from one directory into another: its ".." and their counts.
Result<> FileSystem::change_parent(Inode& inode, Inode& from, Inode& to) {
    if (!inode.directory()) return {};
    Directory own(*volume_, inode);
    const Entry up = PITH_TRY(own.find(".."));
    PITH_CHECK(own.redirect(up, to.number, EXT2_FT_DIR));
    PITH_CHECK(count_links(from, -1));
    return count_links(to, +1);
}

Result<> FileSystem::exchange(FileId from, std::string_view name, FileId to, std::string_view other) {
    if (!possible(name) || !possible(other)) return Error::invalid;
    return operate(2 * kNameBlocks, [&]() -> Result<> {
        Inode source = PITH_TRY(open_directory(from));
        Inode target = PITH_TRY(open_directory(to));
        Directory sources(*volume_, source), targets(*volume_, target);
        const Entry first = PITH_TRY(sources.find(name)), second = PITH_TRY(targets.find(other));
        if (first.inode == second.inode) return {};
        Inode one = PITH_TRY(volume_->inode(first.inode));
        Inode two = PITH_TRY(volume_->inode(second.inode));
        const bool moves = source.number != target.number;
        if (moves && one.directory()) PITH_CHECK(check_new_parent(one, target.number));
        if (moves && two.directory()) PITH_CHECK(check_new_parent(two, source.number));
        for (Inode* each : {&source, &target, &one, &two}) PITH_CHECK(volume_->edit(*each));
        PITH_CHECK(sources.redirect(first, two.number, type_of(two.mode())));
        PITH_CHECK(targets.redirect(second, one.number, type_of(one.mode())));
        if (moves) {
            PITH_CHECK(change_parent(one, source, target));
            PITH_CHECK(change_parent(two, target, source));
        }
        stamp(one, false);
        stamp(two, false);
        stamp(source, true);
        stamp(target, true);
        return {};
    });
}

}  // namespace pith::ext4
