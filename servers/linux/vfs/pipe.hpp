// SPDX-License-Identifier: MIT
// Pipe: a ring of pages of the zone, taken as bytes come and given back as they go; PipeFile: an end of one, of
// pipe(2) or of an opened FIFO. A write of at most PIPE_BUF bytes is not split.
// Invariant: read_ <= write_ <= read_ + capacity; a page is there exactly where it holds unread bytes (and one spare).
#pragma once

#include <vector>

#include "servers/linux/frames.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class AddressSpace;
class Zone;

inline constexpr usize kPipeAtomic = 4096;

class Pipe : public RefCounted {
  public:
    explicit Pipe(Zone& zone) : zone_(zone), pages_(16) {}

    usize used() const { return static_cast<usize>(write_ - read_); }
    usize capacity() const { return pages_.size() * kPageSize; }
    /// Bytes that fit now: a page that is partly read is not free yet.
    usize room() const { return capacity() - static_cast<usize>(write_ - read_ / kPageSize * kPageSize); }
    /// Moves what is there, at most what `io` takes.
    SysResult<usize> take(UserIo& io);
    /// Moves what fits, at most what `io` has.
    SysResult<usize> add(UserIo& io);
    /// A reader that waits with its buffer: a writer fills it directly, without the ring.
    class Waiting {
      public:
        Waiting(Pipe& pipe, UserIo& io, const AddressSpace* space);
        ~Waiting();
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        usize done() const { return done_; }

      private:
        friend class Pipe;
        Pipe& pipe_;
        UserIo& io_;
        const AddressSpace* space_;
        usize done_ = 0;
    };
    /// Gives a waiting reader what it takes of `io`; 0: there is none, or it is in the writer's own address space
    /// (where storing may move what is read).
    usize hand_over(UserIo& io, const AddressSpace* from);
    /// Copies up to `size` unread bytes from `skip` on (tee).
    usize peek(usize skip, u8* to, usize size) const;
    /// F_SETPIPE_SZ. EBUSY: what it holds does not fit; EINVAL.
    SysResult<> resize(u64 bytes);
    /// Tells those who wait, after bytes were taken or added.
    void changed_for_writers() { write_queue.wake_all(kPollOut | kPollWriteNormal); }
    void changed_for_readers() { read_queue.wake_all(kPollIn | kPollReadNormal); }

    u32 readers = 0, writers = 0;
    u32 reader_opens = 0, writer_opens = 0;  ///< ever: for opening a FIFO
    bool nameless = false;                   ///< of pipe(2): opening it again (/dev/fd/N) waits for nobody
    WaitQueue read_queue, write_queue;
    WaitQueue open_queue;

  private:
    Zone& zone_;
    std::vector<FrameRef> pages_;
    Waiting* waiting_ = nullptr;
    FrameRef spare_;
    u64 read_ = 0, write_ = 0;
};

class PipeFile : public File {
  public:
    PipeFile(Path file_path, u32 open_flags, Ref<Pipe> pipe);
    ~PipeFile() override;
    FileKind kind() const override { return FileKind::pipe; }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override;
    u32 poll(Poller* poller) override;
    Pipe& pipe() { return *pipe_; }

  private:
    Task<SysResult<usize>> slow_read(Thread& thread, Ref<PipeFile> self, UserIo io);
    Task<SysResult<usize>> slow_write(Thread& thread, Ref<PipeFile> self, UserIo io, usize done);
    SysResult<usize> broken(Thread& thread, usize done);
    Ref<Pipe> pipe_;
    u32 writers_at_open_;
};

/// The two ends of a new pipe: read, write. `flags`: O_NON_BLOCK.
struct PipeEnds {
    Ref<File> read, write;
};
SysResult<PipeEnds> make_pipe(Thread& thread, u32 flags);
/// Opens a FIFO, waiting for the other side as FIFOs do.
Async<Ref<File>> open_fifo(Thread& thread, const Path& path, u32 flags);
/// The pipe of a file that is one; null: it is none.
Pipe* pipe_of(File& file);

}  // namespace pith::lx
