// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/diskfs/open_file.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/diskfs/disk_fs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kFirstWindow = 8, kLastWindow = 64;  ///< pages read in advance
constexpr usize kPiece = 1 << 20;                  ///< bytes of a long write between two looks at the space

constexpr u32 kTries = 10;  ///< when there is no memory

/// There was none for a page: what is dirty is written, what is mapped is given up.
Task<void> more_memory(DiskFile& file) {
    constexpr u64 kFrames = 64;
    PageCache& cache = file.fs().page_cache();
    if (cache.reclaim(kFrames, true) != 0) co_return;
    static_cast<void>(co_await DiskFs::make_room(Ref<DiskFs>(&file.fs())));
    static_cast<void>(co_await sleep_until(file.fs().zone.now() + kMillisecond));
}

bool wants_sync(u32 flags) { return (flags & O_DATA_SYNC) != 0; }

/// The server's cookies begin at 0, ours behind the two dots. The largest, which some of the host's file systems have at a directory's end, stay
/// what they are.
constexpr u64 kDots = 2;
constexpr u64 kLastOffset = static_cast<u64>(std::numeric_limits<i64>::max());
u64 offset_of(u64 cookie) { return cookie > kLastOffset - kDots ? kLastOffset : cookie + kDots; }
u64 cookie_of(u64 offset) { return offset == kLastOffset ? kLastOffset : offset - kDots; }

}  // namespace

Async<Ref<File>> DiskFile::open(Thread&, const Path& path, u32 flags) {
    if (going || (links == 0 && !held())) return Errno::ENOENT;
    return Ref<File>(Ref<DiskOpenFile>::make(path, flags));
}

DiskOpenFile::DiskOpenFile(Path file_path, u32 open_flags) : RegularFile(std::move(file_path), open_flags) {
    ++file().users_;
    if (writable()) ++file().fs().writers;
}

DiskOpenFile::~DiskOpenFile() {
    --file().users_;
    if (!writable()) return;
    --file().fs().writers;
    // Others are to see it.
    if (file().fs().shared && file().dirty())
        static_cast<void>(spawn([](Ref<DiskFile> written) -> Task<void> {
            static_cast<void>(co_await DiskFile::write_back(written));
        }(Ref<DiskFile>(&file()))));
}

void DiskOpenFile::read_ahead(u64 next) {
    expected_ = next;
    if (next < ahead_mark_ || window_ == 0) return;
    if (ahead_end_ >= file().page_count()) return;
    window_ = std::min(window_ * 2, kLastWindow);
    file().start_reads(ahead_end_, window_);
    ahead_mark_ = ahead_end_;
    ahead_end_ += window_;
}

u64 DiskOpenFile::window_at(u64 index, u64 end) {
    const u64 asked = std::min(end - index, kLastWindow);
    if (index != expected_ && index != 0) {
        window_ = 0;
        ahead_mark_ = ~u64{0};
        return asked;
    }
    window_ = window_ == 0 ? kFirstWindow : std::min(window_ * 2, kLastWindow);
    const u64 count = std::max(window_, asked);
    ahead_end_ = index + count;
    ahead_mark_ = ahead_end_ - window_ / 2;
    return count;
}

Async<usize> DiskOpenFile::read(Thread& thread, UserIo&& io, i64 position) {
    if ((flags & O_NO_ACCESS_TIME) == 0 && (path.mount->flags & (kMountNoAccessTime | kMountReadOnly)) == 0)
        file().touch_access();
    const SysResult<> copied = file().outdated() ? Errno::EAGAIN : file().read_resident(position, io);
    if (copied.error() == Errno::EAGAIN)
        return slow_read(thread, Self(this), std::move(io), position + static_cast<i64>(io.done()));
    if (io.done() != 0) {
        read_ahead((static_cast<u64>(position) + io.done()) / kPageSize);
        return io.done();
    }
    PITH_CHECK(copied);
    return usize{0};
}

Task<SysResult<usize>> DiskOpenFile::slow_read(Thread& thread, Self self, UserIo io, i64 position) {
    const DeviceWait waiting(thread);
    SysResult<> result = Errno::EAGAIN;
    u32 tries = 0;
    if (self->file().outdated()) PITH_CO_CHECK(co_await DiskInode::ask_again(Ref<DiskInode>(&self->file())));
    while (result.error() == Errno::EAGAIN && !thread.fatal_signal_pending()) {
        const u64 index = static_cast<u64>(position) / kPageSize;
        const u64 end = (static_cast<u64>(position) + io.remaining() + kPageSize - 1) / kPageSize;
        result = co_await DiskFile::fetch(Ref<DiskFile>(&self->file()), index, self->window_at(index, end));
        if (result.error() == Errno::ENOMEM && tries++ < kTries) {
            co_await more_memory(self->file());
            result = Errno::EAGAIN;
            continue;
        }
        // Behind the end by now: it has been cut.
        if (result.error() == Errno::EFAULT) result = SysResult<>();
        if (!result.ok()) break;
        const usize before = io.done();
        result = self->file().read_resident(position, io);
        position += static_cast<i64>(io.done() - before);
        self->read_ahead(static_cast<u64>(position) / kPageSize);
    }
    if (io.done() == 0 && !result.ok())
        co_return result.error() == Errno::EAGAIN ? Errno::EINTR : result.error();
    co_return io.done();
}

Async<usize> DiskOpenFile::write(Thread& thread, UserIo&& io, i64 position) {
    if (io.remaining() == 0) return usize{0};
    DiskFile& to = file();
    if (to.fs().read_only()) return Errno::EROFS;
    PITH_CHECK(check_limit(thread, io, position));
    const u64 largest = to.client().attached().max_file_size;
    if (static_cast<u64>(position) >= largest) return Errno::EFBIG;
    io.limit(largest - static_cast<u64>(position));
    const bool setuid = (to.mode & (S_SETUID | S_SETGID)) != 0 && !thread.process.credentials.root();
    PageCache& cache = to.fs().page_cache();
    const bool first = to.fs().shared && (!proven_ || ((flags & O_APPENDING) != 0 && to.outdated()));
    if (setuid || wants_sync(flags) || first || !to.fs().room_for(io.remaining()) || cache.crowded() ||
        !to.gate().try_enter(true)) {
        return slow_write(thread, Self(this), std::move(io), position, Gate::Hold(), false);
    }
    Gate::Hold hold(to.gate());
    if ((flags & O_APPENDING) != 0) position = to.size();
    const SysResult<> done = to.write_resident(position, io, io.remaining());
    if (io.done() != 0) to.touch_modify();
    if (done.error() == Errno::EAGAIN || done.error() == Errno::ENOMEM) {
        position += static_cast<i64>(io.done());
        return slow_write(thread, Self(this), std::move(io), position, std::move(hold), true);
    }
    if (io.done() != 0) return io.done();
    PITH_CHECK(done);
    return usize{0};
}

Task<SysResult<>> DiskOpenFile::take_away_setuid(Thread& thread, Self self) {
    Inode& inode = self->inode();
    if ((inode.mode & (S_SETUID | S_SETGID)) == 0 || thread.process.credentials.root())
        co_return SysResult<>();
    AttributeChange change;
    change.set_mode = true;
    change.mode = inode.mode & 07777 & ~S_SETUID;
    if ((inode.mode & 010) != 0) change.mode &= ~S_SETGID;
    co_return PITH_AWAIT(inode.set_attributes(change));
}

/// Waits until there is not too much in the cache that is dirty.
Task<SysResult<>> DiskOpenFile::wait_for_room(Self self) {
    DiskFs& fs = self->file().fs();
    PageCache& cache = fs.page_cache();
    if (cache.crowded()) co_return co_await DiskFs::make_room(Ref<DiskFs>(&fs));
    if (cache.dirty > cache.dirty_limit() / 2) fs.start_writing();
    co_return SysResult<>();
}

/// At most `most` bytes into the cache.
Task<SysResult<>> DiskOpenFile::write_piece(UserIo& io, i64 position, usize most) {
    const Ref<DiskFile> to(&file());
    const usize stop = io.done() + std::min(most, io.remaining());
    u32 tries = 0;
    while (true) {
        const usize before = io.done();
        const SysResult<> done = to->write_resident(position, io, stop - before);
        if (io.done() != before) to->touch_modify();
        position += static_cast<i64>(io.done() - before);
        if (done.error() == Errno::ENOMEM && tries++ < kTries) {
            co_await more_memory(*to);
            continue;
        }
        if (done.error() != Errno::EAGAIN) co_return done;
        const SysResult<> there = co_await DiskFile::fetch(to, static_cast<u64>(position) / kPageSize, 1);
        if (!there.ok() && there.error() != Errno::EFAULT &&
            (there.error() != Errno::ENOMEM || tries > kTries))
            co_return there;
    }
}

Task<SysResult<usize>> DiskOpenFile::slow_write(Thread& thread, Self self, UserIo io, i64 position,
                                                Gate::Hold hold, bool entered) {
    const DeviceWait waiting(thread);
    const Ref<DiskFile> to(&self->file());
    DiskFs& fs = to->fs();
    PITH_CO_CHECK(co_await take_away_setuid(thread, self));
    // Others may have appended.
    if (!entered && (self->flags & O_APPENDING) != 0 && to->outdated())
        PITH_CO_CHECK(co_await DiskInode::ask_again(to));
    if (!entered) {
        PITH_CO_CHECK(co_await to->gate().enter(true));
        hold = Gate::Hold(to->gate());
        if ((self->flags & O_APPENDING) != 0) position = to->size();
    }
    const i64 start = position - static_cast<i64>(io.done());
    SysResult<> result;
    while (io.remaining() != 0 && result.ok() && !thread.fatal_signal_pending()) {
        static_cast<void>(co_await wait_for_room(self));
        const usize size = std::min(io.remaining(), kPiece);
        // On a disk that is nearly full it is written at once, so that it is this call that learns what does not fit.
        // Of a shared file system so is what comes first, as the host may refuse it.
        const bool through = !fs.room_for(size) || (fs.shared && !self->proven_);
        if (through) static_cast<void>(co_await DiskFs::write_back(Ref<DiskFs>(&fs)));
        const i64 size_before = to->size();
        const usize before = io.done();
        static_cast<void>(to->take_lost());
        result = co_await self->write_piece(io, position, size);
        const i64 end = position + static_cast<i64>(io.done() - before);
        if (through) {
            static_cast<void>(co_await DiskFile::write_back(to, static_cast<u64>(position) / kPageSize,
                                                            static_cast<u64>(end) / kPageSize + 1));
            const i64 lost = to->take_lost();
            const Errno refused = fs.shared && lost >= end ? to->take_error() : Errno::ok;
            if (refused != Errno::ok) {
                if (to->size() == end && !to->dirty()) to->set_size(size_before);
                if (position == start) co_return refused;
                co_return static_cast<usize>(position - start);
            }
            self->proven_ = true;
            if (lost < end) {
                static_cast<void>(to->take_error());
                const i64 kept = std::max(lost, position);
                if (to->size() == end) to->set_size(std::max(size_before, kept));
                self->end_position = kept;
                if (kept == start) co_return Errno::ENOSPC;
                co_return static_cast<usize>(kept - start);
            }
        }
        position = end;
    }
    self->end_position = position;
    if (wants_sync(self->flags) && io.done() != 0) {
        const SysResult<> durable = PITH_AWAIT(to->synchronise(true));
        if (!durable.ok()) co_return durable.error();
    }
    if (io.done() == 0 && !result.ok()) co_return result.error();
    co_return io.done();
}

Async<i64> DiskOpenFile::find_content(i64 from, bool hole) { return file().seek_data(from, hole); }

// Directories

Async<> DiskOpenDirectory::read_entries(DirectorySink& sink) {
    if (!path.dentry->linked()) return Errno::ENOENT;
    inode().touch_access();
    if (!add_dots(sink)) return {};
    return list(Ref<DiskOpenDirectory>(this), sink);
}

Task<SysResult<>> DiskOpenDirectory::list(Ref<DiskOpenDirectory> self, DirectorySink& sink) {
    constexpr usize kRoom = 16 << 10;
    auto& directory = static_cast<DiskDirectory&>(self->inode());
    if (!directory.gate().try_enter(false)) PITH_CO_CHECK(co_await directory.gate().enter(false));
    const Gate::Hold hold(directory.gate());
    const auto bytes = std::make_unique_for_overwrite<u64[]>(kRoom / sizeof(u64));
    const std::span<u8> room(reinterpret_cast<u8*>(bytes.get()), kRoom);
    while (true) {
        const u64 cookie = cookie_of(static_cast<u64>(self->offset));
        Result<usize> got = co_await directory.client().list(directory.id(), cookie, room);
        if (got.error() == Error::bad_handle && co_await directory.remind())
            got = co_await directory.client().list(directory.id(), cookie, room);
        if (!got.ok()) co_return directory.fs().errno_of(got.error());
        if (got.value() == 0) co_return SysResult<>();
        for (usize at = 0; at + sizeof(Fs::Entry) <= got.value();) {
            const auto& entry = *reinterpret_cast<const Fs::Entry*>(room.data() + at);
            const usize end = at + entry.size;
            if (entry.size % 8 != 0 || end > got.value() || sizeof entry + entry.length > entry.size ||
                entry.next > kLastOffset)
                co_return Errno::EIO;
            const std::string_view name(reinterpret_cast<const char*>(&entry + 1), entry.length);
            if (!sink.add(name, entry.number, entry.type, offset_of(entry.next))) co_return SysResult<>();
            self->offset = static_cast<i64>(offset_of(entry.next));
            at = end;
        }
    }
}

}  // namespace pith::lx
