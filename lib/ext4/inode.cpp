// SPDX-License-Identifier: MIT
// Volume: inodes in their tables.
#include <algorithm>
#include <cstring>

#include "lib/ext4/volume.hpp"

namespace pith::ext4 {

Result<Inode> Volume::locate_inode(u32 number) {
    if (number == 0 || number > super().s_inodes_count) return Error::not_found;
    const u32 per_group = super().s_inodes_per_group;
    const u32 group = (number - 1) / per_group;
    if (group >= fs_->group_desc_count) return Error::not_found;
    const u64 offset = u64{(number - 1) % per_group} * EXT2_INODE_SIZE(fs_->super);
    Buffer* buffer = PITH_TRY(cache_->read(ext2fs_inode_table_loc(fs_, group) + offset / block_size()));
    return Inode{number, buffer, reinterpret_cast<ext2_inode_large*>(buffer->data + offset % block_size())};
}

Result<Inode> Volume::inode(u32 number) {
    Inode inode = PITH_TRY(locate_inode(number));
    const bool used = fs_->inode_map != nullptr ? ext2fs_test_inode_bitmap2(fs_->inode_map, number) != 0
                                                : inode.raw->i_links_count != 0;
    if (!used) return Error::not_found;
    const usize place = static_cast<usize>(reinterpret_cast<u8*>(inode.raw) - inode.buffer->data);
    const u64 bit = u64{1} << place / EXT2_INODE_SIZE(fs_->super) % 64;
    if ((inode.buffer->checked_inodes & bit) == 0 && std::ranges::find(edited_, number) == edited_.end()) {
        if (ext2fs_inode_csum_verify(fs_, number, inode.raw) == 0) return Error::io;
        inode.buffer->checked_inodes |= bit;
    }
    if (inode.raw->i_mode == 0) return Error::not_found;
    return inode;
}

Result<> Volume::edit(Inode& inode) {
    PITH_CHECK(cache_->change(*inode.buffer));
    if (std::ranges::find(edited_, inode.number) == edited_.end()) edited_.push_back(inode.number);
    return {};
}

errcode_t Volume::read_inode_hook(ext2_filsys fs, ext2_ino_t number, ext2_inode* to) {
    const Result<Inode> inode = static_cast<Volume*>(fs->priv_data)->locate_inode(number);
    if (!inode.ok()) return EXT2_ET_BAD_INODE_NUM;
    std::memcpy(to, inode.value().raw, sizeof *to);
    return 0;
}

errcode_t Volume::write_inode_hook(ext2_filsys fs, ext2_ino_t number, ext2_inode* from) {
    auto& volume = *static_cast<Volume*>(fs->priv_data);
    Result<Inode> inode = volume.locate_inode(number);
    if (!inode.ok()) return EXT2_ET_BAD_INODE_NUM;
    if (!volume.edit(inode.value()).ok()) return EXT2_ET_NO_MEMORY;
    if (from != inode.value().small()) std::memcpy(inode.value().raw, from, sizeof *from);
    return 0;
}

/// Inodes of a table that nobody ever zeroed, [first, last) of the group, before they come into the range that is used.
Result<> Volume::zero_new_inodes(u32 group, u32 first, u32 last) {
    const usize size = EXT2_INODE_SIZE(fs_->super);
    while (first < last) {
        const u64 offset = u64{first} * size;
        const usize in_block = offset % block_size();
        const u32 count = std::min<u32>(last - first, static_cast<u32>((block_size() - in_block) / size));
        const u64 at = ext2fs_inode_table_loc(fs_, group) + offset / block_size();
        Buffer* buffer = PITH_TRY(in_block == 0 ? cache_->fresh(at) : cache_->read(at));
        PITH_CHECK(cache_->change(*buffer));
        std::memset(buffer->data + in_block, 0, count * size);
        first += count;
    }
    return {};
}

Result<Inode> Volume::allocate_inode(u32 parent, u16 mode) {
    ext2_ino_t number = 0;
    PITH_EXT2(ext2fs_new_inode(fs_, parent, mode, fs_->inode_map, &number));
    Inode inode = PITH_TRY(take_inode(number, mode));
    if (inode.raw->i_generation == 0) inode.raw->i_generation = 1;
    return inode;
}

Result<Inode> Volume::allocate_inode(u32 number, u32 generation, u16 mode) {
    if (number < EXT2_FIRST_INODE(fs_->super) || number > super().s_inodes_count) return Error::invalid;
    if (ext2fs_test_inode_bitmap2(fs_->inode_map, number) != 0) return Error::occupied;
    Inode inode = PITH_TRY(take_inode(number, mode));
    inode.raw->i_generation = generation;
    return inode;
}

/// A free one; its generation is the next.
Result<Inode> Volume::take_inode(u32 number, u16 mode) {
    const u32 group = ext2fs_group_of_ino(fs_, number);
    const u32 per_group = super().s_inodes_per_group;
    const u32 index = (number - 1) % per_group;
    const u32 unused = ext2fs_bg_itable_unused(fs_, group);
    if (ext2fs_has_group_desc_csum(fs_) != 0 && ext2fs_bg_flags_test(fs_, group, EXT2_BG_INODE_ZEROED) == 0) {
        // The rest of the inode's block may be read some day: so it is zeroed too.
        const u32 per_block = static_cast<u32>(block_size() / EXT2_INODE_SIZE(fs_->super));
        const bool none = ext2fs_bg_flags_test(fs_, group, EXT2_BG_INODE_UNINIT) != 0;
        const u32 used = none ? 0 : per_group - std::min(unused, per_group);
        PITH_CHECK(zero_new_inodes(group, used, std::min(per_group, (index / per_block + 1) * per_block)));
    }
    const bool directory = LINUX_S_ISDIR(mode);
    ext2fs_inode_alloc_stats2(fs_, number, +1, directory ? 1 : 0);
    undo_.push_back({Undo::kInode, true, directory, static_cast<u16>(unused), number, 1});
    mark_group(group, true);
    Inode inode = PITH_TRY(locate_inode(number));
    PITH_CHECK(edit(inode));
    const u32 generation = inode.raw->i_generation + 1;
    const usize size = EXT2_INODE_SIZE(fs_->super);
    std::memset(static_cast<void*>(inode.raw), 0, size);
    inode.raw->i_generation = generation;
    inode.raw->i_mode = mode;
    if (size > EXT2_GOOD_OLD_INODE_SIZE) {
        u16 extra = super().s_want_extra_isize;
        if (extra < 32 || extra % 4 != 0 || extra > size - EXT2_GOOD_OLD_INODE_SIZE) extra = 32;
        inode.raw->i_extra_isize = extra;
    }
    return inode;
}

Result<> Volume::release_inode(Inode& inode) {
    PITH_CHECK(edit(inode));
    const u32 number = inode.number, group = ext2fs_group_of_ino(fs_, number);
    const bool directory = inode.directory();
    const u32 generation = inode.raw->i_generation;
    const u16 extra = EXT2_INODE_SIZE(fs_->super) > EXT2_GOOD_OLD_INODE_SIZE ? inode.raw->i_extra_isize : 0;
    std::memset(static_cast<void*>(inode.raw), 0, EXT2_INODE_SIZE(fs_->super));
    inode.raw->i_generation = generation;
    // A small number would be taken for a place in the list of orphans.
    inode.raw->i_dtime = std::max({1u, super().s_mkfs_time, static_cast<u32>(now().seconds)});
    if (extra != 0) inode.raw->i_extra_isize = extra;
    ext2fs_inode_alloc_stats2(fs_, number, -1, directory ? 1 : 0);
    undo_.push_back({Undo::kInode, false, directory, 0, number, 1});
    mark_group(group, true);
    return {};
}

}  // namespace pith::ext4
