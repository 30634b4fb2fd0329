// SPDX-License-Identifier: MIT
// Tty: a terminal as programs see it: the rules of waiting for input (VMIN, VTIME), job control, the controlling
// terminal, the ioctls. What stands behind it (the console server, or the other side of a pty) is a subclass, which
// does everything at once and never waits.
// Invariant: a process's `tty` points to a Tty with that session; a Tty that goes detaches its session first.
#pragma once

#include <span>

#include "lib/tty/termios.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class TtyFile;

class Tty : public RefCounted {
  public:
    Tty(Zone& of, u64 number) : zone(of), device(number) {}

    Zone& zone;
    const u64 device;
    Pid session = 0;     ///< whose controlling terminal it is; 0: nobody's
    Pid foreground = 0;  ///< process group
    bool hung_up = false;
    bool exclusive = false;  ///< TIOCEXCL
    WaitQueue input_queue, output_queue;

    struct Piece {
        usize count = 0;
        bool ready = false;  ///< false: nothing to read; else a count of 0 is end of file
        bool more = false;   ///< canonical: the line goes on
    };
    /// What is there. `last`: the reader wants no more than `into` holds.
    virtual SysResult<Piece> try_read(std::span<u8> into, bool last) = 0;
    /// Bytes taken; 0: no room.
    virtual SysResult<usize> try_write(std::span<const u8> bytes) = 0;
    virtual tty::Termios termios() = 0;
    /// EAGAIN: output is not drained yet, try again when output_queue is woken.
    virtual SysResult<> set_termios(tty::When when, const tty::Termios& termios) = 0;
    virtual SysResult<> flush(tty::Queue queue) = 0;
    virtual SysResult<> flow(tty::Flow action) = 0;
    virtual bool drained() = 0;
    virtual tty::WindowSize window() = 0;
    /// True: it changed.
    virtual bool set_window(const tty::WindowSize& window) = 0;
    virtual u32 input_count() = 0;
    virtual u32 output_count() = 0;
    virtual u32 poll_bits() = 0;
    /// Further ioctls of this kind. ENOTTY.
    virtual Async<u64> own_ioctl(Thread&, TtyFile&, u32, u64) { return Errno::ENOTTY; }
    /// A TtyFile was opened, or closed.
    virtual void opened() {}
    virtual void closed() {}

    /// May `thread` do what only the foreground may? If not, its group gets `signal` and the call restarts
    /// (ERESTARTSYS), or EIO.
    SysResult<> check_foreground(Thread& thread, i32 signal);
    /// Makes it the controlling terminal of `leader`'s session.
    void take_session(Process& leader);
    /// The terminal is gone: SIGHUP, end of file.
    void hang_up();
    /// To the foreground process group.
    void signal_foreground(i32 signal);
    Async<u64> ioctl(Thread& thread, TtyFile& file, u32 command, u64 argument);

  private:
    Async<u64> termios_ioctl(Thread& thread, u32 command, u64 argument);
    Async<u64> session_ioctl(Thread& thread, TtyFile& file, u32 command, u64 argument);
    SysResult<> set_controlling(Thread& thread, TtyFile& file, bool steal);
    SysResult<> set_foreground(Thread& thread, u64 argument);
};

/// An open terminal.
class TtyFile : public File {
  public:
    TtyFile(Path file_path, u32 open_flags, Ref<Tty> terminal);
    ~TtyFile() override;
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override;
    u32 poll(Poller* poller) override;
    Tty& terminal() { return *tty_; }

  private:
    Ref<Tty> tty_;
};

/// Opens `terminal` for `thread`, and makes it its controlling terminal if POSIX says so.
SysResult<Ref<File>> open_tty(Thread& thread, const Path& path, u32 flags, Ref<Tty> terminal);

}  // namespace pith::lx
