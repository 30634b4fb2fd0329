// SPDX-License-Identifier: MIT
// Volume: mounting and unmounting.
#include <algorithm>
#include <cstring>

#include "lib/ext4/extents.hpp"
#include "lib/ext4/volume.hpp"

namespace pith::ext4 {

namespace {

// What may be there. What is not named (inline data, encryption, bigalloc, quotas, ...) is refused.
constexpr u32 kIncompatible = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER |
                              EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_64BIT |
                              EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT2_FEATURE_INCOMPAT_META_BG |
                              EXT4_FEATURE_INCOMPAT_CSUM_SEED;
constexpr u32 kRequired = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS;
constexpr u32 kReadOnlyCompatible = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                                    EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_GDT_CSUM |
                                    EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
                                    EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
constexpr u32 kMaxBlockSize = 4096;

}  // namespace

Volume::Volume(BlockDevice& device, const MountOptions& options) : device_(device), options_(options) {}

Volume::~Volume() { close(); }

void Volume::close() {
    if (fs_ == nullptr) return;
    if (taken_ != nullptr) ext2fs_free_block_bitmap(taken_);
    taken_ = nullptr;
    ext2fs_free(fs_);
    fs_ = nullptr;
}

Result<std::unique_ptr<Volume>> Volume::mount(BlockDevice& device, const MountOptions& options) {
    std::unique_ptr<Volume> volume(new (std::nothrow) Volume(device, options));
    if (volume == nullptr) return Error::no_memory;
    if (!options.read_only && device.read_only()) return Error::access;
    volume->read_only_ = true;  // until all is well
    PITH_CHECK(volume->open());
    PITH_CHECK(volume->load_journal());
    PITH_CHECK(volume->check_descriptors());
    PITH_CHECK(volume->find_system_blocks());
    if (options.read_only) return volume;
    PITH_CHECK(volume->load_maps());
    PITH_CHECK(volume->start());
    return volume;
}

Result<> Volume::check_super(ext2_super_block& super) {
    if (device_.size() < 2 * SUPERBLOCK_OFFSET) return Error::invalid;
    PITH_CHECK(device_.read(SUPERBLOCK_OFFSET, &super, SUPERBLOCK_SIZE));
    if (super.s_magic != EXT2_SUPER_MAGIC) return Error::invalid;
    if (super.s_rev_level != EXT2_DYNAMIC_REV || (super.s_feature_incompat & ~kIncompatible) != 0 ||
        (super.s_feature_incompat & kRequired) != kRequired || super.s_log_block_size > 2 ||
        (1024u << super.s_log_block_size) > kMaxBlockSize)
        return Error::unsupported;
    if (!options_.read_only && (super.s_feature_ro_compat & ~kReadOnlyCompatible) != 0)
        return Error::unsupported;
    const u64 block_size = 1024u << super.s_log_block_size;
    const u64 blocks = ext2fs_blocks_count(&super);
    if (blocks == 0 || blocks > device_.size() / block_size ||
        super.s_first_data_block != (block_size == 1024 ? 1 : 0) || super.s_blocks_per_group % 8 != 0 ||
        super.s_inodes_per_group % 8 != 0 || super.s_inodes_per_group == 0 ||
        super.s_inodes_per_group > block_size * 8 || super.s_blocks_per_group > block_size * 8 ||
        super.s_blocks_per_group < 64)
        return Error::io;
    return {};
}

Result<> Volume::open() {
    ext2_super_block super;
    PITH_CHECK(check_super(super));
    cache_.reset(new (std::nothrow) BlockCache(device_, 1024u << super.s_log_block_size,
                                               ext2fs_blocks_count(&super), options_.cache_blocks));
    if (cache_ == nullptr) return Error::no_memory;
    manager_.reset(new (std::nothrow) CacheManager(*cache_));
    if (manager_ == nullptr) return Error::no_memory;
    const int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | (options_.read_only ? 0 : EXT2_FLAG_RW);
    PITH_EXT2(manager_->open_file_system(flags, &fs_));
    fs_->priv_data = this;
    fs_->read_inode = read_inode_hook;
    fs_->write_inode = write_inode_hook;
    fs_->get_alloc_block2 = allocate_hook;
    fs_->block_alloc_stats = account_hook;
    fs_->default_bitmap_type = EXT2FS_BMAP64_BITARRAY;
    fs_->now = 1;
    return {};
}

/// Not before the journal has been replayed: until then a descriptor may be half written.
Result<> Volume::check_descriptors() {
    const u32 table = fs_->inode_blocks_per_group;
    for (dgrp_t group = 0; group < fs_->group_desc_count; group++) {
        const auto inside = [&](u64 block, u64 count) {
            return block >= fs_->super->s_first_data_block && block < block_count() &&
                   count <= block_count() - block;
        };
        if (ext2fs_group_desc_csum_verify(fs_, group) == 0 ||
            !inside(ext2fs_inode_table_loc(fs_, group), table) ||
            !inside(ext2fs_block_bitmap_loc(fs_, group), 1) ||
            !inside(ext2fs_inode_bitmap_loc(fs_, group), 1))
            return Error::io;
    }
    return {};
}

Result<> Volume::load_journal() {
    if (ext2fs_has_feature_journal(fs_->super) == 0) {
        if (!options_.read_only || ext2fs_has_feature_journal_needs_recovery(fs_->super) != 0)
            return Error::unsupported;
        return {};
    }
    if (super().s_journal_inum == 0 || super().s_journal_dev != 0) return Error::unsupported;
    Inode inode = PITH_TRY(locate_inode(super().s_journal_inum));
    if (ext2fs_inode_csum_verify(fs_, inode.number, inode.raw) == 0 || !inode.regular() ||
        inode.raw->i_links_count == 0)
        return Error::io;
    std::vector<JournalRun> runs;
    const u64 length = inode.size() / block_size();
    if (length < 2 || length >= block_count()) return Error::io;
    for (u64 at = 0; at < length;) {
        const Mapping mapping = PITH_TRY(find_blocks(*this, inode, at, length - at));
        if (mapping.state != Mapping::written) return Error::io;
        runs.push_back({static_cast<u32>(at), static_cast<u32>(mapping.count), mapping.block});
        at += mapping.count;
    }
    journal_.reset(new (std::nothrow) Journal(device_, block_size(), std::move(runs)));
    if (journal_ == nullptr) return Error::no_memory;
    PITH_CHECK(journal_->load());
    const auto found = [&](u32 last) {
        if (options_.observer != nullptr && replayed_ == 0) options_.observer->found(last);
    };
    if (ext2fs_has_feature_journal_needs_recovery(fs_->super) == 0) {
        found(journal_->sequence() - 1);
        return {};
    }
    if (device_.read_only()) return journal_->dirty() ? Result<>{Error::access} : Result<>{};
    // A replay changes what has been read so far: then begin again. What was not cleanly unmounted and holds nothing is replayed too, so
    // that the number of a transaction that was cut off is not used again.
    if (replayed_ == 0) {
        const u32 transactions = PITH_TRY(journal_->replay(block_count(), found));
        replayed_ = transactions + 1;
        close();
        PITH_CHECK(open());
        PITH_CHECK(load_journal());
        replayed_ = transactions;
        // A mount that writes sets it again at once.
        if (options_.read_only) PITH_CHECK(set_recover(false));
    }
    return {};
}

/// The runs that no file may own.
Result<> Volume::find_system_blocks() {
    for (dgrp_t group = 0; group < fs_->group_desc_count; group++) {
        blk64_t copy = 0, old_descriptors = 0, new_descriptors = 0;
        blk_t used = 0;
        PITH_EXT2(ext2fs_super_and_bgd_loc2(fs_, group, &copy, &old_descriptors, &new_descriptors, &used));
        if (copy != 0 || group == 0) system_.push_back({copy, 1});
        if (old_descriptors != 0)
            system_.push_back({old_descriptors, fs_->desc_blocks + super().s_reserved_gdt_blocks});
        if (new_descriptors != 0) system_.push_back({new_descriptors, 1});
        system_.push_back({ext2fs_block_bitmap_loc(fs_, group), 1});
        system_.push_back({ext2fs_inode_bitmap_loc(fs_, group), 1});
        system_.push_back({ext2fs_inode_table_loc(fs_, group), fs_->inode_blocks_per_group});
    }
    if (journal_ != nullptr)
        for (const JournalRun& run : journal_->runs()) system_.push_back({run.block, run.count});
    std::ranges::sort(system_, {}, &Blocks::first);
    std::vector<Blocks> merged;
    for (const Blocks& run : system_) {
        if (!merged.empty() && run.first <= merged.back().first + merged.back().count)
            merged.back().count = std::max(merged.back().count, run.first + run.count - merged.back().first);
        else merged.push_back(run);
    }
    system_ = std::move(merged);
    return {};
}

Result<> Volume::load_maps() {
    constexpr u64 kOfGroup = 256;  ///< bytes, beside the bitmaps: its descriptor, its runs of system blocks
    const u64 groups = fs_->group_desc_count;
    if (groups * (kOfGroup + super().s_blocks_per_group / 4 + super().s_inodes_per_group / 8) >
        options_.map_bytes)
        return Error::no_memory;
    PITH_EXT2(ext2fs_read_bitmaps(fs_));
    PITH_EXT2(ext2fs_copy_bitmap(fs_->block_map, &taken_));
    dirty_groups_.assign(fs_->group_desc_count, 0);
    return {};
}

/// The superblock, past the journal.
Result<> Volume::write_super_home() {
    const u64 at = SUPERBLOCK_OFFSET / block_size();
    Buffer* buffer = PITH_TRY(cache_->read(at));
    ext2fs_superblock_csum_set(fs_, fs_->super);
    std::memcpy(buffer->data + SUPERBLOCK_OFFSET % block_size(), fs_->super, SUPERBLOCK_SIZE);
    PITH_CHECK(device_.write(at * block_size(), buffer->data, block_size()));
    return device_.flush();
}

Result<> Volume::set_recover(bool on) {
    if (on) ext2fs_set_feature_journal_needs_recovery(fs_->super);
    else ext2fs_clear_feature_journal_needs_recovery(fs_->super);
    return write_super_home();
}

Result<> Volume::start() {
    if (journal_->dirty()) PITH_CHECK(journal_->discard());
    if (journal_->error_noted()) super().s_state |= EXT2_ERROR_FS;
    super().s_mnt_count++;
    super().s_mtime = super().s_wtime = static_cast<u32>(now().seconds);
    PITH_CHECK(set_recover(true));
    PITH_CHECK(journal_->start(checksums(), ext2fs_has_feature_64bit(fs_->super) != 0));
    // An operation is to be small beside what a transaction may hold, in the log and in the cache.
    step_ = std::clamp<usize>(std::min<usize>(journal_->capacity(), options_.cache_blocks) / 64, 4, 64);
    read_only_ = false;
    writing_ = true;
    return {};
}

Result<> Volume::unmount() {
    if (!writing_) return {};
    PITH_CHECK(checkpoint());
    read_only_ = true;
    writing_ = false;
    PITH_CHECK(journal_->stop());
    return set_recover(false);
}

}  // namespace pith::ext4
