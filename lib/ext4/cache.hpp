// SPDX-License-Identifier: MIT
// The cache of metadata blocks, and what makes an operation atomic in memory: between begin() and finish() the first
// change of each block keeps its content, and rollback() puts it back. A block that has been changed belongs to the running
// transaction until that commits; then it is dirty until a checkpoint has written it home. Blocks are dropped only by trim(), between
// operations: a Buffer stays where it is during one.
#pragma once

#include <vector>

#include "lib/ext4/block_device.hpp"

namespace pith::ext4 {

struct Buffer {
    u64 block = 0;
    u8* data = nullptr;
    bool running = false;    ///< changed in the running transaction
    bool committed = false;  ///< in the journal, not yet at home
    bool checked = false;    ///< its checksum has been found right, or was made here
    u64 checked_inodes = 0;  ///< of a block of inodes: those whose checksums have been found right
    bool saved_running = false;
    u8* saved = nullptr;  ///< its content before the operation
    Buffer* bucket_next = nullptr;
    Buffer* older = nullptr;
    Buffer* newer = nullptr;
};

class BlockCache {
  public:
    /// Blocks of `block_size` bytes, `blocks` of them on the device; keeps about `capacity`.
    BlockCache(BlockDevice& device, usize block_size, u64 blocks, usize capacity);
    ~BlockCache();
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    usize block_size() const { return block_size_; }
    u64 blocks() const { return blocks_; }

    /// Errors: io (outside the device too), no_memory.
    Result<Buffer*> read(u64 block);
    /// To be overwritten as a whole: zeros, already changed. Errors: io, no_memory.
    Result<Buffer*> fresh(u64 block);
    /// Comes before every change. Errors: no_memory.
    Result<> change(Buffer& buffer);

    void begin();
    void finish();
    void rollback();
    /// The block is free: what it holds need not be written any more. True: the journal has content of it that a replay
    /// would write. Not within an operation.
    bool forget(u64 block);

    const std::vector<Buffer*>& running() const { return running_; }
    usize dirty() const { return committed_.size(); }
    /// The running transaction is in the journal.
    void committed();
    /// Writes home what has been committed (the caller flushes). Errors: io.
    Result<> write_home();
    /// Drops the longest unused clean blocks above the capacity.
    void trim();

  private:
    Buffer* find(u64 block);
    Result<Buffer*> insert(u64 block);
    void touch(Buffer& buffer);
    void unlink(Buffer& buffer);
    void drop(Buffer& buffer);
    void leave(std::vector<Buffer*>& list, Buffer& buffer);

    BlockDevice& device_;
    const usize block_size_;
    const u64 blocks_;
    const usize capacity_;
    std::vector<Buffer*> buckets_;
    usize count_ = 0;
    Buffer* oldest_ = nullptr;
    Buffer* newest_ = nullptr;
    std::vector<Buffer*> running_;
    std::vector<Buffer*> committed_;
    std::vector<Buffer*> saved_;
    std::vector<u8*> spare_;  ///< memory for saved contents
    bool operation_ = false;
};

}  // namespace pith::ext4
