// SPDX-License-Identifier: MIT
// Partition tables of disks with sectors of 512 bytes: GPT (UEFI specification 2.10, chapter 5) and MBR with extended
// partitions. PartitionScan says what it wants to read, is fed that, and so on until it wants nothing more: it reads
// nothing itself, and keeps no more than the partitions, those numbered up to 128. Nothing on the disk is believed: a GPT's checksums must be right
// (else its backup at the disk's end is tried), and an entry that is empty, out of range, or overlaps one before it, is left out.
#pragma once

#include <span>

#include "abi/types.hpp"

namespace pith::lx {

struct Partition {
    u32 number;  ///< from 1, as in its table; logical ones of an MBR from 5
    u64 first;   ///< sector
    u64 sectors;
};

class PartitionScan {
  public:
    static constexpr u64 kSectorSize = 512;
    static constexpr u32 kMaxPartitions = 128;
    static constexpr u32 kMaxRead = 8;  ///< sectors wanted at a time, at most

    explicit PartitionScan(u64 disk_sectors);

    struct Wanted {
        u64 sector = 0;
        u32 sectors = 0;  ///< 0: nothing, it is finished
    };
    Wanted wanted() const { return wanted_; }
    /// What was wanted; empty: it can't be read.
    void feed(std::span<const u8> bytes);
    /// Sorted by number.
    std::span<const Partition> partitions() const { return {partitions_, count_}; }

  private:
    enum class Step : u8 { boot_record, header, entries, extended };
    struct Gpt {
        u64 first_usable, last_usable;
        u64 entries;  ///< sector
        u64 bytes;    ///< of all entries
        u64 done;     ///< of those, read
        u32 entry_size;
        u32 entries_sum, sum;  ///< CRC as it should be, and so far
    };
    void want(u64 sector, u64 sectors, Step step);
    void finish() { wanted_ = {}; }
    void boot_record(std::span<const u8> bytes);
    void header(std::span<const u8> bytes);
    void entries(std::span<const u8> bytes);
    void extended(std::span<const u8> bytes);
    void try_backup();
    void add(u32 number, u64 first, u64 sectors);

    u64 disk_sectors_;
    Wanted wanted_{};
    Step step_ = Step::boot_record;
    Gpt gpt_{};
    bool backup_ = false;
    u64 extended_first_ = 0, extended_sectors_ = 0;
    u64 record_ = 0;  ///< the extended boot record that is read
    u32 records_ = 0;
    u32 next_logical_ = 5;
    Partition partitions_[kMaxPartitions];
    u32 count_ = 0;
};

}  // namespace pith::lx
