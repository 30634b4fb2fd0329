// SPDX-License-Identifier: MIT
// An open block device. It is not cached: each call is requests to the disk (lib/block), of whole sectors; a part of a sector is read,
// changed and written back. A call waits until it is done, and nothing interrupts it, as on Linux.
#pragma once

#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class BlockFile : public File {
  public:
    BlockFile(Path file_path, u32 open_flags, Disks& disks, BlockDevice& device)
        : File(std::move(file_path), open_flags), disks_(disks), device_(&device) {
        ++device_->opens;
    }
    ~BlockFile() override { --device_->opens; }
    bool seekable() const override { return true; }
    bool pollable() const override { return false; }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    SysResult<i64> seek(i64 to, Whence whence) override;
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override;
    Async<> synchronise(Thread& thread, bool data_only) override;

  private:
    SysResult<> check_direct(const UserIo& io, i64 position) const;
    Async<u64> set_read_only(Thread& thread, u64 argument);
    Async<u64> flush_command(Thread& thread);
    Async<u64> read_table_again(Thread& thread);

    Disks& disks_;
    Ref<BlockDevice> device_;
};

/// ENXIO: there is no such device.
Async<Ref<File>> open_block_device(Thread& thread, const Path& path, u32 flags);

}  // namespace pith::lx
