// SPDX-License-Identifier: MIT
// Files that are events: eventfd, timerfd, signalfd.
#pragma once

#include "servers/linux/signal.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class EventFile : public File {
  public:
    EventFile(Path file_path, u32 open_flags, u64 count, bool semaphore)
        : File(std::move(file_path), open_flags), count_(count), semaphore_(semaphore) {}
    FileKind kind() const override { return FileKind::event; }
    SysResult<i64> seek(i64, Whence) override { return no_seek(); }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    u32 poll(Poller* poller) override;
    std::string describe_state() const override;

  private:
    SysResult<usize> take(UserIo& io);
    bool add(u64 value);
    u64 count_;
    bool semaphore_;
    WaitQueue queue_;
};

class TimerFile : public File {
  public:
    TimerFile(Path file_path, u32 open_flags, Zone& zone, u32 clock);
    FileKind kind() const override { return FileKind::timer; }
    SysResult<i64> seek(i64, Whence) override { return no_seek(); }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    u32 poll(Poller* poller) override;
    u32 clock() const { return clock_; }
    /// Arms it for `deadline` (boot time; 0 disarms), then every `interval` nanoseconds.
    void set(Time deadline, u64 interval);
    u64 interval() const { return interval_; }
    /// Nanoseconds to the next expiry; 0: it is not armed.
    u64 remaining() const;

  private:
    struct Alarm : Timer {
        explicit Alarm(TimerFile& of) : Timer(&fired), file(of) {}
        static void fired(Timer& timer);
        TimerFile& file;
    };
    SysResult<usize> take(UserIo& io);
    Zone& zone_;
    u32 clock_;
    Alarm alarm_{*this};
    u64 interval_ = 0;
    u64 expirations_ = 0;
    WaitQueue queue_;
};

class SignalFile : public File {
  public:
    /// Readers get their own signals; poll looks at those of the process that made it.
    SignalFile(Path file_path, u32 open_flags, Process& maker, SigSet mask);
    FileKind kind() const override { return FileKind::signal; }
    SysResult<i64> seek(i64, Whence) override { return no_seek(); }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    u32 poll(Poller* poller) override;
    void set_mask(SigSet mask) { mask_ = mask; }

  private:
    Zone& zone_;
    i32 maker_;
    SigSet mask_;
};

}  // namespace pith::lx
