// SPDX-License-Identifier: MIT
// FileTable: the descriptors of a process (or of several, CLONE_FILES). The lowest free number is given out. Slots come
// in pages, so that a high number costs no more than a low one.
// Invariants: a slot without file is free; free_hint_ is not above the lowest free number; end_ is above the highest in use.
#pragma once

#include <memory>
#include <vector>

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class FileTable : public RefCounted {
  public:
    FileTable() = default;
    ~FileTable() override;

    /// Null: EBADF.
    File* find(i32 descriptor) const {
        const Slot* slot = slot_of(descriptor);
        return slot != nullptr ? slot->file.get() : nullptr;
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
    /// Of one that is open.
    bool close_on_exec(i32 descriptor) const { return slot_of(descriptor)->close_on_exec; }
    void set_close_on_exec(i32 descriptor, bool value) { make_slot(descriptor).close_on_exec = value; }
    /// At execve.
    void close_for_exec();
    void close_all();
    /// One more than the highest descriptor that was ever open.
    i32 end() const { return end_; }
    u32 count() const { return count_; }
    /// Calls `visit` with each open descriptor, which it may close.
    template <typename Visit>
    void for_each(Visit visit) const {
        for (usize page = 0; page < pages_.size(); ++page) {
            if (!pages_[page]) continue;
            for (usize slot = 0; slot < kPageSlots; ++slot) {
                if (pages_[page]->slots[slot].file) visit(static_cast<i32>(page * kPageSlots + slot));
            }
        }
    }
    /// For fork.
    Ref<FileTable> copy() const;

  private:
    struct Slot {
        Ref<File> file;
        bool close_on_exec = false;
    };
    static constexpr usize kPageSlots = 64;
    struct Page {
        Slot slots[kPageSlots];
    };
    const Slot* slot_of(i32 descriptor) const {
        const usize page = static_cast<u32>(descriptor) / kPageSlots;
        if (page >= pages_.size() || !pages_[page]) return nullptr;
        return &pages_[page]->slots[static_cast<u32>(descriptor) % kPageSlots];
    }
    Slot& make_slot(i32 descriptor);
    i32 lowest_free(i32 minimum) const;

    std::vector<std::unique_ptr<Page>> pages_;
    i32 end_ = 0;
    i32 free_hint_ = 0;
    u32 count_ = 0;
};

}  // namespace pith::lx
