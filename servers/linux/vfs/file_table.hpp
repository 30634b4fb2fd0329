// SPDX-License-Identifier: MIT
// FileTable: the descriptors of a process (or of several, CLONE_FILES). The lowest free number is given out.
// Invariants: files_[n] is null where n is free; free_hint_ is not above the lowest free number.
#pragma once

#include <vector>

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class FileTable : public RefCounted {
  public:
    FileTable() = default;
    ~FileTable() override;

    /// Null: EBADF.
    File* find(i32 descriptor) const {
        return static_cast<u32>(descriptor) < slots_.size() ? slots_[static_cast<u32>(descriptor)].file.get() : nullptr;
    }
    /// The file, also if it is open with O_PATH. EBADF.
    SysResult<Ref<File>> get(i32 descriptor) const;
    /// EMFILE: add() would fail at `limit`.
    SysResult<> check_room(u64 limit) const;
    /// The lowest free descriptor from `minimum` on becomes `file`. EMFILE at `limit`.
    SysResult<i32> add(Ref<File> file, bool close_on_exec, u64 limit, i32 minimum = 0);
    /// `descriptor` becomes `file`; what it was is closed (dup2). EBADF at `limit`.
    SysResult<> set(i32 descriptor, Ref<File> file, bool close_on_exec, u64 limit);
    SysResult<> close(i32 descriptor);
    bool close_on_exec(i32 descriptor) const { return slots_[static_cast<u32>(descriptor)].close_on_exec; }
    void set_close_on_exec(i32 descriptor, bool value) { slots_[static_cast<u32>(descriptor)].close_on_exec = value; }
    /// At execve.
    void close_for_exec();
    void close_all();
    /// One more than the highest descriptor.
    i32 end() const { return static_cast<i32>(slots_.size()); }
    u32 count() const { return count_; }
    /// For fork.
    Ref<FileTable> copy() const;

  private:
    struct Slot {
        Ref<File> file;
        bool close_on_exec = false;
    };
    std::vector<Slot> slots_;
    i32 free_hint_ = 0;
    u32 count_ = 0;
};

}  // namespace pith::lx
