// SPDX-License-Identifier: MIT
// Writing back: dirty pages go to the file server in requests as large as it takes. They stay in memory until it says that they are
// committed, as it may ask for them again after a restart.
#include <algorithm>
#include <cstring>
#include <vector>

#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/vfs/diskfs/disk_inode.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kUnderWay = 8;  ///< requests of one file

/// The pages of one request, held until it is settled.
class PageData : public FsData {
  public:
    PageData(PageCache& cache, usize length) : cache_(cache), length_(length) {}
    void add(FrameRef frame) {
        frames_.push_back(std::move(frame));
        ++cache_.unsettled;
    }
    usize copy(std::span<u8> to) override {
        const usize size = std::min(to.size(), length_);
        for (usize at = 0; at < size; at += kPageSize)
            std::memcpy(to.data() + at, frames_[at / kPageSize].data(),
                        std::min<usize>(size - at, kPageSize));
        return size;
    }
    /// A loss is told by FsClient::losses() (DiskFs::told_losses).
    void settled(Error) override {
        cache_.unsettled -= frames_.size();
        delete this;
    }

  private:
    ~PageData() override = default;
    PageCache& cache_;
    const usize length_;
    std::vector<FrameRef> frames_;
};

}  // namespace

Task<SysResult<>> DiskFile::write_back(Ref<DiskFile> self, u64 first, u64 last) {
    while (true) {
        last = std::min(last, self->page_count());
        const PageRun run = self->cache.dirty_run(first, last, self->fs().transfer_pages());
        if (run.count == 0) break;
        while (self->writing_ >= kUnderWay) co_await self->write_done_.wait();
        // By now the run may be another one.
        const PageRun now = self->cache.dirty_run(first, last, self->fs().transfer_pages());
        if (now.count == 0) break;
        if (!spawn(write_run(self, now))) co_return Errno::ENOMEM;
        first = now.first + now.count;
    }
    while (self->writing_ != 0) co_await self->write_done_.wait();
    co_return SysResult<>();
}

Task<void> DiskFile::write_run(Ref<DiskFile> self, PageRun run) {
    DiskFs& fs = self->fs();
    const u64 start = run.first * kPageSize;
    const usize length = std::min<u64>(run.count * kPageSize, static_cast<u64>(self->size_) - start);
    self->clear_behind_end();
    auto* data = new PageData(fs.page_cache(), length);
    std::vector<FrameRef>
        frames;  // of a shared file system, whose server may have to be reminded of the file
    for (u64 i = 0; i < run.count; ++i) {
        FrameRef frame(fs.zone.frames, self->cache.find(run.first + i));
        if (fs.shared) frames.push_back(frame);
        data->add(std::move(frame));
    }
    self->cache.clean(run);
    if (!self->dirty()) fs.cleaned(*self);
    ++self->writing_;
    fs.pages_under_way += run.count;
    const Timespec modified = self->modify_time, changed = self->change_time;
    Result<usize> done = co_await self->client().write(self->id(), start, length, *data, to_fs(changed));
    if (done.error() == Error::bad_handle && co_await self->remind()) {
        auto* again = new PageData(fs.page_cache(), length);
        for (const FrameRef& frame : frames) again->add(FrameRef(frame));
        done = co_await self->client().write(self->id(), start, length, *again, to_fs(changed));
    }
    self->changed_here();
    fs.pages_under_way -= run.count;
    if (done.ok() && done.value() == length) self->cache.set_backed(run);
    else self->write_failed(run, done.ok() ? done.value() : 0, done.ok() ? Error::no_space : done.error());
    self->set_stale();
    if (done.ok() && !(modified == changed)) {
        // The write has set both.
        FsAttributeChange change;
        change.flags = Fs::kSetModified;
        change.modified = to_fs(modified);
        static_cast<void>(co_await self->client().set_attributes(self->id(), change, to_fs(changed)));
    }
    --self->writing_;
    self->write_done_.wake_all();
}

void DiskFile::write_failed(const PageRun& run, u64 done, Error error) {
    error_ = fs().errno_of(error);
    const u64 first = run.first + done / kPageSize, last = run.first + run.count;
    if (error == Error::held_down || error == Error::timed_out || error == Error::no_memory) {
        // It may do later.
        for (u64 index = first; index < last; ++index)
            if (cache.present(index)) cache.set_dirty(index, false);
        if (dirty()) fs().dirtied(*this);
        return;
    }
    if (error != Error::no_space && !fs().shared) return;
    // What did not fit, or is not allowed, is not there any more, unless it was written again meanwhile.
    if (error == Error::no_space) lost_ = std::min(lost_, static_cast<i64>(run.first * kPageSize + done));
    for (u64 index = first; index < last; ++index)
        if (!cache.dirty(index)) cache.drop(index, index + 1);
    set_outdated();
}

Task<SysResult<>> DiskFile::write_out() {
    const Ref<DiskFile> self(this);
    const SysResult<> sent = co_await write_back(self);
    const SysResult<> rest = co_await DiskInode::write_out();
    if (const Errno error = take_error(); error != Errno::ok) co_return error;
    co_return sent.ok() ? rest : sent;
}

}  // namespace pith::lx
