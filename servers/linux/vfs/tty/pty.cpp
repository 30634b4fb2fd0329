// SPDX-License-Identifier: MIT
// Pseudo-terminals.
#include "servers/linux/vfs/tty/pty.hpp"
#include "servers/linux/heap_guard.hpp"

#include <algorithm>

#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u32 kSlaveMajor = 136;
}

PtyTty::PtyTty(Zone& of, PtyTable& table, u32 pty_number, u64 pty_generation)
    : Tty(of, make_device(kSlaveMajor, pty_number)),
      number(pty_number),
      generation(pty_generation),
      table_(table) {
    tty::Termios settings = tty::kDefaultTermios;
    settings.hardware &= ~tty::kHupcl;
    tty::reset(state_, settings);
}

PtyTty::~PtyTty() {
    hang_up();
    table_.remove(*this);
}

template <typename Action>
auto PtyTty::with_output(Action action) {
    u8 buffer[1024];
    const usize room = kOutputRoom - std::min(output_.size(), kOutputRoom);
    tty::Output out({buffer, std::min(room, sizeof buffer)});
    auto result = action(out);
    output_.insert(output_.end(), out.bytes().begin(), out.bytes().end());
    if (!out.bytes().empty()) master_queue.wake_all(kPollIn | kPollReadNormal);
    act_on_events();
    return result;
}

void PtyTty::act_on_events() {
    using Discipline = tty::LineDiscipline;
    const u32 events = discipline_.take_events();
    if ((events & Discipline::kFlushOutput) != 0) output_.clear();
    if ((events & Discipline::kInterrupt) != 0) signal_foreground(kSigInt);
    if ((events & Discipline::kQuit) != 0) signal_foreground(kSigQuit);
    if ((events & Discipline::kSuspend) != 0) signal_foreground(kSigTstp);
    if ((events & Discipline::kRestarted) != 0) output_queue.wake_all(kPollOut | kPollWriteNormal);
}

SysResult<Tty::Piece> PtyTty::try_read(std::span<u8> into, bool last) {
    const tty::LineDiscipline::Read read = discipline_.read(into, last);
    if (read.ready) master_queue.wake_all(kPollOut | kPollWriteNormal);
    return Piece{read.count, read.ready, read.more};
}

SysResult<usize> PtyTty::try_write(std::span<const u8> bytes) {
    return with_output([&](tty::Output& out) { return discipline_.write(bytes, out); });
}

SysResult<> PtyTty::set_termios(tty::When when, const tty::Termios& termios) {
    if (when == tty::When::drained_and_flushed) discipline_.flush_input();
    discipline_.set_termios(termios);
    with_output([&](tty::Output& out) { return discipline_.echo(out), 0; });
    input_queue.wake_all();
    output_queue.wake_all();
    return {};
}

SysResult<> PtyTty::flush(tty::Queue queue) {
    if (queue != tty::Queue::output) discipline_.flush_input();
    if (queue != tty::Queue::input) output_.clear();
    master_queue.wake_all();
    output_queue.wake_all();
    return {};
}

SysResult<> PtyTty::flow(tty::Flow action) {
    switch (action) {
        case tty::Flow::output_off: discipline_.stop_output(); break;
        case tty::Flow::output_on:
            with_output([&](tty::Output& out) { return discipline_.start_output(out), 0; });
            output_queue.wake_all();
            break;
        case tty::Flow::input_off:
        case tty::Flow::input_on: {
            const u32 index = action == tty::Flow::input_off ? tty::kVstop : tty::kVstart;
            const u8 byte = discipline_.termios().control[index];
            if (byte != tty::kDisabled) {
                output_.push_back(byte);
                master_queue.wake_all(kPollIn | kPollReadNormal);
            }
            break;
        }
    }
    return {};
}

u32 PtyTty::poll_bits() {
    u32 bits = discipline_.poll_in() ? kPollIn | kPollReadNormal : 0;
    if (output_.size() < kOutputRoom && !discipline_.output_stopped()) bits |= kPollOut | kPollWriteNormal;
    return bits;
}

void PtyTty::opened() {
    ++slaves;
    slave_gone = false;
}

void PtyTty::closed() {
    if (--slaves != 0) return;
    slave_gone = true;
    master_queue.wake_all();
}

SysResult<usize> PtyTty::master_take(UserIo& io) {
    u8 buffer[512];
    usize done = 0;
    while (io.remaining() != 0 && !output_.empty()) {
        const usize count = std::min({io.remaining(), output_.size(), sizeof buffer});
        std::copy_n(output_.begin(), count, buffer);
        const SysResult<usize> copied = io.put(buffer, count);
        if (!copied.ok()) {
            if (done != 0) break;
            return copied.error();
        }
        output_.erase(output_.begin(), output_.begin() + static_cast<i64>(copied.value()));
        done += copied.value();
    }
    with_output([&](tty::Output& out) { return discipline_.echo(out), 0; });
    output_queue.wake_all(kPollOut | kPollWriteNormal);
    return done;
}

usize PtyTty::master_put(std::span<const u8> bytes) {
    const usize taken = with_output([&](tty::Output& out) { return discipline_.input(bytes, out); });
    if (taken != 0) input_queue.wake_all(kPollIn | kPollReadNormal);
    return taken;
}

void PtyTty::master_closed() {
    Ref<PtyTty> held(this);
    table_.remove(*this);
    hang_up();
}

Async<usize> PtyMaster::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() == 0) return usize{0};
    if (slave_->master_readable()) return slave_->master_take(io);
    if (slave_->slave_gone) return Errno::EIO;
    if (nonblocking()) return Errno::EAGAIN;
    return [](Thread& reader, Ref<File>, Ref<PtyTty> slave, UserIo to) -> Task<SysResult<usize>> {
        while (!slave->master_readable()) {
            if (slave->slave_gone) co_return Errno::EIO;
            PITH_CO_CHECK(co_await wait_on(reader, slave->master_queue));
        }
        co_return slave->master_take(to);
    }(thread, Ref<File>(this), slave_, std::move(io));
}

namespace {

/// True: all is written.
bool master_step(PtyTty& slave, UserIo& io, usize& done, Errno& error) {
    while (io.remaining() != 0) {
        const SysResult<std::span<u8>> piece = io.piece(Access::read, 512);
        if (!piece.ok()) {
            error = piece.error();
            return true;
        }
        const usize taken = slave.master_put(piece.value());
        if (taken == 0) return false;
        io.advance(taken);
        done += taken;
    }
    return true;
}

SysResult<usize> master_written(usize done, Errno error) {
    return done != 0 || error == Errno::ok ? SysResult<usize>(done) : SysResult<usize>(error);
}

}  // namespace

Async<usize> PtyMaster::write(Thread& thread, UserIo&& io, i64) {
    usize done = 0;
    Errno error = Errno::ok;
    if (slave_->slave_gone) return Errno::EIO;
    if (master_step(*slave_, io, done, error)) return master_written(done, error);
    if (nonblocking()) return master_written(done, Errno::EAGAIN);
    return [](Thread& writer, Ref<File>, Ref<PtyTty> slave, UserIo from,
              usize before) -> Task<SysResult<usize>> {
        Errno failure = Errno::ok;
        do {
            const SysResult<> woken = co_await wait_on(writer, slave->master_queue);
            if (!woken.ok()) co_return master_written(before, woken.error());
            if (slave->slave_gone) co_return master_written(before, Errno::EIO);
        } while (!master_step(*slave, from, before, failure));
        co_return master_written(before, failure);
    }(thread, Ref<File>(this), slave_, std::move(io), done);
}

Async<u64> PtyMaster::ioctl(Thread& thread, u32 command, u64 argument) {
    switch (command) {
        case kTiocgptn: PITH_CHECK(put(thread, argument, slave_->number)); return u64{0};
        case kTiocsptlck: slave_->locked = PITH_TRY(get<i32>(thread, argument)) != 0; return u64{0};
        case kTiocgptlck: PITH_CHECK(put(thread, argument, i32{slave_->locked ? 1 : 0})); return u64{0};
        case kTiocgptpeer: {
            Ref<File> peer = PITH_TRY(thread.zone().vfs->open(thread, kAtCwd,
                                                              "/dev/pts/" + decimal(slave_->number),
                                                              static_cast<u32>(argument) & ~O_CLOSE_EXEC));
            return static_cast<u64>(
                PITH_TRY(thread.process.files->add(std::move(peer), (argument & O_CLOSE_EXEC) != 0,
                                                   thread.process.limit(Resource::nofile).soft)));
        }
        case kFionread: PITH_CHECK(put(thread, argument, slave_->master_waiting())); return u64{0};
        case kTiocgwinsz: PITH_CHECK(put(thread, argument, slave_->window())); return u64{0};
        case kTiocswinsz: {
            const auto size = PITH_TRY(get<tty::WindowSize>(thread, argument));
            if (slave_->set_window(size)) slave_->signal_foreground(kSigWinch);
            return u64{0};
        }
        case kTiocgpgrp: PITH_CHECK(put(thread, argument, slave_->foreground)); return u64{0};
        case kTiocgsid:
            if (slave_->session == 0) return Errno::ENOTTY;
            PITH_CHECK(put(thread, argument, slave_->session));
            return u64{0};
        case kTcgets: {
            const tty::Termios settings = slave_->termios();
            PITH_CHECK(copy_out(thread, argument, &settings, tty::kOldTermiosSize));
            return u64{0};
        }
        case kTcgets2: PITH_CHECK(put(thread, argument, slave_->termios())); return u64{0};
        case kTcsets:
        case kTcsetsw:
        case kTcsetsf: {
            tty::Termios settings = slave_->termios();
            PITH_CHECK(copy_in(thread, &settings, argument, tty::kOldTermiosSize));
            PITH_CHECK(slave_->set_termios(static_cast<tty::When>(command - kTcsets), settings));
            return u64{0};
        }
        case kTcflsh:
            // Seen from here, the slave's output is the input.
            if (argument > 2) return Errno::EINVAL;
            if (argument != 1) slave_->master_flush_output();
            return u64{0};
        default: return Errno::ENOTTY;
    }
}

u32 PtyMaster::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(slave_->master_queue);
    u32 bits = slave_->master_readable() ? kPollIn | kPollReadNormal : 0;
    if (slave_->slave_gone) bits |= kPollHangUp;
    if (slave_->master_writable()) bits |= kPollOut | kPollWriteNormal;
    return bits;
}

SysResult<Ref<File>> PtyTable::open_master(const Path& path, u32 flags) {
    if (heap_low()) return Errno::ENOMEM;
    u32 number = 0;
    while (ptys_.contains(number)) ++number;
    if (number >= kMost) return Errno::ENOSPC;
    auto slave = Ref<PtyTty>::make(zone_, *this, number, ++generation_);
    ptys_[number] = slave.get();
    return Ref<File>(Ref<PtyMaster>::make(path, flags, slave));
}

PtyTty* PtyTable::find(u32 number) const {
    const auto found = ptys_.find(number);
    return found != ptys_.end() ? found->second : nullptr;
}

}  // namespace pith::lx
