// SPDX-License-Identifier: MIT
// Open files and directories of a file system on a disk.
#pragma once

#include "servers/linux/vfs/diskfs/disk_inode.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class DiskOpenFile : public RegularFile {
  public:
    DiskOpenFile(Path file_path, u32 open_flags);
    ~DiskOpenFile() override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<i64> find_content(i64 from, bool hole) override;
    DiskFile& file() const { return static_cast<DiskFile&>(inode()); }

  private:
    using Self = Ref<DiskOpenFile>;
    static Task<SysResult<usize>> slow_read(Thread& thread, Self self, UserIo io, i64 position);
    static Task<SysResult<usize>> slow_write(Thread& thread, Self self, UserIo io, i64 position,
                                             Gate::Hold hold, bool entered);
    static Task<SysResult<>> take_away_setuid(Thread& thread, Self self);
    Task<SysResult<>> write_piece(UserIo& io, i64 position, usize most);
    static Task<SysResult<>> wait_for_room(Self self);
    /// Reads on in advance, when what is being read comes near the end of what has been.
    void read_ahead(u64 next);
    /// Pages to fetch with `index`, which is missing, for a read that goes up to `end`.
    u64 window_at(u64 index, u64 end);

    bool proven_ = false;       ///< on a shared file system: something has been written, so that it may be
    u64 expected_ = 0;          ///< the page that a sequential reader reads next
    u64 window_ = 0;            ///< pages; 0: it does not read sequentially
    u64 ahead_end_ = 0;         ///< up to there has been read in advance
    u64 ahead_mark_ = ~u64{0};  ///< from there on more is to be
};

class DiskOpenDirectory : public DirectoryFile {
  public:
    DiskOpenDirectory(Path file_path, u32 open_flags) : DirectoryFile(std::move(file_path), open_flags) {}
    Async<> read_entries(DirectorySink& sink) override;

  private:
    static Task<SysResult<>> list(Ref<DiskOpenDirectory> self, DirectorySink& sink);
};

}  // namespace pith::lx
