// SPDX-License-Identifier: MIT
// The journal of metadata (JBD2's format: journal_format.hpp). commit() writes the changed blocks behind the head of the
// log and returns when they are durable; a checkpoint, which is the caller's, writes them home, and then moves the tail. Replaying
// finds every transaction that was committed and not yet checkpointed.
//
// Order, which is all of its safety: data and log | flush | commit block | flush | ... home | flush | tail | flush. So a
// commit block on the disk means that the transaction is whole, and that the data which it points to is there; and the tail never passes
// a block that is not at home.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "lib/ext4/cache.hpp"
#include "lib/ext4/journal_format.hpp"

namespace pith::ext4 {

/// A run of the journal's blocks.
struct JournalRun {
    u32 first;  ///< counted within the journal
    u32 count;
    u64 block;  ///< where it is on the disk
};

struct Time {
    i64 seconds = 0;
    u32 nanoseconds = 0;
};

class Journal {
  public:
    Journal(BlockDevice& device, usize block_size, std::vector<JournalRun> runs);

    /// Reads the superblock. Errors: io (broken too), unsupported: a feature that is not known.
    Result<> load();
    /// Whoever wrote it last found the file system broken (`note_error`). Goes with `start`.
    bool error_noted() const { return superblock_.error != 0; }
    /// On the disk; what is in the log stays.
    Result<> note_error();
    /// There is something in the log.
    bool dirty() const { return superblock_.start != 0; }
    /// Writes home what was committed, all or nothing of it, and empties the log. Blocks from `blocks` on are outside the file
    /// system. `found` is called before anything is written, with the number of the last committed transaction. Returns the number of transactions. Errors: io: the device, or a committed transaction is broken; nothing
    /// has been written then, unless by a device that failed on the way.
    Result<u32> replay(u64 blocks, const std::function<void(u32)>& found);
    /// Empties a log that is not to be replayed.
    Result<> discard();

    /// From here on transactions are written, with checksums (`checksums`) and block numbers of 64 bits (`wide`).
    Result<> start(bool checksums, bool wide);
    /// Everything is at home: the log is empty.
    Result<> stop();

    const std::vector<JournalRun>& runs() const { return runs_; }
    /// The number of the next transaction.
    u32 sequence() const { return sequence_; }
    u32 capacity() const { return last_ - first_; }
    u32 free() const { return capacity() - used_; }
    /// Blocks of the log that a transaction takes.
    u32 needed(usize blocks, usize revokes) const;
    /// Errors: io; no_space: the log is full, and nothing was written.
    Result<> commit(std::span<Buffer* const> blocks, std::span<const u64> revokes, Time now);
    /// Everything that has been committed is at home, and flushed.
    Result<> checkpointed();

  private:
    struct Scan;
    Result<u64> locate(u32 log_block) const;
    Result<> read_log(u32 log_block, void* to) const;
    Result<> write_superblock(u32 start);
    Result<> write_superblock();
    Result<> reset(u32 sequence);
    u32 next(u32 log_block) const { return log_block + 1 >= last_ ? first_ : log_block + 1; }
    u32 tag_size() const;
    usize tail_size() const { return checksums_ ? 4 : 0; }
    bool block_checksum_right(std::vector<u8>& block) const;

    Result<> scan(Scan& scan);
    Result<bool> scan_block(Scan& scan);
    Result<> scan_descriptor(Scan& scan);
    bool scan_revokes(Scan& scan);
    void scan_commit(Scan& scan);

    Result<> append(const void* block);
    Result<> flush_staged();
    Result<> append_revokes(std::span<const u64> revokes);
    Result<> append_blocks(std::span<Buffer* const> blocks);
    Result<> append_commit(Time now);
    void seal(std::vector<u8>& block) const;

    BlockDevice& device_;
    const usize block_size_;
    const std::vector<JournalRun> runs_;
    jbd2::Superblock superblock_{};
    bool checksums_ = false;  ///< of version 2 or 3
    bool version3_ = false;
    bool wide_ = false;
    u32 seed_ = 0;
    u32 first_ = 0;
    u32 last_ = 0;  ///< the log's blocks are [first_, last_)
    u32 head_ = 0;
    u32 used_ = 0;
    u32 sequence_ = 0;        ///< of the next transaction
    std::vector<u8> staged_;  ///< log blocks that lie behind each other on the disk, to be written at once
    u64 staged_at_ = 0;
};

}  // namespace pith::ext4
