// SPDX-License-Identifier: MIT
// A mounted ext4 file system below names and files: the library's state, the block cache, the journal, and transactions. Every
// change is made by an *operation*: begin(), then finish() or rollback(). Finished operations gather in the running transaction, which
// commit() puts on the disk as a whole; a failed one leaves nothing behind.
//
// Blocks that are freed become usable only when the transaction that freed them is on the disk: until then they hold what a
// power cut would bring back. One operation at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lib/ext4/cache.hpp"
#include "lib/ext4/io_manager.hpp"
#include "lib/ext4/journal.hpp"
#include "lib/ext4/library.hpp"

namespace pith::ext4 {

/// Is told of transactions. What it does neither waits nor comes back to the file system.
class TransactionObserver {
  public:
    virtual ~TransactionObserver() = default;
    /// The mount has read the journal, and is about to write: `last` is the newest transaction that is committed. Told again if the mount was
    /// cut off; the number may be that of a transaction which was cut off then.
    virtual void found(u32 last) = 0;
    /// What is finished by now will be committed by transaction `number`, whose blocks are about to be written.
    virtual void committing(u32 number) = 0;
    /// It is: nothing is lost any more.
    virtual void committed(u32 number) = 0;
    /// What is in memory makes no sense. Whether the disk doesn't either shows a new mount: whoever can begin one does not return. Else the file system is
    /// taken for broken.
    virtual void doubtful() {}
};

struct MountOptions {
    bool read_only = false;
    usize cache_blocks = 4096;
    u64 map_bytes = ~u64{0};  ///< that bitmaps and what else grows with the disk may take; no_memory
    Time (*now)(void* context) = nullptr;  ///< without it all times are 0
    void* context = nullptr;               ///< `now` is called with it
    TransactionObserver* observer = nullptr;
    bool change_broken = false;  ///< goes on changing a file system that turns out to be broken
};

/// An inode in its block of the inode table, for the length of an operation.
struct Inode {
    u32 number = 0;
    Buffer* buffer = nullptr;
    ext2_inode_large* raw = nullptr;

    u16 mode() const { return raw->i_mode; }
    bool directory() const { return LINUX_S_ISDIR(raw->i_mode); }
    bool regular() const { return LINUX_S_ISREG(raw->i_mode); }
    bool symlink() const { return LINUX_S_ISLNK(raw->i_mode); }
    u64 size() const { return raw->i_size | u64{raw->i_size_high} << 32; }
    void set_size(u64 size) {
        raw->i_size = static_cast<u32>(size);
        raw->i_size_high = static_cast<u32>(size >> 32);
    }
    ext2_inode* small() const { return reinterpret_cast<ext2_inode*>(raw); }
};

/// A run of blocks.
struct Blocks {
    u64 first = 0;
    u64 count = 0;
};

class Volume {
  public:
    /// Errors: invalid: no ext4 file system there; unsupported: it has a feature that is not known (docs/storage.md names
    /// them), or is to be written and has no journal; access: it is to be written, or its journal replayed, on a disk
    /// that may only be read; io: the device, or the file system is broken; no_memory.
    static Result<std::unique_ptr<Volume>> mount(BlockDevice& device, const MountOptions& options);
    ~Volume();
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;

    /// Everything is written home, and the journal is empty. Nothing else may follow.
    Result<> unmount();

    ext2_filsys fs() const { return fs_; }
    ext2_super_block& super() const { return *fs_->super; }
    BlockCache& cache() { return *cache_; }
    BlockDevice& device() { return device_; }
    usize block_size() const { return fs_->blocksize; }
    u64 block_count() const { return ext2fs_blocks_count(fs_->super); }
    bool read_only() const { return read_only_; }
    /// Blocks that are free, without what is kept for the super-user.
    u64 available() const {
        const u64 free = ext2fs_free_blocks_count(fs_->super), kept = ext2fs_r_blocks_count(fs_->super);
        return free > kept ? free - kept : 0;
    }
    /// Bytes of the largest file.
    u64 max_file_size() const { return u64{0xffff'fffe} * block_size(); }
    /// Something is to be committed.
    bool running() const { return !cache_->running().empty(); }
    /// An error of a commit or checkpoint, or broken(), has made it read-only: what was not durable by then never will be.
    bool failed() const { return failed_; }
    /// Requests that the device failed so far. An `io` without one of them means that the file system is broken.
    u64 device_errors() const { return device_.errors(); }
    /// It has been found broken, and is not to be changed any more: the running transaction is given up, and the disk says that e2fsck
    /// is needed. Not within an operation.
    void broken();
    bool checksums() const { return ext2fs_has_feature_metadata_csum(fs_->super); }
    Time now() const { return options_.now != nullptr ? options_.now(options_.context) : Time{}; }
    u32 replayed() const { return replayed_; }  ///< transactions, by the mount
    const std::vector<Blocks>& system_blocks() const { return system_; }
    usize step() const { return step_; }  ///< extents that one operation may change

    /// `blocks` is about the most that it changes. Commits and checkpoints first where that is due. Errors: io; access: the file system
    /// may not be written (any more: an error while it was committing makes it so).
    Result<> begin(usize blocks);
    void finish();
    void rollback();
    /// Everything that finished is durable, and data written before too.
    Result<> commit();
    /// Commits, and empties the journal.
    Result<> checkpoint();
    /// Blocks will be free when the running transaction is committed.
    bool frees_pending() const { return !freed_.empty(); }

    /// Between operations that only read: keeps the cache small.
    void trim() { cache_->trim(); }

    /// Errors: not_found: no such inode is in use; io.
    Result<Inode> inode(u32 number);
    /// In use or not.
    Result<Inode> locate_inode(u32 number);
    /// Comes before each change of an inode.
    Result<> edit(Inode& inode);

    /// Up to `most` blocks in a row, from `goal` on. Errors: no_space.
    Result<Blocks> allocate(u64 goal, u64 most);
    /// Errors: io: not blocks of files.
    Result<> release(Blocks blocks);
    /// Files may own them: within the file system, and none of its own tables nor of the journal.
    bool ordinary(Blocks blocks) const;
    /// Zeroed but for its generation, mode, times and links; near `parent`. Errors: no_space.
    Result<Inode> allocate_inode(u32 parent, u16 mode);
    /// The same with that number and generation. Errors: occupied: it is in use; invalid: there is no such inode for files.
    Result<Inode> allocate_inode(u32 number, u32 generation, u16 mode);
    Result<> release_inode(Inode& inode);

  private:
    struct Undo {
        enum Kind : u8 { kBlocks, kInode } kind;
        bool took;  ///< else: gave back
        bool directory;
        u16 unused;  ///< inodes of the group that had never been used
        u64 first;
        u64 count;
    };

    Volume(BlockDevice& device, const MountOptions& options);
    Result<> check_super(ext2_super_block& super);
    Result<> open();
    Result<> load_journal();
    Result<> load_maps();
    Result<> check_descriptors();
    Result<> find_system_blocks();
    Result<> start();
    Result<> set_recover(bool on);
    Result<> write_super_home();
    Result<> note_error();
    void close();

    void account(Blocks blocks, bool take);
    void mark_group(u32 group, bool inodes);
    void undo(const Undo& undo);
    Result<> zero_new_inodes(u32 group, u32 first, u32 last);
    Result<Inode> take_inode(u32 number, u16 mode);
    Result<> prepare_commit();
    Result<> write_bitmap(u32 group, bool inodes);
    Result<> write_descriptors(u64 index);
    Result<> write_super();
    usize running_blocks() const;
    void seal_inodes();
    Result<> fail(Error error);

    static errcode_t read_inode_hook(ext2_filsys fs, ext2_ino_t number, ext2_inode* inode);
    static errcode_t write_inode_hook(ext2_filsys fs, ext2_ino_t number, ext2_inode* inode);
    static errcode_t allocate_hook(ext2_filsys fs, blk64_t goal, blk64_t* block, blk_alloc_ctx* context);
    static void account_hook(ext2_filsys fs, blk64_t block, int in_use);

    CountedDevice device_;
    const MountOptions options_;
    bool read_only_ = false;
    bool failed_ = false;
    bool writing_ = false;  ///< the journal has been started
    bool operation_ = false;
    u32 replayed_ = 0;
    usize step_ = 0;
    std::unique_ptr<BlockCache> cache_;
    std::unique_ptr<CacheManager> manager_;
    std::unique_ptr<Journal> journal_;
    ext2_filsys fs_ = nullptr;
    ext2fs_block_bitmap taken_ = nullptr;  ///< in use, or freed by what is not yet on the disk
    std::vector<Blocks> system_;    ///< sorted: superblocks, descriptors, bitmaps, inode tables, the journal
    std::vector<u8> dirty_groups_;  ///< bits: kBlockBitmap, kInodeBitmap
    usize dirty_group_count_ = 0;
    std::vector<Undo> undo_;
    u32 undo_orphan_ = 0;
    std::vector<u32> edited_;    ///< inodes of the operation
    std::vector<Blocks> freed_;  ///< by the running transaction
    std::vector<u64> revoked_;   ///< likewise: those of them that may be in the journal
};

}  // namespace pith::ext4
