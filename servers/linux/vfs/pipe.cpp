// SPDX-License-Identifier: MIT
// Pipes and FIFOs.
#include "servers/linux/vfs/pipe.hpp"
#include "servers/linux/heap_guard.hpp"

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

SysResult<> Pipe::resize(u64 bytes) {
    u64 pages = 1;
    while (pages * kPageSize < bytes) pages *= 2;
    PITH_CHECK(set_pages(pages));
    changed_for_writers();
    return {};
}

PipeFile::PipeFile(Path file_path, u32 open_flags, Ref<Pipe> pipe)
    : File(std::move(file_path), open_flags),
      pipe_(std::move(pipe)),
      writers_at_open_(pipe_->nameless ? ~0u : pipe_->writer_opens) {
    if (readable()) {
        ++pipe_->readers;
        ++pipe_->reader_opens;
    }
    if (writable()) {
        ++pipe_->writers;
        ++pipe_->writer_opens;
    }
    pipe_->open_queue.wake_all();
}

PipeFile::~PipeFile() {
    if (readable() && --pipe_->readers == 0) pipe_->write_queue.wake_all(kPollOut | kPollError | kPollHangUp);
    if (writable() && --pipe_->writers == 0) pipe_->read_queue.wake_all(kPollIn | kPollHangUp);
    if (pipe_->readers == 0 && pipe_->writers == 0 && inode().fifo == pipe_) inode().fifo = nullptr;
}

Async<usize> PipeFile::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() == 0) return usize{0};
    if (pipe_->used() != 0) {
        const usize done = PITH_TRY(pipe_->take(io));
        pipe_->changed_for_writers();
        inode().touch_access();
        return done;
    }
    if (pipe_->writers == 0) return usize{0};
    if (nonblocking()) return Errno::EAGAIN;
    return slow_read(thread, Ref<PipeFile>(this), std::move(io));
}

Task<SysResult<usize>> PipeFile::slow_read(Thread& thread, Ref<PipeFile>, UserIo io) {
    while (pipe_->used() == 0) {
        if (pipe_->writers == 0) co_return usize{0};
        const ByteRing::Waiting waiting(*pipe_, io, thread.process.memory.get());
        const SysResult<> woken = co_await wait_on(thread, pipe_->read_queue);
        if (waiting.done() != 0) co_return waiting.done();
        PITH_CO_CHECK(woken);
    }
    const usize done = PITH_CO_TRY(pipe_->take(io));
    pipe_->changed_for_writers();
    co_return done;
}

SysResult<usize> PipeFile::broken(Thread& thread, usize done) {
    thread.send(SigInfo::kernel(kSigPipe));
    if (done != 0) return done;
    return Errno::EPIPE;
}

Async<usize> PipeFile::write(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() == 0) return usize{0};
    if (pipe_->readers == 0) return broken(thread, 0);
    const usize wanted = io.remaining();
    usize done = pipe_->hand_over(io, thread.process.memory.get());
    if (done != 0 && io.remaining() == 0) {
        pipe_->changed_for_readers();
        inode().touch_modify();
        return done;
    }
    if (done != 0 || pipe_->room() >= (wanted <= kPipeAtomic ? wanted : 1)) {
        const SysResult<usize> added = pipe_->add(io);
        if (!added.ok() && done == 0) return added.error();
        if (added.ok()) done += added.value();
        pipe_->changed_for_readers();
        if (io.remaining() == 0) {
            inode().touch_modify();
            return done;
        }
    }
    if (nonblocking()) return done != 0 ? SysResult<usize>(done) : SysResult<usize>(Errno::EAGAIN);
    return slow_write(thread, Ref<PipeFile>(this), std::move(io), done);
}

Task<SysResult<usize>> PipeFile::slow_write(Thread& thread, Ref<PipeFile>, UserIo io, usize done) {
    const usize total = done + io.remaining();
    while (true) {
        if (pipe_->readers == 0) co_return broken(thread, done);
        const usize least = total <= kPipeAtomic ? total : 1;
        const usize given = pipe_->hand_over(io, thread.process.memory.get());
        if (given != 0) {
            done += given;
            pipe_->changed_for_readers();
            if (io.remaining() == 0) co_return done;
            continue;
        }
        if (pipe_->room() >= least) {
            const SysResult<usize> moved = pipe_->add(io);
            if (!moved.ok()) {
                if (done != 0) co_return done;
                co_return moved.error();
            }
            done += moved.value();
            pipe_->changed_for_readers();
            if (io.remaining() == 0) co_return done;
            continue;
        }
        const SysResult<> woken = co_await wait_on(thread, pipe_->write_queue);
        if (!woken.ok()) {
            if (done != 0) co_return done;
            co_return woken.error();
        }
    }
}

Async<u64> PipeFile::ioctl(Thread& thread, u32 command, u64 argument) {
    if (command != kFionread) return Errno::ENOTTY;
    PITH_CHECK(put(thread, argument, static_cast<i32>(pipe_->used())));
    return u64{0};
}

u32 PipeFile::poll(Poller* poller) {
    u32 bits = 0;
    if (readable()) {
        if (poller != nullptr) poller->watch(pipe_->read_queue);
        if (pipe_->used() != 0) bits |= kPollIn | kPollReadNormal;
        if (pipe_->writers == 0 && writers_at_open_ != pipe_->writer_opens) bits |= kPollHangUp;
    }
    if (writable()) {
        if (poller != nullptr) poller->watch(pipe_->write_queue);
        if (pipe_->room() != 0) bits |= kPollOut | kPollWriteNormal;
        if (pipe_->readers == 0) bits |= kPollError;
    }
    return bits;
}

namespace {

/// The inode of a pipe that has no name.
class PipeInode : public Inode {
  public:
    PipeInode(FileSystem& of, u64 inode_number) : Inode(of, inode_number, S_FIFO | 0600) {}
};

}  // namespace

SysResult<PipeEnds> make_pipe(Thread& thread, u32 flags) {
    if (heap_low()) return Errno::ENFILE;
    Vfs& vfs = *thread.zone().vfs;
    auto inode = Ref<PipeInode>::make(vfs.anonymous_file_system(), vfs.next_pipe_number++);
    inode->uid = thread.process.credentials.fsuid;
    inode->gid = thread.process.credentials.fsgid;
    auto pipe = Ref<Pipe>::make(thread.zone());
    pipe->nameless = true;
    inode->fifo = pipe;
    const Path path = vfs.anonymous_path(inode, "pipe:[" + decimal(inode->number()) + "]");
    PipeEnds ends;
    ends.read = Ref<PipeFile>::make(path, O_READ_ONLY | flags, pipe);
    ends.write = Ref<PipeFile>::make(path, O_WRITE_ONLY | flags, pipe);
    return ends;
}

namespace {

Task<SysResult<Ref<File>>> wait_for_peer(Thread& thread, Ref<PipeFile> file) {
    Pipe& pipe = file->pipe();
    const bool wants_writer = file->readable();
    const u32 before = wants_writer ? pipe.writer_opens : pipe.reader_opens;
    while ((wants_writer ? pipe.writers : pipe.readers) == 0 &&
           (wants_writer ? pipe.writer_opens : pipe.reader_opens) == before) {
        PITH_CO_CHECK(co_await wait_on(thread, pipe.open_queue));
    }
    co_return Ref<File>(file);
}

}  // namespace

Async<Ref<File>> open_fifo(Thread& thread, const Path& path, u32 flags) {
    Inode& inode = path.inode();
    const u32 access = flags & O_ACCESS_MODE;
    if (!inode.fifo) inode.fifo = Ref<Pipe>::make(thread.zone());
    Ref<Pipe> pipe = inode.fifo;
    if (pipe->nameless) return Ref<File>(Ref<PipeFile>::make(path, flags, pipe));
    if (access == O_WRITE_ONLY && (flags & O_NON_BLOCK) != 0 && pipe->readers == 0) return Errno::ENXIO;
    auto file = Ref<PipeFile>::make(path, flags, pipe);
    const bool alone = access == O_READ_ONLY ? pipe->writers == 0
                                             : access == O_WRITE_ONLY && pipe->readers == 0;
    if (!alone || (flags & O_NON_BLOCK) != 0) return Ref<File>(file);
    return wait_for_peer(thread, file);
}

Pipe* pipe_of(File& file) {
    return file.kind() == FileKind::pipe ? &static_cast<PipeFile&>(file).pipe() : nullptr;
}

}  // namespace pith::lx
