// SPDX-License-Identifier: MIT
// FileSystem: mounting, attributes.
#include "lib/ext4/file_system.hpp"

namespace pith::ext4 {

namespace {

/// Times from 1901 to 2446: 32 bits of seconds, two more, and nanoseconds.
void put_time(u32& seconds, u32* extra, Time time) {
    seconds = static_cast<u32>(time.seconds);
    const i64 low = static_cast<i32>(seconds);
    const auto epoch = static_cast<u32>((time.seconds - low) >> 32) & 3;
    if (extra != nullptr) *extra = epoch | time.nanoseconds << 2;
}

Time get_time(u32 seconds, const u32* extra) {
    Time time{static_cast<i32>(seconds), 0};
    if (extra == nullptr) return time;
    time.seconds += static_cast<i64>(*extra & 3) << 32;
    time.nanoseconds = *extra >> 2;
    return time;
}

/// Where an inode's `field` is, if the inode is long enough to have it.
#define PITH_EXTRA(raw, field)                                                                        \
    (large && (raw)->i_extra_isize >=                                                                 \
                  offsetof(ext2_inode_large, field) + sizeof((raw)->field) - EXT2_GOOD_OLD_INODE_SIZE \
         ? &(raw)->field                                                                              \
         : nullptr)

}  // namespace

Result<std::unique_ptr<FileSystem>> FileSystem::mount(BlockDevice& device, const MountOptions& options) {
    std::unique_ptr<Volume> volume = PITH_TRY(Volume::mount(device, options));
    std::unique_ptr<FileSystem> system(new (std::nothrow) FileSystem(std::move(volume)));
    if (system == nullptr) return Error::no_memory;
    system->bounce_.resize(system->volume_->block_size());
    const Inode root = PITH_TRY(system->volume_->inode(EXT2_ROOT_INO));
    if (!root.directory()) return Error::io;
    if (!options.read_only) PITH_CHECK(system->finish_truncations());
    return system;
}

Result<> FileSystem::unmount() {
    if (!volume_->read_only()) PITH_CHECK(commit());
    return volume_->unmount();
}

Result<> FileSystem::sync() {
    if (volume_->failed()) return Error::io;
    return volume_->read_only() ? Result<>{} : commit();
}

Result<> FileSystem::commit() {
    PITH_CHECK(volume_->commit());
    // What a cut file's last block holds behind its end is zeroed only now: before, a power cut would bring the longer file back.
    std::map<u32, u64> tails;
    tails.swap(stale_tails_);
    for (const auto& [number, size] : tails) {
        Result<Inode> inode = volume_->inode(number);
        if (inode.ok() && inode.value().regular() && inode.value().size() == size)
            PITH_CHECK(zero_tail(inode.value(), size));
    }
    return {};
}

/// What an operation came to: `io` that was not the device's ends all changes.
void FileSystem::judge(Error error, u64 device_errors) {
    if (error == Error::io && volume_->device_errors() == device_errors) volume_->broken();
}

Result<Inode> FileSystem::open(FileId file) {
    Result<Inode> inode = volume_->inode(file.inode);
    if (!inode.ok()) return inode.error() == Error::not_found ? Error::bad_handle : inode.error();
    if (inode.value().raw->i_generation != file.generation) return Error::bad_handle;
    return inode;
}

Result<Inode> FileSystem::open_directory(FileId file) {
    Inode inode = PITH_TRY(open(file));
    if (!inode.directory()) return Error::wrong_type;
    if (inode.size() == 0 || inode.size() % volume_->block_size() != 0 || inode.size() > u64{1} << 31)
        return Error::io;
    return inode;
}

Result<FileId> FileSystem::root() { return find(EXT2_ROOT_INO); }

Result<FileId> FileSystem::find(u32 number) {
    const Inode inode = PITH_TRY(look([&] { return volume_->inode(number); }));
    return FileId{number, inode.raw->i_generation};
}

Result<Attributes> FileSystem::attributes(FileId file) {
    const Inode inode = PITH_TRY(look([&] { return open(file); }));
    ext2_inode_large* raw = inode.raw;
    const bool large = EXT2_INODE_SIZE(volume_->fs()->super) > EXT2_GOOD_OLD_INODE_SIZE;
    Attributes out;
    out.id = file;
    out.mode = raw->i_mode;
    out.links = raw->i_links_count;
    out.user = inode_uid(*raw);
    out.group = inode_gid(*raw);
    out.size = inode.size();
    out.sectors = ext2fs_get_stat_i_blocks(volume_->fs(), inode.small());
    if (LINUX_S_ISCHR(raw->i_mode) || LINUX_S_ISBLK(raw->i_mode)) {
        const u32 old = raw->i_block[0], wide = raw->i_block[1];
        out.device_major = old != 0 ? (old >> 8) & 0xff : (wide >> 8) & 0xfff;
        out.device_minor = old != 0 ? old & 0xff : (wide & 0xff) | ((wide >> 12) & 0xfff00);
    }
    out.accessed = get_time(raw->i_atime, PITH_EXTRA(raw, i_atime_extra));
    out.modified = get_time(raw->i_mtime, PITH_EXTRA(raw, i_mtime_extra));
    out.changed = get_time(raw->i_ctime, PITH_EXTRA(raw, i_ctime_extra));
    if (const u32* created = PITH_EXTRA(raw, i_crtime); created != nullptr)
        out.created = get_time(*created, PITH_EXTRA(raw, i_crtime_extra));
    return out;
}

/// Changed now, and `modified` (or made) now.
void FileSystem::stamp(Inode& inode, bool modified) {
    const Time now = volume_->now();
    ext2_inode_large* raw = inode.raw;
    const bool large = EXT2_INODE_SIZE(volume_->fs()->super) > EXT2_GOOD_OLD_INODE_SIZE;
    put_time(raw->i_ctime, PITH_EXTRA(raw, i_ctime_extra), now);
    if (modified) put_time(raw->i_mtime, PITH_EXTRA(raw, i_mtime_extra), now);
    u32* created = PITH_EXTRA(raw, i_crtime);
    if (raw->i_atime == 0 && raw->i_links_count == 0) {
        put_time(raw->i_atime, PITH_EXTRA(raw, i_atime_extra), now);
        if (created != nullptr) put_time(*created, PITH_EXTRA(raw, i_crtime_extra), now);
    }
}

Result<> FileSystem::set_attributes(FileId file, const AttributeChange& change) {
    return operate(2, [&]() -> Result<> {
        Inode inode = PITH_TRY(open(file));
        PITH_CHECK(volume_->edit(inode));
        ext2_inode_large* raw = inode.raw;
        const bool large = EXT2_INODE_SIZE(volume_->fs()->super) > EXT2_GOOD_OLD_INODE_SIZE;
        stamp(inode, false);
        if (change.permissions)
            raw->i_mode = static_cast<u16>((raw->i_mode & ~07777) | (*change.permissions & 07777));
        if (change.user) {
            raw->i_uid = static_cast<u16>(*change.user);
            ext2fs_set_i_uid_high(*raw, static_cast<u16>(*change.user >> 16));
        }
        if (change.group) {
            raw->i_gid = static_cast<u16>(*change.group);
            ext2fs_set_i_gid_high(*raw, static_cast<u16>(*change.group >> 16));
        }
        if (change.accessed) put_time(raw->i_atime, PITH_EXTRA(raw, i_atime_extra), *change.accessed);
        if (change.modified) put_time(raw->i_mtime, PITH_EXTRA(raw, i_mtime_extra), *change.modified);
        return {};
    });
}

Result<Statistics> FileSystem::statistics() {
    const ext2_super_block& super = volume_->super();
    Statistics out;
    out.block_size = volume_->block_size();
    u64 overhead = super.s_first_data_block;
    for (const Blocks& run : volume_->system_blocks()) overhead += run.count;
    out.blocks = volume_->block_count() - overhead;
    out.free = ext2fs_free_blocks_count(volume_->fs()->super);
    const u64 kept = ext2fs_r_blocks_count(volume_->fs()->super);
    out.available = out.free > kept ? out.free - kept : 0;
    out.files = super.s_inodes_count;
    out.free_files = super.s_free_inodes_count;
    for (usize i = 0; i < 8; i++) out.id = out.id << 8 | (super.s_uuid[i] ^ super.s_uuid[i + 8]);
    return out;
}

}  // namespace pith::ext4
