// SPDX-License-Identifier: MIT
// Pseudo-terminals: PtyTty is the slave, a terminal whose line discipline is here; PtyMaster the file of the other side.
// PtyTable gives them their numbers; DevPts shows them as files. A pair lives while either side is open.
#pragma once

#include <deque>
#include <map>

#include "lib/tty/line_discipline.hpp"
#include "servers/linux/vfs/tty/tty.hpp"

namespace pith::lx {

class PtyTable;

class PtyTty : public Tty {
  public:
    PtyTty(Zone& of, PtyTable& table, u32 pty_number, u64 pty_generation);
    ~PtyTty() override;
    SysResult<Piece> try_read(std::span<u8> into, bool last) override;
    SysResult<usize> try_write(std::span<const u8> bytes) override;
    tty::Termios termios() override { return discipline_.termios(); }
    SysResult<> set_termios(tty::When when, const tty::Termios& termios) override;
    SysResult<> flush(tty::Queue queue) override;
    SysResult<> flow(tty::Flow action) override;
    bool drained() override { return true; }
    tty::WindowSize window() override { return discipline_.window(); }
    bool set_window(const tty::WindowSize& window) override { return discipline_.set_window(window); }
    u32 input_count() override { return discipline_.input_count(); }
    u32 output_count() override { return 0; }
    u32 poll_bits() override;
    void opened() override;
    void closed() override;

    // The master's side
    /// Bytes of the slave's output.
    SysResult<usize> master_take(UserIo& io);
    /// Bytes typed; returns how many were taken.
    usize master_put(std::span<const u8> bytes);
    bool master_readable() const { return !output_.empty(); }
    bool master_writable() const { return discipline_.input_room(); }
    u32 master_waiting() const { return static_cast<u32>(output_.size()); }
    void master_flush_output() { output_.clear(); }
    void master_closed();

    const u32 number;
    const u64 generation;     ///< no two have the same: tells it from a later one with its number
    bool locked = true;       ///< until TIOCSPTLCK(0)
    bool slave_gone = false;  ///< the last slave was closed, and none opened since
    u32 slaves = 0;
    WaitQueue master_queue;

  private:
    static constexpr usize kOutputRoom = 16384;
    /// Runs `action(Output&)` with room for what the master has not read, and keeps what it put there.
    template <typename Action>
    auto with_output(Action action);
    void act_on_events();

    PtyTable& table_;
    tty::TtyState state_;
    tty::LineDiscipline discipline_{state_};
    std::deque<u8> output_;
};

class PtyMaster : public File {
  public:
    PtyMaster(Path file_path, u32 open_flags, Ref<PtyTty> slave)
        : File(std::move(file_path), open_flags), slave_(std::move(slave)) {}
    ~PtyMaster() override { slave_->master_closed(); }
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override;
    u32 poll(Poller* poller) override;
    PtyTty& slave() { return *slave_; }

  private:
    Ref<PtyTty> slave_;
};

class PtyTable {
  public:
    explicit PtyTable(Zone& zone) : zone_(zone) {}
    /// A new pair, by its master. ENOSPC.
    SysResult<Ref<File>> open_master(const Path& path, u32 flags);
    /// Null: there is none.
    PtyTty* find(u32 number) const;
    const std::map<u32, PtyTty*>& all() const { return ptys_; }
    void remove(const PtyTty& pty) {
        if (find(pty.number) == &pty) ptys_.erase(pty.number);
    }

  private:
    static constexpr u32 kMost = 256;
    Zone& zone_;
    std::map<u32, PtyTty*> ptys_;
    u64 generation_ = 0;
};

/// devpts.
Ref<FileSystem> make_devpts(Zone& zone, u64 device);

}  // namespace pith::lx
