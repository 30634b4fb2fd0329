// SPDX-License-Identifier: MIT
// Finding disks and partitions, and their nodes in /dev.
#include "servers/linux/vfs/dev/disk.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "lib/os/patience.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/dev/partitions.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kMinors = 16;    ///< of a disk, below kDiskMajor
constexpr u32 kDiskGroup = 6;  ///< disk, in Debian's /etc/group
constexpr abi::Time kBootPatience = 10 * kSecond;
constexpr abi::Time kPatience = 50 * kMillisecond;

u64 device_number(const Disk& disk, u32 partition) {
    constexpr u32 kMost = PartitionScan::kMaxPartitions;
    if (disk.kind == DiskKind::nvme) {
        constexpr u32 kFirst = Block::kMaxDisks * kMost;  // behind those of the other kind
        return make_device(kExtendedMajor, kFirst + disk.index * (kMost + 1) + partition);
    }
    if (partition < kMinors) return make_device(kDiskMajor, disk.index * kMinors + partition);
    return make_device(kExtendedMajor, disk.index * kMost + partition - kMinors);
}

std::string device_name(const Disk& disk, u32 partition) {
    if (disk.kind == DiskKind::nvme) {
        const std::string name = "nvme" + decimal(disk.index) + "n1";
        return partition == 0 ? name : name + "p" + decimal(partition);
    }
    std::string name = "vd";
    name += static_cast<char>('a' + disk.index);
    if (partition != 0) name += decimal(partition);
    return name;
}

}  // namespace

Errno disk_errno(Error error) {
    switch (error) {
        case Error::ok: return Errno::ok;
        case Error::access: return Errno::EPERM;
        case Error::no_space: return Errno::ENOSPC;
        case Error::no_memory: return Errno::ENOMEM;
        default: return Errno::EIO;
    }
}

BlockDevice::BlockDevice(Disk& of, u32 partition, u64 first_sector, u64 count)
    : disk(of),
      number(partition),
      first(first_sector),
      sectors(count),
      device(device_number(of, partition)),
      name(device_name(of, partition)) {}

const Block::Statistics::Reply& Disk::statistics(abi::Time deadline) {
    const Result<Block::Statistics::Reply> told = client.statistics(deadline);
    if (told.ok()) statistics_ = told.value();
    return statistics_;
}

void Disks::start() {
    EventLoop& loop = zone_.services->loop;
    bit_ = loop.allocate_signal_bit();
    if (bit_ == 0) return;
    loop.on_signal(bit_, [this](u64) {
        for (const auto& disk : disks_) disk->client.look();
    });
    loop.on_signal(kSignalReborn, [this](u64) {
        for (const auto& disk : disks_) disk->client.reborn();
        find_more(now() + kPatience);
    });
    const HostDeadline deadline(kBootPatience);
    find_more(now() + kBootPatience);
    while ((driver_died_ || driver_late_ || scanning_ != 0) && !deadline.passed()) {
        loop.run_once(driver_late_ ? now() + kPatience : deadline.time());
        if (driver_late_) find_more(now() + kPatience);
    }
}

void Disks::find_more(abi::Time deadline) {
    driver_died_ = driver_late_ = false;
    const Services& services = *zone_.services;
    if (services.block.valid()) find_more(DiskKind::virtio, services.block, deadline);
    if (services.nvme.valid()) find_more(DiskKind::nvme, services.nvme, deadline);
}

void Disks::find_more(DiskKind kind, const Client<Block>& driver, abi::Time deadline) {
    for (u32 number = 0; number < Block::kMaxDisks; ++number) {
        const auto at = std::ranges::find_if(disks_, [&](const auto& disk) {
            return disk->kind > kind || (disk->kind == kind && disk->index >= number);
        });
        if (at != disks_.end() && (*at)->kind == kind && (*at)->index == number) continue;
        auto disk = std::make_unique<Disk>(kind, driver, number);
        const Result<> opened = disk->client.open(zone_.services->loop.signal(), bit_, deadline);
        if (opened.error() == Error::io) continue;  // those behind one that does not work may do
        if (!opened.ok()) {
            driver_died_ = driver_died_ || BlockClient::died_answering(opened.error());
            driver_late_ = driver_late_ || opened.error() == Error::timed_out;
            return;
        }
        disk->whole = Ref<BlockDevice>::make(*disk, 0u, u64{0}, disk->client.sectors());
        add_node(*disk->whole);
        ++scanning_;
        if (!spawn(scan_first(**disks_.insert(at, std::move(disk))))) --scanning_;
    }
}

Task<void> Disks::scan_first(Disk& disk) {
    static_cast<void>(co_await scan(disk));
    --scanning_;
}

Task<SysResult<>> Disks::scan(Disk& disk) {
    PartitionScan table(disk.client.granularity() == 1 ? disk.client.sectors() : 0);
    while (table.wanted().sectors != 0) {
        const PartitionScan::Wanted wanted = table.wanted();
        u8 bytes[PartitionScan::kMaxRead * PartitionScan::kSectorSize];
        const std::span<u8> part(bytes, wanted.sectors * PartitionScan::kSectorSize);
        const Result<> done = co_await disk.client.read(wanted.sector, part);
        table.feed(done.ok() ? part : std::span<u8>());
    }
    for (const auto& partition : disk.partitions)
        if (partition->opens != 0) co_return Errno::EBUSY;
    for (const auto& partition : disk.partitions) remove_node(*partition);
    disk.partitions.clear();
    for (const Partition& found : table.partitions()) {
        disk.partitions.push_back(Ref<BlockDevice>::make(disk, found.number, found.first, found.sectors));
        add_node(*disk.partitions.back());
    }
    co_return SysResult<>();
}

void Disks::add_node(const BlockDevice& device) {
    Inode& root = *zone_.vfs->device_mount->root->inode();
    if (root.lookup(device.name).take().ok()) return;
    static_cast<void>(root.create(device.name, {S_BLOCK | 0660, 0, kDiskGroup, device.device}).take());
}

void Disks::remove_node(const BlockDevice& device) {
    const Ref<Dentry>& root = zone_.vfs->device_mount->root;
    const SysResult<Ref<Inode>> node = root->inode()->lookup(device.name).take();
    if (!node.ok() || node.value()->type() != S_BLOCK || node.value()->device_number != device.device) return;
    static_cast<void>(root->inode()->unlink(device.name, *node.value()).take());
    if (const Ref<Dentry> known = zone_.vfs->dentries.find(*root, device.name))
        zone_.vfs->dentries.remove(*known);
}

BlockDevice* Disks::find(u64 device) const {
    for (BlockDevice* each : all())
        if (each->device == device) return each;
    return nullptr;
}

std::vector<BlockDevice*> Disks::all() const {
    std::vector<BlockDevice*> devices;
    for (const auto& disk : disks_) {
        devices.push_back(disk->whole.get());
        for (const auto& partition : disk->partitions) devices.push_back(partition.get());
    }
    return devices;
}

Task<SysResult<>> Disks::flush() {
    SysResult<> result;
    for (usize i = 0; i < disks_.size(); ++i) {
        if (disks_[i]->read_only()) continue;
        const Result<> done = co_await disks_[i]->client.flush();
        if (!done.ok()) result = disk_errno(done.error());
    }
    co_return result;
}

}  // namespace pith::lx
