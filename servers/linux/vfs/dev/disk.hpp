// SPDX-License-Identifier: MIT
// Disks: what the drivers behind the routes `block` and `nvme` have, as block devices /dev/vda, ... and /dev/nvme0n1, ... with
// their partitions. Nothing is cached here: a read or write of a device file is one of the disk. A disk whose blocks are larger
// than 512 bytes is used as a whole: partition tables count in blocks, and are not read there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/block/client.hpp"
#include "lib/block/counter.hpp"
#include "servers/linux/ref.hpp"
#include "servers/linux/vfs/gate.hpp"

namespace pith::lx {

class Disk;
class Zone;

/// As Linux's virtio_blk: a major of its own for disks and their first 15 partitions, the shared one for the others. NVMe disks are
/// all in the shared one.
inline constexpr u32 kDiskMajor = 254, kExtendedMajor = 259;

enum class DiskKind : u32 { virtio, nvme };

/// A disk or a partition.
struct BlockDevice : public RefCounted {
    BlockDevice(Disk& of, u32 partition, u64 first_sector, u64 count);
    Disk& disk;
    const u32 number;  ///< of the partition; 0: the whole disk
    const u64 first;   ///< sector of the disk
    const u64 sectors;
    const u64 device;  ///< its dev_t
    const std::string name;
    bool read_only = false;  ///< BLKROSET
    u32 opens = 0;           ///< open file descriptions
    Block::Counts counts{};  ///< of what was done through its files
    BlockCounter counter{counts};
    u64 size() const { return sectors * Block::kSectorSize; }
};

class Disk {
  public:
    Disk(DiskKind of, const Client<Block>& driver, u32 number)
        : kind(of), index(number), client(driver, number) {}
    const DiskKind kind;
    const u32 index;  ///< of its kind
    BlockClient client;
    /// Lets many whole-sector writes through, or one that reads a sector, changes a part and writes it back. Entered with a place
    /// in the window, so that who is in never waits for one.
    Gate gate;
    Ref<BlockDevice> whole;  ///< made when it has been opened
    std::vector<Ref<BlockDevice>> partitions;
    bool read_only() const { return client.read_only(); }
    /// What the driver has counted; if it doesn't say by then, what it said last.
    const Block::Statistics::Reply& statistics(abi::Time deadline);
    /// Bytes that are read and written together.
    u64 block_size() const { return client.granularity() * Block::kSectorSize; }

  private:
    Block::Statistics::Reply statistics_{};
};

class Disks {
  public:
    explicit Disks(Zone& of) : zone_(of) {}
    Disks(const Disks&) = delete;
    Disks& operator=(const Disks&) = delete;

    /// Finds the disks and their partitions, before the first process is there: serves the event loop meanwhile.
    void start();
    /// Null: there is none of that number.
    BlockDevice* find(u64 device) const;
    /// All, in the order of /proc/partitions.
    std::vector<BlockDevice*> all() const;
    /// Reads the partition table again. EBUSY: a partition is in use.
    Task<SysResult<>> scan(Disk& disk);
    /// Makes durable what has been written, on all disks. EIO: on one of them it may not be.
    Task<SysResult<>> flush();

  private:
    /// Opens what the drivers have and is not known yet.
    void find_more(abi::Time deadline);
    void find_more(DiskKind kind, const Client<Block>& driver, abi::Time deadline);
    Task<void> scan_first(Disk& disk);
    void add_node(const BlockDevice& device);
    void remove_node(const BlockDevice& device);

    Zone& zone_;
    u64 bit_ = 0;
    u32 scanning_ = 0;
    bool driver_late_ = false;                  ///< it did not answer as it was asked for more
    bool driver_died_ = false;                  ///< as it was asked for more: its successor is
    std::vector<std::unique_ptr<Disk>> disks_;  ///< by kind and index
};

/// What a program sees of a request that failed.
Errno disk_errno(Error error);

}  // namespace pith::lx
