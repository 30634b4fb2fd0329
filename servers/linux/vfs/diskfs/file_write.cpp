// SPDX-License-Identifier: MIT
// Writing files: into pages in memory, which go to the disk later (write_back.cpp).
#include <algorithm>
#include <cstring>

#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/vfs/diskfs/disk_inode.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

DiskFile::DiskFile(DiskFs& of, const Fs::Attributes& attributes)
    : DiskInode(of, attributes), cache(of.page_cache(), of.zone.frames) {
    cache.promised_sum = &of.promised_pages;
}

DiskFile::~DiskFile() {
    cache.drop(0, ~u64{0});
    fs().cleaned(*this);
}

void DiskFile::changed_elsewhere(i64 size) {
    ++epoch_;
    cache.drop(0, ~u64{0});
    if (!dirty()) fs().cleaned(*this);
    size_ = size;
}

void DiskFile::grow(i64 size) {
    if (size <= size_) return;
    clear_behind_end();
    size_ = size;
}

/// Behind the end programs may have written what is not of the file, through mappings; until the page is written back.
void DiskFile::clear_behind_end() {
    const u64 end = static_cast<u64>(size_);
    if (cache.mapped_dirty(end / kPageSize))
        cache.zero_tail(end / kPageSize, static_cast<u32>(end % kPageSize));
}

SysResult<> DiskFile::write_resident(i64 offset, UserIo& io, usize most) {
    const usize stop = io.done() + std::min(most, io.remaining());
    if (offset > size_) grow(offset);
    while (io.done() < stop) {
        const u64 index = static_cast<u64>(offset) / kPageSize;
        const usize in_page = static_cast<usize>(offset) % kPageSize;
        const usize wanted = std::min(kPageSize - in_page, stop - io.done());
        FrameRef frame;
        bool garbage = false;
        if (const FrameNumber known = cache.find(index); known != kNoFrame) {
            frame = FrameRef(fs().zone.frames, known);
        } else {
            const bool covers = in_page == 0 && offset + static_cast<i64>(wanted) >= size_;
            const bool whole = wanted == kPageSize;
            if (cache.reading(index)) return Errno::EAGAIN;
            if (!whole && !covers && static_cast<i64>(index * kPageSize) < size_) return Errno::EAGAIN;
            garbage = whole;
            frame = PITH_TRY(fs().page_cache().allocate(!whole));
            cache.put(index, frame);
        }
        if (offset + static_cast<i64>(wanted) > size_) clear_behind_end();
        // Before the copy: what is dirty can't be taken away meanwhile.
        if (cache.set_dirty(index, false) && cache.dirty_pages() == 1) fs().dirtied(*this);
        const SysResult<usize> copied = io.get(frame.data() + in_page, wanted);
        if (garbage && (!copied.ok() || copied.value() < wanted)) {
            const usize good = copied.ok() ? copied.value() : 0;
            if (offset < size_) {
                // The rest of the page was never read: it is not for anyone to see.
                cache.drop(index, index + 1);
                return Errno::EFAULT;
            }
            std::memset(frame.data() + good, 0, kPageSize - good);
        }
        const usize done = PITH_TRY(copied);
        offset += static_cast<i64>(done);
        size_ = std::max(size_, offset);
        if (done < wanted) return Errno::EFAULT;
    }
    return {};
}

SysResult<FrameRef> DiskFile::writable_page(u64 index) {
    if (fs().read_only()) return Errno::EIO;
    const FrameNumber frame = cache.find(index);
    if (frame == kNoFrame) return Errno::EAGAIN;
    if (cache.set_dirty(index, true) && cache.dirty_pages() == 1) fs().dirtied(*this);
    return FrameRef(fs().zone.frames, frame);
}

Async<> DiskFile::truncate(i64 size) {
    if (fs().read_only()) return Errno::EROFS;
    if (static_cast<u64>(size) > client().attached().max_file_size) return Errno::EFBIG;
    return cut(Ref<DiskFile>(this), size);
}

Task<SysResult<>> DiskFile::cut(Ref<DiskFile> self, i64 size) {
    PITH_CO_CHECK(co_await self->gate().enter(true));
    const Gate::Hold hold(self->gate());
    const i64 before = self->size_;
    if (size < before) {
        ++self->epoch_;
        const u64 pages = (static_cast<u64>(size) + kPageSize - 1) / kPageSize;
        const u32 tail = static_cast<u32>(static_cast<u64>(size) % kPageSize);
        self->size_ = size;
        self->cache.drop(pages, ~u64{0});
        if (tail != 0) self->cache.zero_tail(pages - 1, tail);
    } else {
        self->grow(size);
    }
    self->touch_modify();
    Result<> done = co_await self->client().truncate(self->id(), static_cast<u64>(size),
                                                     to_fs(self->modify_time));
    if (done.error() == Error::bad_handle && co_await self->remind())
        done = co_await self->client().truncate(self->id(), static_cast<u64>(size), to_fs(self->modify_time));
    self->changed_here();
    // What was cut is still there.
    if (!done.ok() && self->fs().shared && size < before && self->size_ == size) {
        if (self->dirty()) self->grow(before);
        else self->changed_elsewhere(before);
    }
    if (!done.ok() && size > before && self->size_ == size) self->size_ = before;
    self->set_stale();
    co_return self->fs().errno_of(done.error());
}

Async<> DiskFile::allocate(u32 allocate_mode, i64 offset, i64 length) {
    constexpr u32 kKeepSize = 1, kPunchHole = 2, kZeroRange = 16;
    const u32 what = allocate_mode & ~kKeepSize;
    const bool keep_size = what != allocate_mode;
    if (what != 0 && what != kZeroRange && (what != kPunchHole || !keep_size)) return Errno::EOPNOTSUPP;
    if (fs().read_only()) return Errno::EROFS;
    if (length > kMaxFileSize - offset ||
        static_cast<u64>(offset + length) > client().attached().max_file_size)
        return Errno::EFBIG;
    const Ref<DiskFile> self(this);
    if (what == 0) return reserve(self, offset, length, keep_size);
    if (what == kPunchHole) return punch(self, offset, length);
    return make_zeros(self, offset, length, keep_size);
}

Task<SysResult<>> DiskFile::punch(Ref<DiskFile> self, i64 offset, i64 length) {
    PITH_CO_CHECK(co_await self->gate().enter(true));
    const Gate::Hold hold(self->gate());
    co_return co_await make_hole(self, offset, length);
}

/// What is dirty is written first: a hole that can't be made costs nobody's data. What was read until it is there is not believed.
Task<SysResult<>> DiskFile::make_hole(Ref<DiskFile> self, i64 offset, i64 length) {
    const u64 start = static_cast<u64>(offset), end = start + static_cast<u64>(length);
    PITH_CO_CHECK(co_await write_back(self, start / kPageSize, (end + kPageSize - 1) / kPageSize));
    const Timespec time = self->fs().now();
    const Result<> done = co_await self->client().punch(self->id(), start, static_cast<u64>(length),
                                                        to_fs(time));
    self->set_stale();
    if (!done.ok()) {
        // Some of it may have been done.
        ++self->epoch_;
        static_cast<void>(co_await write_back(self, start / kPageSize, (end + kPageSize - 1) / kPageSize));
        self->cache.drop(start / kPageSize, (end + kPageSize - 1) / kPageSize);
        co_return fs_errno(done.error());
    }
    ++self->epoch_;
    self->cache.punch(start, end);
    self->modified(time);
    co_return SysResult<>();
}

/// A hole, and new blocks for it.
Task<SysResult<>> DiskFile::make_zeros(Ref<DiskFile> self, i64 offset, i64 length, bool keep_size) {
    {
        PITH_CO_CHECK(co_await self->gate().enter(true));
        const Gate::Hold hold(self->gate());
        PITH_CO_CHECK(co_await make_hole(self, offset, length));
    }
    co_return co_await reserve(self, offset, length, keep_size);
}

Task<SysResult<>> DiskFile::reserve(Ref<DiskFile> self, i64 offset, i64 length, bool keep_size) {
    PITH_CO_CHECK(co_await self->gate().enter(true));
    const Gate::Hold hold(self->gate());
    // First what is dirty takes its blocks.
    PITH_CO_CHECK(co_await write_back(self));
    const Timespec time = self->fs().now();
    const Result<> done = co_await self->client().allocate(self->id(), static_cast<u64>(offset),
                                                           static_cast<u64>(length), keep_size, to_fs(time));
    self->set_stale();
    if (!done.ok()) {
        // A part may have been done, and the file have grown.
        const Result<Fs::Attributes> now = co_await self->client().attributes(self->id());
        if (now.ok()) self->grow(static_cast<i64>(now.value().size));
        co_return self->fs().errno_of(done.error());
    }
    if (!keep_size) self->grow(offset + length);
    self->modified(time);
    co_return SysResult<>();
}

Async<i64> DiskFile::seek_data(i64 offset, bool hole) {
    if (offset < 0 || offset >= size_) return Errno::ENXIO;
    return find_content(Ref<DiskFile>(this), offset, hole);
}

Task<SysResult<i64>> DiskFile::find_content(Ref<DiskFile> self, i64 offset, bool hole) {
    PITH_CO_CHECK(co_await write_back(self));
    const Result<u64> found = co_await self->client().seek(self->id(), static_cast<u64>(offset), hole);
    if (found.error() == Error::not_found) co_return Errno::ENXIO;
    if (!found.ok()) co_return self->fs().errno_of(found.error());
    co_return static_cast<i64>(found.value());
}

}  // namespace pith::lx
