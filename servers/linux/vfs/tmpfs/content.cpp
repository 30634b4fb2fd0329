// SPDX-License-Identifier: MIT
// The pages of a file in memory.
#include <algorithm>
#include <cstring>

#include "servers/linux/user_memory.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

TmpContent::~TmpContent() { drop(0, ~u64{0}); }

FrameNumber TmpContent::find(u64 index) const {
    if (const auto chunk = chunks_.find(index / kChunk); chunk != chunks_.end()) {
        if (index % kChunk < chunk->second.size()) {
            const FrameNumber frame = chunk->second[index % kChunk];
            if (frame == kPunched) return kNoFrame;
            if (frame != kNoFrame) return frame;
        }
    }
    return index < bundle_pages_ ? bundle_first_ + static_cast<FrameNumber>(index) : kNoFrame;
}

FrameNumber& TmpContent::slot(u64 index) {
    Chunk& chunk = chunks_[index / kChunk];
    if (chunk.size() <= index % kChunk) chunk.resize(index % kChunk + 1, kNoFrame);
    return chunk[index % kChunk];
}

SysResult<FrameRef> TmpContent::page(u64 index, bool write) {
    if (index >= page_count()) return Errno::EFAULT;
    if (write) {
        end_mapped |= index + 1 == page_count() && static_cast<u64>(size) % kPageSize != 0;
        return own_page(index);
    }
    const FrameNumber frame = find(index);
    if (frame == kNoFrame) return file_system_->zero_page();
    return FrameRef(file_system_->zone.frames, frame);
}

FrameRef TmpContent::peek(u64 index) {
    const FrameNumber frame = index < page_count() ? find(index) : kNoFrame;
    return frame == kNoFrame ? FrameRef() : FrameRef(file_system_->zone.frames, frame);
}

void TmpContent::written() {
    if (inode != nullptr) inode->touch_modify();
}

SysResult<FrameRef> TmpContent::own_page(u64 index) {
    FrameAllocator& frames = file_system_->zone.frames;
    const FrameNumber known = find(index);
    if (known != kNoFrame && !frames.foreign(known)) return FrameRef(frames, known);
    FrameRef fresh = PITH_TRY(file_system_->allocate_page());
    if (known != kNoFrame) std::memcpy(fresh.data(), FrameAllocator::data(known), kPageSize);
    if (known == kNoFrame || index >= bundle_pages_) ++held_;
    invalidate(index, 1);
    slot(index) = fresh.number();
    FrameRef kept = fresh;
    static_cast<void>(kept.release());  // the slot's
    return fresh;
}

void TmpContent::drop(u64 first, u64 last) {
    const u64 end = std::max(page_count(), first);
    if (first < std::min(last, end)) invalidate(first, std::min(last, end) - first);
    FrameAllocator& frames = file_system_->zone.frames;
    for (auto chunk = chunks_.lower_bound(first / kChunk); chunk != chunks_.end();) {
        const u64 base = chunk->first * kChunk;
        if (base >= last) break;
        Chunk& pages = chunk->second;
        bool used = false;
        for (u64 i = 0; i < pages.size(); ++i) {
            if (pages[i] != kNoFrame && base + i >= first && base + i < last) {
                if (pages[i] != kPunched) {
                    frames.drop(pages[i]);
                    file_system_->page_freed();
                    --held_;
                }
                pages[i] = kNoFrame;
            }
            used = used || pages[i] != kNoFrame;
        }
        chunk = used ? std::next(chunk) : chunks_.erase(chunk);
    }
    if (first >= bundle_pages_) return;
    if (last >= bundle_pages_) {
        bundle_pages_ = first;
    } else {
        for (u64 i = first; i < last; ++i) slot(i) = kPunched;
    }
}

SysResult<> TmpContent::zero(u64 index, u32 from, u32 to) {
    if (from >= to || find(index) == kNoFrame) return {};
    const FrameRef page = PITH_TRY(own_page(index));
    std::memset(page.data() + from, 0, to - from);
    return {};
}

u64 TmpContent::next(u64 index, bool hole) const {
    const u64 end = page_count();
    while (index < end && (find(index) == kNoFrame) != hole) {
        // Whole chunks that are not there are skipped.
        if (!hole && index >= bundle_pages_) {
            const auto chunk = chunks_.lower_bound(index / kChunk);
            if (chunk == chunks_.end()) return end;
            if (chunk->first > index / kChunk) {
                index = chunk->first * kChunk;
                continue;
            }
        }
        ++index;
    }
    return std::min(index, end);
}

TmpFile::TmpFile(TmpFs& of, u32 file_mode)
    : TmpInode(of, file_mode), content_(Ref<TmpContent>::make(Ref<TmpFs>(&of))) {
    content_->inode = this;
}

TmpFile::~TmpFile() { content_->inode = nullptr; }

Async<usize> TmpFile::read(i64 offset, UserIo& io) {
    usize done = 0;
    while (io.remaining() != 0 && offset < size_) {
        const usize in_page = static_cast<usize>(offset) % kPageSize;
        const usize wanted = std::min(
            {kPageSize - in_page, static_cast<usize>(size_ - offset), io.remaining()});
        const FrameNumber frame = content_->find(static_cast<u64>(offset) / kPageSize);
        const SysResult<usize> copied = frame == kNoFrame
                                            ? io.put_zeros(wanted)
                                            : io.put(FrameAllocator::data(frame) + in_page, wanted);
        if (!copied.ok()) {
            if (done != 0) break;
            return copied.error();
        }
        done += copied.value();
        offset += static_cast<i64>(copied.value());
        if (copied.value() < wanted) break;
    }
    return done;
}

SysResult<> TmpFile::clear_behind_end() {
    if (!content_->end_mapped) return {};
    content_->end_mapped = content_->mapped();
    const u64 end = static_cast<u64>(size_);
    if (end % kPageSize == 0) return {};
    return content_->zero(end / kPageSize, static_cast<u32>(end % kPageSize), kPageSize);
}

Async<usize> TmpFile::write(i64 offset, UserIo& io) {
    if ((seals & kSealWrite) != 0) return Errno::EPERM;
    if (offset == kMaxFileSize) return Errno::EFBIG;
    io.limit(static_cast<usize>(kMaxFileSize - offset));
    if ((seals & kSealGrow) != 0) {
        if (offset >= size_ || static_cast<i64>(io.remaining()) > size_ - offset) return Errno::EPERM;
    }
    if (offset + static_cast<i64>(io.remaining()) > size_) PITH_CHECK(clear_behind_end());
    usize done = 0;
    Errno error = Errno::ok;
    while (io.remaining() != 0) {
        const usize in_page = static_cast<usize>(offset) % kPageSize;
        const usize wanted = std::min(kPageSize - in_page, io.remaining());
        const SysResult<FrameRef> page = content_->own_page(static_cast<u64>(offset) / kPageSize);
        if (!page.ok()) {
            error = page.error();
            break;
        }
        const SysResult<usize> copied = io.get(page.value().data() + in_page, wanted);
        if (!copied.ok()) {
            error = copied.error();
            break;
        }
        done += copied.value();
        offset += static_cast<i64>(copied.value());
        if (offset > size_) set_size(offset);
        if (copied.value() < wanted) break;
    }
    if (done == 0 && error != Errno::ok) return error;
    touch_modify();
    return done;
}

Async<> TmpFile::truncate(i64 size) {
    if (size < size_ && (seals & kSealShrink) != 0) return Errno::EPERM;
    if (size > size_ && (seals & kSealGrow) != 0) return Errno::EPERM;
    if (size > size_) PITH_CHECK(clear_behind_end());
    if (size < size_) {
        const u64 pages = (static_cast<u64>(size) + kPageSize - 1) / kPageSize;
        const u32 tail = static_cast<u32>(size % static_cast<i64>(kPageSize));
        if (tail != 0) PITH_CHECK(content_->zero(pages - 1, tail, kPageSize));
        content_->drop(pages, ~u64{0});
    }
    set_size(size);
    touch_modify();
    return {};
}

SysResult<> TmpFile::punch(i64 offset, i64 length) {
    const u64 start = static_cast<u64>(offset), end = start + static_cast<u64>(length);
    const u64 first = (start + kPageSize - 1) / kPageSize, last = end / kPageSize;
    if (start / kPageSize == end / kPageSize) {
        return content_->zero(start / kPageSize, start % kPageSize, end % kPageSize);
    }
    if (start % kPageSize != 0) PITH_CHECK(content_->zero(start / kPageSize, start % kPageSize, kPageSize));
    if (end % kPageSize != 0) PITH_CHECK(content_->zero(last, 0, end % kPageSize));
    content_->drop(first, last);
    return {};
}

Async<> TmpFile::allocate(u32 allocate_mode, i64 offset, i64 length) {
    constexpr u32 kKeepSize = 1, kPunchHole = 2;
    if ((allocate_mode & ~(kKeepSize | kPunchHole)) != 0) return Errno::EOPNOTSUPP;
    if (length > kMaxFileSize - offset) return Errno::EFBIG;
    if ((allocate_mode & kPunchHole) != 0) {
        if ((allocate_mode & kKeepSize) == 0) return Errno::EOPNOTSUPP;
        if ((seals & kSealWrite) != 0) return Errno::EPERM;
        PITH_CHECK(punch(offset, length));
        touch_modify();
        return {};
    }
    const bool grows = (allocate_mode & kKeepSize) == 0 && offset + length > size_;
    if (grows && (seals & kSealGrow) != 0) return Errno::EPERM;
    if (grows) PITH_CHECK(clear_behind_end());
    const u64 first = static_cast<u64>(offset) / kPageSize;
    const u64 last = (static_cast<u64>(offset + length) + kPageSize - 1) / kPageSize;
    for (u64 index = first; index < last; ++index) {
        if (content_->find(index) != kNoFrame) continue;
        if (auto page = content_->own_page(index); !page.ok()) {
            const u64 end = content_->page_count();
            if (last > end) content_->drop(std::max(first, end), last);
            return page.error() == Errno::ENOMEM ? Errno::ENOSPC : page.error();
        }
    }
    if (grows) set_size(offset + length);
    touch_change();
    return {};
}

Async<i64> TmpFile::seek_data(i64 offset, bool hole) {
    if (offset < 0 || offset >= size_) return Errno::ENXIO;
    const u64 index = static_cast<u64>(offset) / kPageSize;
    const u64 found = content_->next(index, hole);
    if (!hole && found >= content_->page_count()) return Errno::ENXIO;
    const i64 result = static_cast<i64>(found * kPageSize);
    return std::min(size_, std::max(offset, result));
}

}  // namespace pith::lx
