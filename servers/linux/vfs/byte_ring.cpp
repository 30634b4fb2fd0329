// SPDX-License-Identifier: MIT
// Rings of bytes.
#include "servers/linux/vfs/byte_ring.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/zone.hpp"

namespace pith::lx {

SysResult<usize> ByteRing::take(UserIo& io, usize most) {
    usize done = 0;
    while (io.remaining() != 0 && used() != 0 && done < most) {
        FrameRef& page = pages_[read_ / kPageSize % pages_.size()];
        const usize at = static_cast<usize>(read_ % kPageSize);
        const usize wanted = std::min({kPageSize - at, used(), io.remaining(), most - done});
        const SysResult<usize> copied = io.put(page.data() + at, wanted);
        if (!copied.ok()) {
            if (done != 0) break;
            return copied.error();
        }
        read_ += copied.value();
        done += copied.value();
        if (read_ % kPageSize == 0 || read_ == write_) spare_ = std::exchange(page, FrameRef());
        if (copied.value() < wanted) break;
    }
    if (read_ == write_) read_ = write_ = 0;
    return done;
}

SysResult<usize> ByteRing::add(UserIo& io) {
    usize done = 0;
    while (io.remaining() != 0 && room() != 0) {
        FrameRef& page = pages_[write_ / kPageSize % pages_.size()];
        if (!page) {
            if (spare_) {
                page = std::exchange(spare_, FrameRef());
            } else {
                SysResult<FrameRef> fresh = zone_.frames.allocate(false);
                if (!fresh.ok()) {
                    if (done != 0) break;
                    return fresh.error();
                }
                page = std::move(fresh).value();
            }
        }
        const usize at = static_cast<usize>(write_ % kPageSize);
        const usize wanted = std::min({kPageSize - at, room(), io.remaining()});
        const SysResult<usize> copied = io.get(page.data() + at, wanted);
        if (!copied.ok()) {
            if (used() == 0) page = FrameRef();
            if (done != 0) break;
            return copied.error();
        }
        write_ += copied.value();
        done += copied.value();
        if (copied.value() < wanted) break;
    }
    return done;
}

ByteRing::Waiting::Waiting(ByteRing& ring, UserIo& io, const AddressSpace* space)
    : ring_(ring), io_(io), space_(space) {
    if (ring.waiting_ == nullptr) ring.waiting_ = this;
}

ByteRing::Waiting::~Waiting() {
    if (ring_.waiting_ == this) ring_.waiting_ = nullptr;
}

usize ByteRing::hand_over(UserIo& io, const AddressSpace* from) {
    if (waiting_ == nullptr || waiting_->done_ != 0 || waiting_->space_ == from || used() != 0) return 0;
    UserIo& to = waiting_->io_;
    usize done = 0;
    while (io.remaining() != 0 && to.remaining() != 0) {
        const SysResult<std::span<u8>> piece = io.piece(Access::read, to.remaining());
        if (!piece.ok()) break;
        const SysResult<usize> copied = to.put(piece.value().data(), piece.value().size());
        if (!copied.ok()) break;
        io.advance(copied.value());
        done += copied.value();
        if (copied.value() < piece.value().size()) break;
    }
    waiting_->done_ = done;
    return done;
}

usize ByteRing::peek(usize skip, u8* to, usize size) const {
    usize done = 0;
    u64 from = read_ + skip;
    while (done < size && from < write_) {
        const usize at = static_cast<usize>(from % kPageSize);
        const usize piece = std::min({kPageSize - at, size - done, static_cast<usize>(write_ - from)});
        std::memcpy(to + done, pages_[from / kPageSize % pages_.size()].data() + at, piece);
        done += piece;
        from += piece;
    }
    return done;
}

void ByteRing::take_back(usize size) {
    while (size != 0) {
        const usize in_page = static_cast<usize>((write_ - 1) % kPageSize) + 1;
        const usize piece = std::min(size, in_page);
        const u64 last = (write_ - 1) / kPageSize;
        write_ -= piece;
        size -= piece;
        // Its page goes unless something unread is left in it.
        if (write_ == read_ || (write_ - 1) / kPageSize != last)
            spare_ = std::exchange(pages_[last % pages_.size()], FrameRef());
    }
    if (read_ == write_) read_ = write_ = 0;
}

void ByteRing::skip(usize size) {
    size = std::min(size, used());
    while (size != 0) {
        FrameRef& page = pages_[read_ / kPageSize % pages_.size()];
        const usize piece = std::min(size, kPageSize - static_cast<usize>(read_ % kPageSize));
        read_ += piece;
        size -= piece;
        if (read_ % kPageSize == 0 || read_ == write_) spare_ = std::exchange(page, FrameRef());
    }
    if (read_ == write_) read_ = write_ = 0;
}

SysResult<usize> ByteRing::peek(usize skip, UserIo& io, usize size) const {
    usize done = 0;
    u64 from = read_ + skip;
    while (done < size && from < write_ && io.remaining() != 0) {
        const usize at = static_cast<usize>(from % kPageSize);
        const usize piece = std::min(
            {kPageSize - at, size - done, static_cast<usize>(write_ - from), io.remaining()});
        const SysResult<usize> copied = io.put(pages_[from / kPageSize % pages_.size()].data() + at, piece);
        if (!copied.ok()) return done != 0 ? SysResult<usize>(done) : copied;
        done += copied.value();
        from += copied.value();
        if (copied.value() < piece) break;
    }
    return done;
}

SysResult<> ByteRing::set_pages(usize pages) {
    const u64 first = read_ / kPageSize;
    const u64 needed = used() == 0 ? 0 : (write_ + kPageSize - 1) / kPageSize - first;
    if (needed > pages) return Errno::EBUSY;
    std::vector<FrameRef> fresh(pages);
    for (u64 i = 0; i < needed; ++i) fresh[i] = std::move(pages_[(first + i) % pages_.size()]);
    read_ -= first * kPageSize;
    write_ -= first * kPageSize;
    pages_ = std::move(fresh);
    return {};
}

}  // namespace pith::lx
