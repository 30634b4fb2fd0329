// SPDX-License-Identifier: MIT
// Descriptors.
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/heap_guard.hpp"

#include <algorithm>

namespace pith::lx {

FileTable::~FileTable() { close_all(); }

SysResult<Ref<File>> FileTable::get(i32 descriptor) const {
    File* file = find(descriptor);
    if (file == nullptr) return Errno::EBADF;
    return Ref<File>(file);
}

i32 FileTable::lowest_free(i32 minimum) const {
    i32 descriptor = std::max(minimum, free_hint_);
    while (descriptor < end_ && find(descriptor) != nullptr)
        ++descriptor;  // a page that is not there is free
    return descriptor;
}

SysResult<> FileTable::check_room(u64 limit) const {
    return static_cast<u64>(lowest_free(0)) < limit ? SysResult<>() : SysResult<>(Errno::EMFILE);
}

FileTable::Slot& FileTable::make_slot(i32 descriptor) {
    const usize page = static_cast<u32>(descriptor) / kPageSlots;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (!pages_[page]) pages_[page] = std::make_unique<Page>();
    return pages_[page]->slots[static_cast<u32>(descriptor) % kPageSlots];
}

SysResult<i32> FileTable::add(Ref<File> file, bool close_on_exec, u64 limit, i32 minimum) {
    if (heap_low()) return Errno::ENFILE;
    const i32 descriptor = lowest_free(minimum);
    if (static_cast<u64>(descriptor) >= limit) return Errno::EMFILE;
    make_slot(descriptor) = {std::move(file), close_on_exec};
    end_ = std::max(end_, descriptor + 1);
    ++count_;
    if (minimum <= free_hint_) free_hint_ = descriptor + 1;
    return descriptor;
}

SysResult<> FileTable::set(i32 descriptor, Ref<File> file, bool close_on_exec, u64 limit) {
    if (descriptor < 0 || static_cast<u64>(descriptor) >= limit) return Errno::EBADF;
    if (heap_low()) return Errno::EMFILE;
    Slot old = std::exchange(make_slot(descriptor), {std::move(file), close_on_exec});
    end_ = std::max(end_, descriptor + 1);
    if (old.file) {
        old.file->descriptor_closed(*this);
    } else {
        ++count_;
    }
    return {};
}

SysResult<> FileTable::close(i32 descriptor) {
    if (find(descriptor) == nullptr) return Errno::EBADF;
    Slot old = std::exchange(make_slot(descriptor), {});
    free_hint_ = std::min(free_hint_, descriptor);
    --count_;
    old.file->descriptor_closed(*this);
    return {};
}

void FileTable::close_for_exec() {
    for_each([this](i32 descriptor) {
        if (close_on_exec(descriptor)) static_cast<void>(close(descriptor));
    });
}

void FileTable::close_all() {
    for_each([this](i32 descriptor) { static_cast<void>(close(descriptor)); });
}

Ref<FileTable> FileTable::copy() const {
    auto result = Ref<FileTable>::make();
    result->pages_.resize(pages_.size());
    for (usize page = 0; page < pages_.size(); ++page) {
        if (pages_[page]) result->pages_[page] = std::make_unique<Page>(*pages_[page]);
    }
    result->end_ = end_;
    result->free_hint_ = free_hint_;
    result->count_ = count_;
    return result;
}

}  // namespace pith::lx
