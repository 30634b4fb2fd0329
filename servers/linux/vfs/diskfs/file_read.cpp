// SPDX-License-Identifier: MIT
// Reading files: what is in memory is copied from there, what is not is fetched first.
#include <algorithm>
#include <cstring>
#include <memory>

#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/vfs/diskfs/disk_inode.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u64 kAroundFault = 16;  ///< pages that are read when one is missing
}

SysResult<> DiskFile::read_resident(i64 offset, UserIo& io) {
    while (io.remaining() != 0 && offset < size_) {
        const usize in_page = static_cast<usize>(offset) % kPageSize;
        const usize wanted = std::min(
            {kPageSize - in_page, static_cast<usize>(size_ - offset), io.remaining()});
        const FrameNumber number = cache.find(static_cast<u64>(offset) / kPageSize);
        if (number == kNoFrame) return Errno::EAGAIN;
        // Held, as the program's page may have to take the place of one in the cache.
        const FrameRef frame(fs().zone.frames, number);
        const usize copied = PITH_TRY(io.put(frame.data() + in_page, wanted));
        offset += static_cast<i64>(copied);
        if (copied < wanted) return Errno::EFAULT;
    }
    return {};
}

void DiskFile::start_reads(u64 index, u64 count) {
    const u64 last = std::min(index + count, page_count());
    const u64 most = fs().transfer_pages();
    while (index < last) {
        const PageRun run = cache.missing_run(index, last, most);
        if (run.count == 0) return;
        cache.set_reading(run, true);
        if (!spawn(read_run(Ref<DiskFile>(this), run))) {
            cache.set_reading(run, false);
            ++read_failures_;
            read_error_ = Errno::ENOMEM;
            return;
        }
        index = run.first + run.count;
    }
}

Task<void> DiskFile::read_run(Ref<DiskFile> self, PageRun run) {
    const u64 epoch = self->epoch_;
    SysResult<> stored;
    const auto take = [&](Result<std::span<const u8>> bytes) {
        if (bytes.ok()) stored = self->store(run, epoch, bytes.value());
    };
    const u64 start = run.first * kPageSize, length = run.count * kPageSize;
    Result<usize> got = co_await self->client().read(self->id(), start, length, take);
    if (got.error() == Error::bad_handle && co_await self->remind())
        got = co_await self->client().read(self->id(), start, length, take);
    if (!got.ok()) stored = self->fs().errno_of(got.error());
    self->cache.set_reading(run, false);
    if (!stored.ok()) {
        ++self->read_failures_;
        self->read_error_ = stored.error();
    }
    self->read_done_.wake_all();
}

/// What is not there of a page is a part of the file that has not been written yet, or is behind its end.
SysResult<> DiskFile::store(const PageRun& run, u64 epoch, std::span<const u8> bytes) {
    if (epoch != epoch_) return {};
    for (u64 i = 0; i < run.count && run.first + i < page_count(); ++i) {
        if (cache.present(run.first + i)) continue;
        FrameRef frame = PITH_TRY(fs().page_cache().allocate(false));
        const usize at = i * kPageSize;
        const usize here = at < bytes.size() ? std::min<usize>(bytes.size() - at, kPageSize) : 0;
        if (here != 0) std::memcpy(frame.data(), bytes.data() + at, here);
        if (here < kPageSize) std::memset(frame.data() + here, 0, kPageSize - here);
        cache.put(run.first + i, std::move(frame));
    }
    return {};
}

Task<SysResult<>> DiskFile::fetch(Ref<DiskFile> self, u64 index, u64 count) {
    while (!self->cache.present(index)) {
        const u64 failures = self->read_failures_;
        if (!self->cache.reading(index)) {
            if (index >= self->page_count()) co_return Errno::EFAULT;
            self->start_reads(index, count);
        }
        while (self->cache.reading(index)) co_await self->read_done_.wait();
        if (self->read_failures_ != failures && !self->cache.present(index)) co_return self->read_error_;
    }
    co_return SysResult<>();
}

SysResult<> DiskFile::fetch_now(u64 index) {
    if (index >= page_count()) return Errno::EFAULT;
    const u64 first = index / kAroundFault * kAroundFault;
    const u64 count = std::min(page_count() - first, kAroundFault);
    const usize size = std::min<usize>(count * kPageSize, FsClient::kMaxNow);
    const auto bytes = std::make_unique_for_overwrite<u8[]>(size);
    const Result<usize> got = client().read_now(id(), first * kPageSize, {bytes.get(), size});
    if (!got.ok()) return fs().errno_of(got.error());
    return store({first, count}, epoch_, {bytes.get(), std::min(got.value(), size)});
}

// Mapped

Ref<PageSource> DiskFile::pages() {
    if (mapping_ != nullptr) return Ref<PageSource>(mapping_);
    return Ref<FileMapping>::make(Ref<DiskFile>(this));
}

FileMapping::FileMapping(Ref<DiskFile> of) : file_(std::move(of)) {
    file_->mapping_ = this;
    file_->cache.mapping = this;
    ++file_->fs().mappings;
}

FileMapping::~FileMapping() {
    file_->mapping_ = nullptr;
    file_->cache.mapping = nullptr;
    --file_->fs().mappings;
}

SysResult<FrameRef> FileMapping::page(u64 index, bool write) {
    if (index >= file_->page_count()) return Errno::EFAULT;
    if (write) return file_->writable_page(index);
    FrameRef frame = peek(index);
    if (!frame) return Errno::EAGAIN;
    return frame;
}

FrameRef FileMapping::peek(u64 index) {
    const FrameNumber frame = index < file_->page_count() ? file_->cache.find(index) : kNoFrame;
    return frame == kNoFrame ? FrameRef() : FrameRef(file_->fs().zone.frames, frame);
}

Async<> FileMapping::fetch(u64 index) {
    // Around it, but itself first.
    return [](Ref<DiskFile> file, u64 wanted) -> Task<SysResult<>> {
        const u64 first = wanted / kAroundFault * kAroundFault;
        if (file->cache.missing_run(wanted, wanted + 1, 1).count != 0) {
            file->start_reads(wanted, first + kAroundFault - wanted);
            file->start_reads(first, wanted - first);
        }
        co_return co_await DiskFile::fetch(file, wanted, 1);
    }(file_, index);
}

}  // namespace pith::lx
