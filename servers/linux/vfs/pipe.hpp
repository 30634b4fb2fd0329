// SPDX-License-Identifier: MIT
// Pipe: a ring of bytes, and who reads and writes it; PipeFile: an end of one, of pipe(2) or of an opened FIFO. A write of
// at most PIPE_BUF bytes is not split.
#pragma once

#include "servers/linux/vfs/byte_ring.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

inline constexpr usize kPipeAtomic = 4096;

class Pipe : public RefCounted, public ByteRing {
  public:
    explicit Pipe(Zone& zone) : ByteRing(zone, 16) {}

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
