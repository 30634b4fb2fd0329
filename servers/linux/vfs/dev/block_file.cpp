// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/dev/block_file.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/round.hpp"
#include "lib/os/clock.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kSector = Block::kSectorSize;
constexpr u64 kMaxBlock = Block::kMaxGranularity * kSector;
constexpr u32 kCareful = abi::kPageSize / kSector;  ///< sectors at a time after an error

SysResult<usize> part_done(usize done, Errno error) {
    return done != 0 ? SysResult<usize>(done) : SysResult<usize>(error);
}

/// A request to the disk, counted for the device. `first`: sector of the disk.
Task<Result<>> transfer(BlockDevice& device, Block::Operation operation, u64 first, u32 sectors,
                        const BlockPlace& place) {
    const abi::Time since = now();
    device.counter.begin(since);
    const Result<> done = co_await device.disk.client.transfer(operation, first, sectors, place);
    const abi::Time time = now();
    device.counter.count(operation, sectors, 0, since, time);
    device.counter.end(time);
    co_return done;
}

/// [at, end) of the device, which lies in it.
Task<SysResult<usize>> read_device(Thread& thread, Ref<File>, Ref<BlockDevice> device, UserIo io, u64 at,
                                   u64 end) {
    const DeviceWait waiting(thread);
    BlockClient& disk = device->disk.client;
    const u64 block = device->disk.block_size();
    usize done = 0;
    u64 most = disk.max_sectors() * kSector;
    while (at < end && !thread.fatal_signal_pending()) {
        const u64 skip = at % block;
        const u64 count = std::min(end - at, most - skip);
        const u32 sectors = static_cast<u32>(round_up(skip + count, block) / kSector);
        Result<BlockPlace> place = co_await disk.place(sectors * kSector);
        if (!place.ok()) co_return part_done(done, disk_errno(place.error()));
        const u64 first = device->first + (at - skip) / kSector;
        const Result<> read = co_await transfer(*device, Block::Operation::read, first, sectors,
                                                place.value());
        if (read.error() == Error::io && sectors > kCareful) {
            // What lies before a bad sector is read all the same, as far as Linux would: page by page.
            most = kCareful * kSector;
            continue;
        }
        if (!read.ok()) co_return part_done(done, disk_errno(read.error()));
        const SysResult<usize> copied = io.put(place->bytes().data() + skip, count);
        if (!copied.ok()) co_return part_done(done, copied.error());
        done += copied.value();
        at += copied.value();
        if (copied.value() < count) break;
    }
    co_return done;
}

/// Whole blocks, as many as one request takes.
Task<SysResult<usize>> write_blocks(BlockDevice& device, UserIo& io, u64 at, u64 count) {
    BlockClient& disk = device.disk.client;
    const u64 block = device.disk.block_size();
    count = round_down(std::min(count, disk.max_sectors() * kSector), block);
    Result<BlockPlace> place = co_await disk.place(count);
    if (!place.ok()) co_return disk_errno(place.error());
    const usize copied = round_down(PITH_CO_TRY(io.get(place->bytes().data(), count)), block);
    if (copied == 0) co_return Errno::EFAULT;
    PITH_CO_CHECK(co_await device.disk.gate.enter(false));
    const Gate::Hold hold(device.disk.gate);
    const Result<> written = co_await transfer(device, Block::Operation::write, device.first + at / kSector,
                                               static_cast<u32>(copied / kSector), place.value());
    if (!written.ok()) co_return disk_errno(written.error());
    co_return copied;
}

/// A part of one block.
Task<SysResult<usize>> write_part(BlockDevice& device, UserIo& io, u64 at, u64 count) {
    BlockClient& disk = device.disk.client;
    const u64 block = device.disk.block_size();
    const u32 sectors = disk.granularity();
    const u64 skip = at % block;
    u8 bytes[kMaxBlock];
    const usize copied = PITH_CO_TRY(io.get(bytes, std::min(count, block - skip)));
    Result<BlockPlace> place = co_await disk.place(block);
    if (!place.ok()) co_return disk_errno(place.error());
    PITH_CO_CHECK(co_await device.disk.gate.enter(true));
    const Gate::Hold hold(device.disk.gate);
    const u64 first = device.first + (at - skip) / kSector;
    const Result<> read = co_await transfer(device, Block::Operation::read, first, sectors, place.value());
    if (!read.ok()) co_return disk_errno(read.error());
    std::memcpy(place->bytes().data() + skip, bytes, copied);
    const Result<> written = co_await transfer(device, Block::Operation::write, first, sectors,
                                               place.value());
    if (!written.ok()) co_return disk_errno(written.error());
    co_return copied;
}

Task<SysResult<usize>> write_device(Thread& thread, Ref<File> file, Ref<BlockDevice> device, UserIo io,
                                    u64 at, u64 end) {
    const DeviceWait waiting(thread);
    const u64 block = device->disk.block_size();
    usize done = 0;
    while (at < end && !thread.fatal_signal_pending()) {
        const u64 count = end - at;
        const bool part = at % block != 0 || count < block;
        const SysResult<usize> written = part ? co_await write_part(*device, io, at, count)
                                              : co_await write_blocks(*device, io, at, count);
        if (!written.ok()) {
            if (done == 0) co_return written.error();
            break;
        }
        done += written.value();
        at += written.value();
    }
    // O_SYNCHRONOUS has the bit of O_DATA_SYNC.
    if ((file->flags & O_DATA_SYNC) != 0) {
        const Result<> flushed = co_await device->disk.client.flush();
        if (!flushed.ok()) co_return disk_errno(flushed.error());
    }
    co_return done;
}

Task<SysResult<>> flush_device(Thread& thread, Ref<File>, Ref<BlockDevice> device) {
    const DeviceWait waiting(thread);
    const Result<> flushed = co_await device->disk.client.flush();
    co_return disk_errno(flushed.error());
}

struct Geometry {
    u8 heads, sectors;
    u16 cylinders;
    u64 start;
};
static_assert(sizeof(Geometry) == 16);

}  // namespace

Async<Ref<File>> open_block_device(Thread& thread, const Path& path, u32 flags) {
    Disks* disks = thread.zone().vfs->disks.get();
    BlockDevice* device = disks != nullptr ? disks->find(path.inode().device_number) : nullptr;
    if (device == nullptr) return Errno::ENXIO;
    return Ref<File>(Ref<BlockFile>::make(path, flags & ~O_NO_CTTY, *disks, *device));
}

SysResult<> BlockFile::check_direct(const UserIo& io, i64 position) const {
    const u64 block = device_->disk.block_size();
    const bool aligned = static_cast<u64>(position) % block == 0 && io.remaining() % block == 0;
    return (flags & O_DIRECT_IO) == 0 || aligned ? SysResult<>() : SysResult<>(Errno::EINVAL);
}

Async<usize> BlockFile::read(Thread& thread, UserIo&& io, i64 position) {
    const u64 at = static_cast<u64>(position);
    if (io.remaining() == 0 || at >= device_->size()) return usize{0};
    PITH_CHECK(check_direct(io, position));
    const u64 end = at + std::min<u64>(io.remaining(), device_->size() - at);
    return read_device(thread, Ref<File>(this), device_, std::move(io), at, end);
}

Async<usize> BlockFile::write(Thread& thread, UserIo&& io, i64 position) {
    const u64 at = (flags & O_APPENDING) != 0 ? device_->size() : static_cast<u64>(position);
    if (device_->read_only || device_->disk.read_only()) return Errno::EPERM;
    if (io.remaining() == 0) return usize{0};
    if (at >= device_->size()) return Errno::ENOSPC;
    PITH_CHECK(check_direct(io, position));
    const u64 end = at + std::min<u64>(io.remaining(), device_->size() - at);
    return write_device(thread, Ref<File>(this), device_, std::move(io), at, end);
}

SysResult<i64> BlockFile::seek(i64 to, Whence whence) {
    const i64 size = static_cast<i64>(device_->size());
    i64 base = 0;
    switch (whence) {
        case Whence::set: break;
        case Whence::current: base = offset; break;
        case Whence::end: base = size; break;
        case Whence::data:
        case Whence::hole:
            if (to < 0 || to >= size) return Errno::ENXIO;
            return offset = whence == Whence::hole ? size : to;
        default: return Errno::EINVAL;
    }
    i64 result;
    if (__builtin_add_overflow(base, to, &result) || result < 0 || result > size) return Errno::EINVAL;
    return offset = result;
}

Async<> BlockFile::synchronise(Thread& thread, bool) {
    if (device_->disk.read_only()) return {};
    return flush_device(thread, Ref<File>(this), device_);
}

Async<u64> BlockFile::set_read_only(Thread& thread, u64 argument) {
    if (!thread.process.credentials.root()) return Errno::EACCES;
    device_->read_only = PITH_TRY(get<i32>(thread, argument)) != 0;
    return u64{0};
}

Async<u64> BlockFile::flush_command(Thread& thread) {
    if (!thread.process.credentials.root()) return Errno::EACCES;
    return [](Task<SysResult<>> flush) -> Task<SysResult<u64>> {
        PITH_CO_CHECK(co_await std::move(flush));
        co_return u64{0};
    }(flush_device(thread, Ref<File>(this), device_));
}

Async<u64> BlockFile::read_table_again(Thread& thread) {
    if (device_->number != 0) return Errno::EINVAL;
    if (!thread.process.credentials.root()) return Errno::EACCES;
    return [](Thread& asking, Ref<File>, Disks& disks, Disk& disk) -> Task<SysResult<u64>> {
        const DeviceWait waiting(asking);
        PITH_CO_CHECK(co_await disks.scan(disk));
        co_return u64{0};
    }(thread, Ref<File>(this), disks_, device_->disk);
}

Async<u64> BlockFile::ioctl(Thread& thread, u32 command, u64 argument) {
    const auto tell = [&](auto value) -> Async<u64> {
        PITH_CHECK(put(thread, argument, value));
        return u64{0};
    };
    switch (command) {
        case kBlkgetsize64: return tell(device_->size());
        case kBlkgetsize: return tell(device_->sectors);
        case kBlkroget: return tell(static_cast<i32>(device_->read_only || device_->disk.read_only()));
        case kBlkroset: return set_read_only(thread, argument);
        case kBlkrrpart: return read_table_again(thread);
        case kBlkflsbuf: return flush_command(thread);
        case kBlkraget: return tell(u64{0});
        case kBlksectget:
            return tell(static_cast<u16>(std::min<u32>(device_->disk.client.max_sectors(), 0xffff)));
        case kBlkbszget: return tell(i32{abi::kPageSize});
        case kBlksszget:
        case kBlkpbszget:
        case kBlkiomin: return tell(static_cast<i32>(device_->disk.block_size()));
        case kBlkioopt:
        case kBlkalignoff: return tell(i32{0});
        case kBlkrotational: return tell(u16{0});
        case kHdioGetgeo:
            // What Linux's virtio_blk makes up.
            return tell(
                Geometry{64, 32, static_cast<u16>(device_->disk.client.sectors() >> 11), device_->first});
        case kBlkdiscard:
        case kBlkzeroout: return Errno::EOPNOTSUPP;
        default: return Errno::ENOTTY;
    }
}

}  // namespace pith::lx
