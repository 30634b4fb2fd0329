// SPDX-License-Identifier: MIT
// FileSystem: the list of orphans on the disk (from the superblock on, through the inodes' deletion times): files without a
// name that are held or being removed, and files that are being cut. A power cut in between leaves them there for the next mount.
#include <algorithm>

#include "lib/ext4/extents.hpp"
#include "lib/ext4/file_system.hpp"

namespace pith::ext4 {

namespace {

constexpr usize kMaxOrphans = 1u << 20;

struct AttributeBlock {  ///< the head of a block of extended attributes
    u32 magic;
    u32 references;
    u32 blocks;
};
constexpr u32 kAttributeMagic = 0xea020000;

/// Gives up the inode's block of extended attributes, which others may share.
Result<> drop_attributes(Volume& volume, Inode& inode) {
    const u64 at = ext2fs_file_acl_block(volume.fs(), inode.small());
    if (at == 0) return {};
    if (!volume.ordinary({at, 1})) return Error::io;
    Buffer* buffer = PITH_TRY(volume.cache().read(at));
    auto* head = reinterpret_cast<AttributeBlock*>(buffer->data);
    if (head->magic != kAttributeMagic || head->references == 0) return Error::io;
    if (head->references == 1) return volume.release({at, 1});
    PITH_CHECK(volume.cache().change(*buffer));
    head->references--;
    PITH_EXT2(ext2fs_ext_attr_block_csum_set(volume.fs(), inode.number, at,
                                             reinterpret_cast<ext2_ext_attr_header*>(buffer->data)));
    return {};
}

}  // namespace

Result<std::vector<u32>> FileSystem::orphans() {
    std::vector<u32> found;
    for (u32 number = volume_->super().s_last_orphan; number != 0;) {
        const Inode inode = PITH_TRY(volume_->inode(number));
        found.push_back(number);
        if (found.size() > kMaxOrphans || found.size() > volume_->super().s_inodes_count) return Error::io;
        number = inode.raw->i_dtime;
    }
    return found;
}

Result<> FileSystem::add_orphan(Inode& inode) {
    const std::vector<u32> listed = PITH_TRY(orphans());
    if (std::ranges::find(listed, inode.number) != listed.end()) return {};
    PITH_CHECK(volume_->edit(inode));
    inode.raw->i_dtime = volume_->super().s_last_orphan;
    volume_->super().s_last_orphan = inode.number;
    return {};
}

Result<> FileSystem::remove_orphan(Inode& inode) {
    const u32 next = inode.raw->i_dtime;
    // Mostly the first: what was just added, or all of them in turn.
    if (volume_->super().s_last_orphan == inode.number) {
        volume_->super().s_last_orphan = next;
    } else {
        const std::vector<u32> listed = PITH_TRY(orphans());
        const auto at = std::ranges::find(listed, inode.number);
        if (at == listed.end()) return {};
        Inode before = PITH_TRY(volume_->inode(at[-1]));
        PITH_CHECK(volume_->edit(before));
        before.raw->i_dtime = next;
    }
    PITH_CHECK(volume_->edit(inode));
    inode.raw->i_dtime = 0;
    return {};
}

/// Frees an orphan without a name, a part at a time.
Result<> FileSystem::remove_file(u32 number) {
    stale_tails_.erase(number);
    for (bool all = false; !all;) {
        all = PITH_TRY(operate(volume_->step() * 6 + 16, [&]() -> Result<bool> {
            Inode inode = PITH_TRY(volume_->inode(number));
            if (inode.raw->i_links_count != 0) return true;
            PITH_CHECK(volume_->edit(inode));
            if ((inode.raw->i_flags & EXT4_EXTENTS_FL) != 0 &&
                !PITH_TRY(cut_extents(*volume_, inode, 0, volume_->step())))
                return false;
            PITH_CHECK(drop_attributes(*volume_, inode));
            PITH_CHECK(remove_orphan(inode));
            PITH_CHECK(volume_->release_inode(inode));
            return true;
        }));
    }
    return {};
}

/// At the mount: files with a name were being cut.
Result<> FileSystem::finish_truncations() {
    const Result<std::vector<u32>> listed = orphans();
    if (!listed.ok()) {
        // A broken list is left to e2fsck.
        return listed.error() == Error::not_found ? Result<>{Error::io} : Result<>{listed.error()};
    }
    for (const u32 number : listed.value()) {
        const Inode inode = PITH_TRY(volume_->inode(number));
        if (inode.raw->i_links_count == 0) continue;
        const FileId file{number, inode.raw->i_generation};
        const u64 size = inode.size();
        if (!inode.regular()) return Error::io;
        while (!PITH_TRY(cut(file, size, false))) {}
        stale_tails_[number] = size;
    }
    return {};
}

Result<> FileSystem::reap_orphans() {
    for (const u32 number : PITH_TRY(look([&] { return orphans(); }))) {
        const Inode inode = PITH_TRY(volume_->inode(number));
        if (inode.raw->i_links_count == 0 && !held(number)) PITH_CHECK(remove_file(number));
    }
    return {};
}

Result<> FileSystem::hold(FileId file) {
    static_cast<void>(PITH_TRY(look([&] { return open(file); })));
    holds_.insert(file.inode);
    return {};
}

Result<> FileSystem::release(FileId file) {
    PITH_CHECK(look([&] { return open(file); }));
    holds_.erase(file.inode);
    return reap(file);
}

Result<> FileSystem::release_all() {
    holds_.clear();
    return reap_orphans();
}

Result<> FileSystem::reap(FileId file) {
    const Inode inode = PITH_TRY(look([&] { return open(file); }));
    if (inode.raw->i_links_count != 0 || held(file.inode) || volume_->read_only()) return {};
    return remove_file(file.inode);
}

}  // namespace pith::ext4
