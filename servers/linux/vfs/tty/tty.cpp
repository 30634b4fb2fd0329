// SPDX-License-Identifier: MIT
// Terminals: reading and writing, job control.
#include "servers/linux/vfs/tty/tty.hpp"

#include <algorithm>

#include "servers/linux/zone.hpp"

namespace pith::lx {

SysResult<> Tty::check_foreground(Thread& thread, i32 signal) {
    Process& process = thread.process;
    if (process.tty != this || foreground == 0 || process.group == foreground) return {};
    const bool ignored = (thread.mask & sig_bit(signal)) != 0 ||
                         (*process.actions)[signal].handler == kSigIgnore;
    if (signal == kSigTtou && ignored) return {};
    if (ignored || zone.orphaned_group(process.group)) return Errno::EIO;
    zone.send_group(process.group, SigInfo::kernel(signal));
    return Errno::ERESTARTSYS;
}

void Tty::signal_foreground(i32 signal) {
    if (foreground != 0) zone.send_group(foreground, SigInfo::kernel(signal));
}

void Tty::take_session(Process& leader) {
    session = leader.session;
    foreground = leader.group;
    for (auto& [pid, process] : zone.processes) {
        if (process->session == session) process->tty = this;
    }
}

void Tty::hang_up() {
    if (hung_up) return;
    hung_up = true;
    if (session != 0) {
        const Pid old_session = session, group = foreground;
        session = foreground = 0;
        if (Process* leader = zone.find_process(old_session); leader != nullptr) {
            leader->send(SigInfo::kernel(kSigHup));
            leader->send(SigInfo::kernel(kSigCont));
        }
        if (group != 0 && group != old_session) {
            zone.send_group(group, SigInfo::kernel(kSigHup));
            zone.send_group(group, SigInfo::kernel(kSigCont));
        }
        zone.detach_tty(old_session);
    }
    input_queue.wake_all();
    output_queue.wake_all();
}

void tty_session_ended(Process& leader) {
    Tty* tty = leader.tty;
    if (tty == nullptr || tty->session != leader.session) return;
    const Pid group = tty->foreground;
    tty->session = tty->foreground = 0;
    if (group != 0) {
        leader.zone.send_group(group, SigInfo::kernel(kSigHup));
        leader.zone.send_group(group, SigInfo::kernel(kSigCont));
    }
    leader.zone.detach_tty(leader.session);
}

TtyFile::TtyFile(Path file_path, u32 open_flags, Ref<Tty> terminal)
    : File(std::move(file_path), open_flags), tty_(std::move(terminal)) {
    tty_->opened();
}

TtyFile::~TtyFile() { tty_->closed(); }

SysResult<Ref<File>> open_tty(Thread& thread, const Path& path, u32 flags, Ref<Tty> terminal) {
    if (terminal->exclusive && !thread.process.credentials.root()) return Errno::EBUSY;
    Process& process = thread.process;
    const bool takes = (flags & O_NO_CTTY) == 0 && process.session == process.pid && process.tty == nullptr &&
                       terminal->session == 0 && !terminal->hung_up &&
                       (flags & O_ACCESS_MODE) != O_WRITE_ONLY;
    Ref<File> file = Ref<TtyFile>::make(path, flags & ~O_NO_CTTY, terminal);
    if (takes) terminal->take_session(process);
    return file;
}

namespace {

/// A read in progress: what step() does again after each wait.
class Reading {
  public:
    explicit Reading(Tty& tty) : tty_(tty) {
        const tty::Termios termios = tty.termios();
        canonical_ = (termios.local & tty::kIcanon) != 0;
        if (canonical_) return;
        minimum_ = termios.control[tty::kVmin];
        time_ = u64{termios.control[tty::kVtime]} * 100'000'000;
        if (minimum_ == 0 && time_ != 0) deadline_ = tty.zone.now() + time_;
    }
    /// True: finished, with result().
    bool step(UserIo& io) {
        u8 buffer[512];
        while (true) {
            const usize wanted = std::min(io.remaining(), sizeof buffer);
            SysResult<Tty::Piece> piece = tty_.try_read({buffer, wanted}, wanted == io.remaining());
            if (!piece.ok()) return fail(piece.error());
            if (!piece->ready) {
                if (tty_.hung_up) return true;
                return !canonical_ && (minimum_ == 0 ? time_ == 0 || done_ != 0 : false);
            }
            const SysResult<usize> copied = io.put(buffer, piece->count);
            if (!copied.ok()) return fail(copied.error());
            done_ += copied.value();
            if (piece->count == 0 || copied.value() < piece->count || io.remaining() == 0) return true;
            if (canonical_) {
                if (!piece->more) return true;
                continue;
            }
            if (done_ >= minimum_ && !piece->more) return true;
            if (time_ != 0 && minimum_ != 0) deadline_ = tty_.zone.now() + time_;
        }
    }
    SysResult<usize> result() const {
        return done_ != 0 || error_ == Errno::ok ? SysResult<usize>(done_) : SysResult<usize>(error_);
    }
    bool fail(Errno error) {
        error_ = error;
        return true;
    }
    Time deadline() const { return deadline_; }
    usize done() const { return done_; }

  private:
    Tty& tty_;
    usize done_ = 0;
    usize minimum_ = 1;
    u64 time_ = 0;
    Time deadline_ = 0;
    Errno error_ = Errno::ok;
    bool canonical_ = false;
};

Task<SysResult<usize>> slow_read(Thread& thread, Ref<File>, Ref<Tty> tty, Reading reading, UserIo io) {
    while (true) {
        const SysResult<> woken = co_await wait_on(thread, tty->input_queue, reading.deadline());
        if (woken.error() == Errno::ETIMEDOUT) co_return reading.result();
        if (!woken.ok()) {
            reading.fail(woken.error());
            co_return reading.result();
        }
        if (reading.done() == 0) PITH_CO_CHECK(tty->check_foreground(thread, kSigTtin));
        if (reading.step(io)) co_return reading.result();
    }
}

/// Writes what there is room for. True: all is written, or an error.
bool write_step(Tty& tty, UserIo& io, usize& done, Errno& error) {
    while (io.remaining() != 0) {
        if (tty.hung_up) {
            error = Errno::EIO;
            return true;
        }
        const SysResult<std::span<u8>> piece = io.piece(Access::read, 4096);
        if (!piece.ok()) {
            error = piece.error();
            return true;
        }
        const SysResult<usize> taken = tty.try_write(piece.value());
        if (!taken.ok()) {
            error = taken.error();
            return true;
        }
        if (taken.value() == 0) return false;
        io.advance(taken.value());
        done += taken.value();
    }
    return true;
}

SysResult<usize> written(usize done, Errno error) {
    return done != 0 || error == Errno::ok ? SysResult<usize>(done) : SysResult<usize>(error);
}

Task<SysResult<usize>> slow_write(Thread& thread, Ref<File>, Ref<Tty> tty, UserIo io, usize done) {
    Errno error = Errno::ok;
    do {
        const SysResult<> woken = co_await wait_on(thread, tty->output_queue);
        if (!woken.ok()) co_return written(done, woken.error());
    } while (!write_step(*tty, io, done, error));
    co_return written(done, error);
}

}  // namespace

Async<usize> TtyFile::read(Thread& thread, UserIo&& io, i64) {
    if (tty_->hung_up) return usize{0};
    PITH_CHECK(tty_->check_foreground(thread, kSigTtin));
    if (io.remaining() == 0) return usize{0};
    Reading reading(*tty_);
    if (reading.step(io)) return reading.result();
    if (nonblocking()) {
        reading.fail(Errno::EAGAIN);
        return reading.result();
    }
    return slow_read(thread, Ref<File>(this), tty_, reading, std::move(io));
}

Async<usize> TtyFile::write(Thread& thread, UserIo&& io, i64) {
    if (tty_->hung_up) return Errno::EIO;
    if (thread.process.tty == tty_.get() && tty_->foreground != thread.process.group &&
        (tty_->termios().local & tty::kTostop) != 0) {
        PITH_CHECK(tty_->check_foreground(thread, kSigTtou));
    }
    usize done = 0;
    Errno error = Errno::ok;
    if (write_step(*tty_, io, done, error)) return written(done, error);
    if (nonblocking()) return written(done, Errno::EAGAIN);
    return slow_write(thread, Ref<File>(this), tty_, std::move(io), done);
}

Async<u64> TtyFile::ioctl(Thread& thread, u32 command, u64 argument) {
    return tty_->ioctl(thread, *this, command, argument);
}

u32 TtyFile::poll(Poller* poller) {
    if (poller != nullptr) {
        poller->watch(tty_->input_queue);
        poller->watch(tty_->output_queue);
    }
    if (tty_->hung_up)
        return kPollIn | kPollReadNormal | kPollOut | kPollWriteNormal | kPollError | kPollHangUp;
    return tty_->poll_bits();
}

}  // namespace pith::lx
