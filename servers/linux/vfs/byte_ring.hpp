// SPDX-License-Identifier: MIT
// ByteRing: bytes on their way from a writer to a reader, in pages of the zone that are taken as bytes come and given
// back as they go. What pipes and sockets are made of; who waits for it is theirs.
// Invariant: read_ <= write_ <= read_ + capacity; a page is there exactly where it holds unread bytes (and one spare).
#pragma once

#include <vector>

#include "servers/linux/frames.hpp"
#include "servers/linux/user_memory.hpp"

namespace pith::lx {

class AddressSpace;
class Zone;

class ByteRing {
  public:
    ByteRing(Zone& zone, usize pages) : zone_(zone), pages_(pages) {}
    ByteRing(const ByteRing&) = delete;
    ByteRing& operator=(const ByteRing&) = delete;

    usize used() const { return static_cast<usize>(write_ - read_); }
    usize capacity() const { return pages_.size() * kPageSize; }
    /// Bytes that fit now: a page that is partly read is not free yet.
    usize room() const { return capacity() - static_cast<usize>(write_ - read_ / kPageSize * kPageSize); }
    /// Moves what is there, at most `most` and what `io` takes. EFAULT: nothing could be moved.
    SysResult<usize> take(UserIo& io, usize most = ~usize{0});
    /// Moves what fits, at most what `io` has.
    SysResult<usize> add(UserIo& io);
    /// Takes back the last `size` bytes that were added.
    void take_back(usize size);
    /// Drops the next `size` unread bytes.
    void skip(usize size);
    /// Copies up to `size` unread bytes from `skip` on.
    usize peek(usize skip, u8* to, usize size) const;
    /// The same to `io`. EFAULT: nothing could be copied.
    SysResult<usize> peek(usize skip, UserIo& io, usize size) const;
    /// As many pages. EBUSY: what it holds does not fit.
    SysResult<> set_pages(usize pages);

    /// A reader that waits with its buffer: a writer fills it directly, without the ring.
    class Waiting {
      public:
        Waiting(ByteRing& ring, UserIo& io, const AddressSpace* space);
        ~Waiting();
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        usize done() const { return done_; }

      private:
        friend class ByteRing;
        ByteRing& ring_;
        UserIo& io_;
        const AddressSpace* space_;
        usize done_ = 0;
    };
    /// Gives a waiting reader what it takes of `io`; 0: there is none, or it is in the writer's own address space
    /// (where storing may move what is read).
    usize hand_over(UserIo& io, const AddressSpace* from);

  private:
    Zone& zone_;
    std::vector<FrameRef> pages_;
    Waiting* waiting_ = nullptr;
    FrameRef spare_;
    u64 read_ = 0, write_ = 0;
};

}  // namespace pith::lx
