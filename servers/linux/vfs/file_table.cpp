// SPDX-License-Identifier: MIT
// Descriptors.
#include "servers/linux/vfs/file_table.hpp"

#include <algorithm>

namespace pith::lx {

FileTable::~FileTable() { close_all(); }

SysResult<Ref<File>> FileTable::get(i32 descriptor) const {
    File* file = find(descriptor);
    if (file == nullptr) return Errno::EBADF;
    return Ref<File>(file);
}

SysResult<> FileTable::check_room(u64 limit) const {
    if (slots_.size() < limit || static_cast<u64>(free_hint_) < limit) return {};
    return Errno::EMFILE;
}

SysResult<i32> FileTable::add(Ref<File> file, bool close_on_exec, u64 limit, i32 minimum) {
    i32 descriptor = std::max(minimum, free_hint_);
    while (descriptor < end() && slots_[static_cast<u32>(descriptor)].file) ++descriptor;
    if (static_cast<u64>(descriptor) >= limit) return Errno::EMFILE;
    if (descriptor >= end()) slots_.resize(static_cast<usize>(descriptor) + 1);
    slots_[static_cast<u32>(descriptor)] = {std::move(file), close_on_exec};
    ++count_;
    if (minimum <= free_hint_) free_hint_ = descriptor + 1;
    return descriptor;
}

SysResult<> FileTable::set(i32 descriptor, Ref<File> file, bool close_on_exec, u64 limit) {
    if (descriptor < 0 || static_cast<u64>(descriptor) >= limit) return Errno::EBADF;
    if (descriptor >= end()) slots_.resize(static_cast<usize>(descriptor) + 1);
    Slot& slot = slots_[static_cast<u32>(descriptor)];
    Slot old = std::exchange(slot, {std::move(file), close_on_exec});
    if (old.file) {
        old.file->descriptor_closed(*this);
    } else {
        ++count_;
    }
    return {};
}

SysResult<> FileTable::close(i32 descriptor) {
    if (find(descriptor) == nullptr) return Errno::EBADF;
    Slot old = std::exchange(slots_[static_cast<u32>(descriptor)], {});
    free_hint_ = std::min(free_hint_, descriptor);
    --count_;
    old.file->descriptor_closed(*this);
    return {};
}

void FileTable::close_for_exec() {
    for (i32 descriptor = 0; descriptor < end(); ++descriptor) {
        const Slot& slot = slots_[static_cast<u32>(descriptor)];
        if (slot.file && slot.close_on_exec) static_cast<void>(close(descriptor));
    }
}

void FileTable::close_all() {
    for (i32 descriptor = 0; descriptor < end(); ++descriptor) {
        if (slots_[static_cast<u32>(descriptor)].file) static_cast<void>(close(descriptor));
    }
}

Ref<FileTable> FileTable::copy() const {
    auto result = Ref<FileTable>::make();
    result->slots_ = slots_;
    result->free_hint_ = free_hint_;
    result->count_ = count_;
    return result;
}

}  // namespace pith::lx
