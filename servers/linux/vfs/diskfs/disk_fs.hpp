// SPDX-License-Identifier: MIT
// DiskFs: a mounted file system of a file server (lib/fs): one on a disk, the folder that is shared with the host (`shared`), or files in memory. It keeps inodes by number, also those that nobody refers to, as long as there is
// room; and it writes back what is dirty: some seconds after it became so, when there is too much of it, and when it is told to.
#pragma once

#include <memory>
#include <set>

#include "lib/fs/client.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/disk_inode.hpp"

namespace pith::lx {

class DiskMounts;

class DiskFs : public FileSystem {
  public:
    /// On a device it is what is on that.
    enum class Kind : u8 { disk, share, memory };
    DiskFs(Zone& of, DiskMounts& mounts, Kind kind, u32 slot, Ref<BlockDevice> block_device);
    ~DiskFs() override;

    /// Mounts it. EBUSY, EINVAL (no such file system there), EROFS (it may only be read), EIO.
    static Task<SysResult<>> attach(Ref<DiskFs> self, bool read_only);
    /// The other way of mounting. EBUSY: files are open for writing.
    static Task<SysResult<>> remount(Ref<DiskFs> self, bool read_only);
    /// Writes everything back, and unmounts it cleanly. Nothing can be done with it afterwards. EIO: not everything is on the disk.
    static Task<SysResult<>> shut_down(Ref<DiskFs> self);
    /// Everything that was written before is on the disk when it is done.
    static Task<SysResult<>> make_durable(Ref<DiskFs> self);
    /// Sends all dirty pages to the file server. Errors are told by the files' next fsync.
    static Task<SysResult<>> write_back(Ref<DiskFs> self);

    /// EIO: something was lost since `seen` was told of it, which it is by that: each file's fsync, and sync, tell once.
    SysResult<> told_losses(u64& seen) const;
    /// Writes back what is dirty, and commits what has been sent, so that memory can be given back.
    static Task<SysResult<>> make_room(Ref<DiskFs> self);

    std::string_view type() const override {
        return kind_ == Kind::disk ? "ext4" : kind_ == Kind::share ? "9p" : "memory";
    }
    Ref<Inode> root() override { return root_; }
    Async<FileSystemUsage> usage() override;
    Async<> synchronise() override;
    bool remembers_absent() const override { return !shared; }
    u64 block_size() const override { return abi::kPageSize; }
    bool read_only() const override { return read_only_ || client_->read_only(); }
    void unmounted() override;

    FsClient& client() { return *client_; }
    /// What a program sees of a request that failed.
    Errno errno_of(Error error) const;
    BlockDevice& block_device() const { return *device_; }
    Kind kind() const { return kind_; }
    u32 slot() const { return slot_; }
    bool attached() const { return attached_; }
    PageCache& page_cache() const;
    u32 transfer_pages() const;

    // Inodes
    /// The inode with these attributes: the one that is known (whose attributes are better, unless others change files too), or a new one.
    /// `asked`: client().last_change() when they were asked for.
    Task<SysResult<Ref<Inode>>> inode(const Fs::Attributes& attributes, u64 asked);
    /// Null: it is not known.
    DiskInode* find(const Fs::FileId& id) const;
    Ref<Inode> new_link(const Fs::Attributes& attributes, std::string target);
    /// It was used: it stays for a while.
    void keep(DiskInode& inode);
    void let_go(DiskInode& inode);
    /// It is being destroyed.
    void forget(DiskInode& inode);

    // Writing back
    /// A file has become dirty.
    void dirtied(DiskFile& file);
    void cleaned(DiskFile& file);
    void start_writing();
    /// False: the disk may be too full for `bytes` more in the cache: they are to be written at once.
    bool room_for(u64 bytes);

    Gate rename_gate;
    u64 promised_pages = 0;  ///< dirty ones for which the disk may have no block yet
    u64 pages_under_way = 0;
    u32 writers = 0;   ///< files open for writing
    u32 mappings = 0;  ///< files that are mapped

  private:
    static constexpr usize kBuckets = 1024;
    static constexpr usize kKept = 4096;
    struct Flusher : Timer {
        explicit Flusher(DiskFs& of) : Timer(&expired), fs(of) {}
        static void expired(Timer& timer) { static_cast<Flusher&>(timer).fs.start_writing(); }
        DiskFs& fs;
    };
    Ref<Inode> add(Ref<DiskInode> made);
    static Task<void> write_in_background(Ref<DiskFs> self);
    Task<SysResult<>> tell_access_times();
    void let_all_go();

    DiskMounts& mounts_;
    const Kind kind_;
    const u32 slot_;
    Ref<BlockDevice> device_;
    std::unique_ptr<FsClient> client_;
    Ref<Inode> root_;
    bool attached_ = false;
    bool read_only_ = false;
    bool leaving_ = false;
    u64 seen_losses_ = 0;
    DiskInode* buckets_[kBuckets] = {};
    DiskInode* newest_ = nullptr;
    DiskInode* oldest_ = nullptr;
    usize kept_ = 0;
    std::set<DiskFile*> dirty_files_;
    Flusher flusher_{*this};
    bool flushing_ = false;
    bool flush_again_ = false;
};

}  // namespace pith::lx
