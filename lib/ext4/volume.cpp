// SPDX-License-Identifier: MIT
// Operations, transactions, checkpoints.
#include "lib/ext4/volume.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/base/assert.hpp"

namespace pith::ext4 {

namespace {

constexpr u8 kBlockBitmap = 1;
constexpr u8 kInodeBitmap = 2;
constexpr usize kSlack = 8;

/// In a map whose first block is `first`. The library takes one bit after the other, but copies whole bytes.
void set_blocks(ext2fs_block_bitmap map, u64 first, Blocks blocks, bool on) {
    static std::array<u8, 512> zeros, ones = [] {
        std::array<u8, 512> bytes;
        bytes.fill(0xff);
        return bytes;
    }();
    const auto one_by_one = [&](u64 count) {
        const auto number = static_cast<unsigned>(count);
        if (on) ext2fs_mark_block_bitmap_range2(map, blocks.first, number);
        else ext2fs_unmark_block_bitmap_range2(map, blocks.first, number);
        blocks.first += count;
        blocks.count -= count;
    };
    if (const u64 within = (blocks.first - first) % 8; within != 0)
        one_by_one(std::min(8 - within, blocks.count));
    while (blocks.count >= 8) {
        const u64 count = std::min<u64>(blocks.count & ~u64{7}, ones.size() * 8);
        if (ext2fs_set_block_bitmap_range2(map, blocks.first, count, on ? ones.data() : zeros.data()) != 0)
            break;
        blocks.first += count;
        blocks.count -= count;
    }
    if (blocks.count != 0) one_by_one(blocks.count);
}

}  // namespace

Result<> Volume::fail(Error error) {
    read_only_ = failed_ = true;
    return error;
}

void Volume::broken() {
    PITH_ASSERT(!operation_);
    if (read_only_ || options_.change_broken) return;
    if (options_.observer != nullptr) options_.observer->doubtful();
    read_only_ = failed_ = true;
    // Who can't be told is not worse off than before.
    static_cast<void>(note_error());
}

/// In the superblock at home, which may be older than the one in memory, and in the journal's, as a replay writes over the former.
Result<> Volume::note_error() {
    ext2_super_block home;
    PITH_CHECK(device_.read(SUPERBLOCK_OFFSET, &home, SUPERBLOCK_SIZE));
    home.s_state |= EXT2_ERROR_FS;
    PITH_EXT2(ext2fs_superblock_csum_set(fs_, &home));
    PITH_CHECK(device_.write(SUPERBLOCK_OFFSET, &home, SUPERBLOCK_SIZE));
    return journal_->note_error();
}

usize Volume::running_blocks() const { return cache_->running().size() + dirty_group_count_ * 3 + kSlack; }

Result<> Volume::begin(usize blocks) {
    PITH_ASSERT(!operation_);
    if (read_only_) return Error::access;
    cache_->trim();
    const usize limit = std::min<usize>(journal_->capacity() / 4, options_.cache_blocks / 2);
    if (!cache_->running().empty() && running_blocks() + blocks > limit) PITH_CHECK(commit());
    if (journal_->needed(running_blocks() + blocks, revoked_.size() + blocks) + 1 >= journal_->free() ||
        cache_->dirty() > options_.cache_blocks / 2)
        PITH_CHECK(checkpoint());
    cache_->begin();
    undo_orphan_ = super().s_last_orphan;
    operation_ = true;
    return {};
}

void Volume::seal_inodes() {
    for (const u32 number : edited_) {
        const Result<Inode> inode = locate_inode(number);
        if (inode.ok()) ext2fs_inode_csum_set(fs_, number, inode.value().raw);
    }
    edited_.clear();
}

void Volume::finish() {
    PITH_ASSERT(operation_);
    seal_inodes();
    cache_->finish();
    for (const Undo& done : undo_) {
        if (done.kind != Undo::kBlocks || done.took) continue;
        freed_.push_back({done.first, done.count});
        for (u64 block = done.first; block < done.first + done.count; block++)
            if (cache_->forget(block)) revoked_.push_back(block);
    }
    undo_.clear();
    operation_ = false;
}

void Volume::rollback() {
    PITH_ASSERT(operation_);
    edited_.clear();
    cache_->rollback();
    for (usize i = undo_.size(); i-- > 0;) undo(undo_[i]);
    undo_.clear();
    super().s_last_orphan = undo_orphan_;
    operation_ = false;
}

void Volume::undo(const Undo& undo) {
    if (undo.kind == Undo::kBlocks) {
        account({undo.first, undo.count}, !undo.took);
        if (undo.took) set_blocks(taken_, super().s_first_data_block, {undo.first, undo.count}, false);
        return;
    }
    const auto number = static_cast<ext2_ino_t>(undo.first);
    ext2fs_inode_alloc_stats2(fs_, number, undo.took ? -1 : +1, undo.directory ? 1 : 0);
    if (undo.took) ext2fs_bg_itable_unused_set(fs_, ext2fs_group_of_ino(fs_, number), undo.unused);
}

void Volume::mark_group(u32 group, bool inodes) {
    if (dirty_groups_[group] == 0) dirty_group_count_++;
    dirty_groups_[group] |= inodes ? kInodeBitmap : kBlockBitmap;
}

void Volume::account(Blocks blocks, bool take) {
    set_blocks(fs_->block_map, super().s_first_data_block, blocks, take);
    if (take) set_blocks(taken_, super().s_first_data_block, blocks, true);
    for (u64 at = blocks.first, left = blocks.count; left > 0;) {
        const dgrp_t group = ext2fs_group_of_blk2(fs_, at);
        const u64 part = std::min<u64>(left, ext2fs_group_last_block2(fs_, group) - at + 1);
        const u32 free = ext2fs_bg_free_blocks_count(fs_, group);
        ext2fs_bg_free_blocks_count_set(fs_, group, static_cast<u32>(take ? free - part : free + part));
        ext2fs_bg_flags_clear(fs_, group, EXT2_BG_BLOCK_UNINIT);
        mark_group(group, false);
        at += part;
        left -= part;
    }
    const u64 free = ext2fs_free_blocks_count(fs_->super);
    ext2fs_free_blocks_count_set(fs_->super, take ? free - blocks.count : free + blocks.count);
}

void Volume::account_hook(ext2_filsys fs, blk64_t block, int in_use) {
    auto& volume = *static_cast<Volume*>(fs->priv_data);
    volume.mark_group(ext2fs_group_of_blk2(fs, block), false);
    if (in_use > 0) ext2fs_mark_block_bitmap2(volume.taken_, block);
    volume.undo_.push_back({Undo::kBlocks, in_use > 0, false, 0, block, 1});
}

errcode_t Volume::allocate_hook(ext2_filsys fs, blk64_t goal, blk64_t* block, blk_alloc_ctx*) {
    const Result<Blocks> blocks = [&]() -> Result<Blocks> {
        auto& volume = *static_cast<Volume*>(fs->priv_data);
        Blocks found = PITH_TRY(volume.allocate(goal, 1));
        // The library takes it itself.
        volume.undo(volume.undo_.back());
        volume.undo_.pop_back();
        return found;
    }();
    if (!blocks.ok())
        return blocks.error() == Error::no_space ? static_cast<errcode_t>(EXT2_ET_BLOCK_ALLOC_FAIL)
                                                 : static_cast<errcode_t>(EXT2_ET_BAD_BLOCK_NUM);
    *block = blocks.value().first;
    return 0;
}

Result<Blocks> Volume::allocate(u64 goal, u64 most) {
    const u64 first = super().s_first_data_block, last = block_count() - 1;
    if (goal < first || goal > last) goal = first;
    blk64_t start = 0;
    errcode_t error = ext2fs_find_first_zero_block_bitmap2(taken_, goal, last, &start);
    if (error == ENOENT && goal > first)
        error = ext2fs_find_first_zero_block_bitmap2(taken_, first, goal - 1, &start);
    if (error == ENOENT) return Error::no_space;
    PITH_EXT2(error);
    blk64_t end = std::min<u64>(last, start + most - 1);
    blk64_t used = 0;
    if (end > start && ext2fs_find_first_set_block_bitmap2(taken_, start, end, &used) == 0) end = used - 1;
    const Blocks found{start, end - start + 1};
    if (!ordinary(found)) return Error::io;
    account(found, true);
    undo_.push_back({Undo::kBlocks, true, false, 0, found.first, found.count});
    return found;
}

Result<> Volume::release(Blocks blocks) {
    if (!ordinary(blocks)) return Error::io;
    blk64_t unused = 0;
    if (ext2fs_find_first_zero_block_bitmap2(fs_->block_map, blocks.first, blocks.first + blocks.count - 1,
                                             &unused) == 0)
        return Error::io;
    account(blocks, false);
    undo_.push_back({Undo::kBlocks, false, false, 0, blocks.first, blocks.count});
    return {};
}

bool Volume::ordinary(Blocks blocks) const {
    if (blocks.count == 0 || blocks.first < super().s_first_data_block || blocks.first >= block_count() ||
        blocks.count > block_count() - blocks.first)
        return false;
    // The last run of the system's that begins before the end.
    auto next = std::ranges::upper_bound(system_, blocks.first + blocks.count - 1, {}, &Blocks::first);
    if (next == system_.begin()) return true;
    --next;
    return next->first + next->count <= blocks.first;
}

Result<> Volume::write_bitmap(u32 group, bool inodes) {
    const u64 at = inodes ? ext2fs_inode_bitmap_loc(fs_, group) : ext2fs_block_bitmap_loc(fs_, group);
    Buffer* buffer = PITH_TRY(cache_->fresh(at));
    std::memset(buffer->data, 0xff, block_size());
    auto* bits = reinterpret_cast<char*>(buffer->data);
    if (inodes) {
        const u32 count = super().s_inodes_per_group;
        PITH_EXT2(ext2fs_get_inode_bitmap_range2(fs_->inode_map, u64{group} * count + 1, count, bits));
        PITH_EXT2(ext2fs_inode_bitmap_csum_set(fs_, group, bits, static_cast<int>(count / 8)));
        return {};
    }
    const u64 first = ext2fs_group_first_block2(fs_, group);
    const u64 count = ext2fs_group_last_block2(fs_, group) - first + 1;
    PITH_EXT2(ext2fs_get_block_bitmap_range2(fs_->block_map, first, count, bits));
    // Behind the last group's end all is in use.
    for (u64 bit = count; bit < block_size() * 8; bit++)
        buffer->data[bit / 8] |= static_cast<u8>(1u << (bit % 8));
    PITH_EXT2(
        ext2fs_block_bitmap_csum_set(fs_, group, bits, static_cast<int>(super().s_clusters_per_group / 8)));
    return {};
}

Result<> Volume::write_descriptors(u64 index) {
    const u64 at = ext2fs_descriptor_block_loc2(fs_, super().s_first_data_block, static_cast<dgrp_t>(index));
    Buffer* buffer = PITH_TRY(cache_->fresh(at));
    std::memcpy(buffer->data, reinterpret_cast<u8*>(fs_->group_desc) + index * block_size(), block_size());
    return {};
}

Result<> Volume::write_super() {
    const u64 at = SUPERBLOCK_OFFSET / block_size();
    Buffer* buffer = PITH_TRY(cache_->read(at));
    PITH_CHECK(cache_->change(*buffer));
    super().s_wtime = static_cast<u32>(now().seconds);
    ext2fs_superblock_csum_set(fs_, fs_->super);
    std::memcpy(buffer->data + SUPERBLOCK_OFFSET % block_size(), fs_->super, SUPERBLOCK_SIZE);
    return {};
}

/// Puts what the library holds in memory (bitmaps, descriptors, superblock) into blocks of the transaction.
Result<> Volume::prepare_commit() {
    const auto per_block = static_cast<u64>(EXT2_DESC_PER_BLOCK(fs_->super));
    u64 written = ~u64{0};
    for (u32 group = 0; group < dirty_groups_.size() && dirty_group_count_ > 0; group++) {
        u8& dirty = dirty_groups_[group];
        if (dirty == 0) continue;
        if ((dirty & kBlockBitmap) != 0) PITH_CHECK(write_bitmap(group, false));
        if ((dirty & kInodeBitmap) != 0) PITH_CHECK(write_bitmap(group, true));
        ext2fs_group_desc_csum_set(fs_, group);
        // Groups of one block of descriptors come behind each other: the last of them writes it.
        if (written != ~u64{0} && written != group / per_block) PITH_CHECK(write_descriptors(written));
        written = group / per_block;
        dirty = 0;
        dirty_group_count_--;
    }
    if (written != ~u64{0}) PITH_CHECK(write_descriptors(written));
    return write_super();
}

Result<> Volume::commit() {
    PITH_ASSERT(!operation_);
    if (read_only_) return Error::access;
    if (cache_->running().empty()) {
        if (const Result<> done = device_.flush(); !done.ok()) return fail(done.error());
        return {};
    }
    if (const Result<> done = prepare_commit(); !done.ok()) return fail(done.error());
    const u32 number = journal_->sequence();
    if (options_.observer != nullptr) options_.observer->committing(number);
    if (const Result<> done = journal_->commit(cache_->running(), revoked_, now()); !done.ok())
        return fail(Error::io);
    cache_->committed();
    if (options_.observer != nullptr) options_.observer->committed(number);
    revoked_.clear();
    for (const Blocks& blocks : freed_) set_blocks(taken_, super().s_first_data_block, blocks, false);
    freed_.clear();
    return {};
}

Result<> Volume::checkpoint() {
    PITH_CHECK(commit());
    const Result<> done = [&]() -> Result<> {
        PITH_CHECK(cache_->write_home());
        PITH_CHECK(device_.flush());
        return journal_->checkpointed();
    }();
    if (!done.ok()) return fail(done.error());
    return {};
}

}  // namespace pith::ext4
