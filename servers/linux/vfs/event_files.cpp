// SPDX-License-Identifier: MIT
// eventfd, timerfd, signalfd.
#include "servers/linux/vfs/event_files.hpp"

#include <bit>

#include "servers/linux/vfs/format.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u64 kMostEvents = ~u64{0} - 1;
}

SysResult<usize> EventFile::take(UserIo& io) {
    const u64 value = semaphore_ ? 1 : count_;
    const SysResult<usize> copied = io.put(&value, sizeof value);
    if (!copied.ok()) return copied;
    count_ -= value;
    queue_.wake_all(kPollOut | kPollWriteNormal);
    return sizeof value;
}

Async<usize> EventFile::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() < sizeof(u64)) return Errno::EINVAL;
    if (count_ != 0) return take(io);
    if (nonblocking()) return Errno::EAGAIN;
    return [](Thread& reader, Ref<EventFile> file, UserIo to) -> Task<SysResult<usize>> {
        while (file->count_ == 0) PITH_CO_CHECK(co_await wait_on(reader, file->queue_));
        co_return file->take(to);
    }(thread, Ref<EventFile>(this), std::move(io));
}

bool EventFile::add(u64 value) {
    if (value > kMostEvents - count_) return false;
    count_ += value;
    if (count_ != 0) queue_.wake_all(kPollIn | kPollReadNormal);
    return true;
}

Async<usize> EventFile::write(Thread& thread, UserIo&& io, i64) {
    u64 value;
    if (io.remaining() < sizeof value) return Errno::EINVAL;
    const SysResult<usize> copied = io.get(&value, sizeof value);
    if (!copied.ok()) return copied.error();
    if (copied.value() != sizeof value) return Errno::EFAULT;
    if (value == ~u64{0}) return Errno::EINVAL;
    if (add(value)) return sizeof value;
    if (nonblocking()) return Errno::EAGAIN;
    return [](Thread& writer, Ref<EventFile> file, u64 amount) -> Task<SysResult<usize>> {
        while (!file->add(amount)) PITH_CO_CHECK(co_await wait_on(writer, file->queue_));
        co_return sizeof amount;
    }(thread, Ref<EventFile>(this), value);
}

u32 EventFile::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(queue_);
    u32 bits = count_ != 0 ? kPollIn | kPollReadNormal : 0;
    if (count_ < kMostEvents) bits |= kPollOut | kPollWriteNormal;
    return bits;
}

std::string EventFile::describe_state() const {
    Text text;
    text << "eventfd-count: ";
    const std::string count = hexadecimal(count_);
    text << std::string(count.size() < 16 ? 16 - count.size() : 0, ' ') << count << '\n';
    return text.take();
}

TimerFile::TimerFile(Path file_path, u32 open_flags, Zone& zone, u32 clock)
    : File(std::move(file_path), open_flags), zone_(zone), clock_(clock) {}

void TimerFile::Alarm::fired(Timer& timer) {
    TimerFile& file = static_cast<Alarm&>(timer).file;
    const Time now = file.zone_.now();
    ++file.expirations_;
    if (file.interval_ != 0) {
        // What was missed counts, without a wake-up for each.
        const Time due = timer.deadline();
        const u64 missed = now > due ? (now - due) / file.interval_ : 0;
        file.expirations_ += missed;
        timer.arm(due + (missed + 1) * file.interval_);
    }
    file.queue_.wake_all(kPollIn | kPollReadNormal);
}

void TimerFile::set(Time deadline, u64 interval) {
    alarm_.cancel();
    expirations_ = 0;
    interval_ = interval;
    if (deadline != 0) alarm_.arm(deadline);
}

u64 TimerFile::remaining() const {
    if (!alarm_.armed()) return 0;
    const Time now = zone_.now();
    return alarm_.deadline() > now ? alarm_.deadline() - now : 1;
}

SysResult<usize> TimerFile::take(UserIo& io) {
    const SysResult<usize> copied = io.put(&expirations_, sizeof expirations_);
    if (!copied.ok()) return copied;
    expirations_ = 0;
    return sizeof expirations_;
}

Async<usize> TimerFile::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() < sizeof(u64)) return Errno::EINVAL;
    if (expirations_ != 0) return take(io);
    if (nonblocking()) return Errno::EAGAIN;
    return [](Thread& reader, Ref<TimerFile> file, UserIo to) -> Task<SysResult<usize>> {
        while (file->expirations_ == 0) PITH_CO_CHECK(co_await wait_on(reader, file->queue_));
        co_return file->take(to);
    }(thread, Ref<TimerFile>(this), std::move(io));
}

u32 TimerFile::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(queue_);
    return expirations_ != 0 ? kPollIn | kPollReadNormal : 0;
}

namespace {

/// struct signalfd_siginfo.
struct SignalRecord {
    u32 signo;
    i32 error, code;
    u32 pid, uid;
    i32 fd;
    u32 timer_id, band, overrun, trap;
    i32 status, value;
    u64 pointer, user_time, system_time, address;
    u16 address_lsb, pad2;
    i32 syscall;
    u64 call_address;
    u32 arch;
    u8 pad[28];
};
static_assert(sizeof(SignalRecord) == 128);

SignalRecord to_record(const SigInfo& info) {
    SignalRecord record{};
    record.signo = static_cast<u32>(info.signo);
    record.error = info.error;
    record.code = info.code;
    record.pid = static_cast<u32>(info.sent.pid);
    record.uid = info.sent.uid;
    if (info.signo == kSigChld && info.code > 0) {
        record.status = info.child.status;
        record.user_time = static_cast<u64>(info.child.utime);
        record.system_time = static_cast<u64>(info.child.stime);
    } else if (info.code == kSiTimer) {
        record.timer_id = static_cast<u32>(info.timer.id);
        record.overrun = static_cast<u32>(info.timer.overrun);
        record.pointer = info.timer.value;
        record.value = static_cast<i32>(info.timer.value);
    } else if ((sig_bit(info.signo) & kSynchronous) != 0 && info.code > 0) {
        record.address = info.fault.address;
    } else {
        record.pointer = info.sent.value;
        record.value = static_cast<i32>(info.sent.value);
    }
    return record;
}

/// As many as there are and fit; 0: none.
SysResult<usize> take_signals(Thread& thread, SigSet mask, UserIo& io) {
    usize done = 0;
    SigInfo info;
    while (io.remaining() >= sizeof(SignalRecord) &&
           (thread.pending.take(mask, info) || thread.process.pending.take(mask, info))) {
        const SignalRecord record = to_record(info);
        const SysResult<usize> copied = io.put(&record, sizeof record);
        if (!copied.ok()) return done != 0 ? SysResult<usize>(done) : copied;
        done += sizeof record;
    }
    return done;
}

}  // namespace

Async<usize> SignalFile::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() < sizeof(SignalRecord)) return Errno::EINVAL;
    const usize done = PITH_TRY(take_signals(thread, mask_, io));
    if (done != 0) return done;
    if (nonblocking()) return Errno::EAGAIN;
    return [](Thread& reader, Ref<SignalFile> file, UserIo to) -> Task<SysResult<usize>> {
        while (true) {
            const SysResult<> woken = co_await wait_on(reader, reader.process.signal_arrivals);
            const usize taken = PITH_CO_TRY(take_signals(reader, file->mask_, to));
            if (taken != 0) co_return taken;
            PITH_CO_CHECK(woken);
        }
    }(thread, Ref<SignalFile>(this), std::move(io));
}

SignalFile::SignalFile(Path file_path, u32 open_flags, Process& maker, SigSet mask)
    : File(std::move(file_path), open_flags), zone_(maker.zone), maker_(maker.pid), mask_(mask) {}

u32 SignalFile::poll(Poller* poller) {
    Process* process = zone_.find_process(maker_);
    if (process == nullptr) return 0;
    if (poller != nullptr) poller->watch(process->signal_arrivals);
    SigSet pending = process->pending.set();
    for (const Thread* thread : process->threads) pending |= thread->pending.set();
    return (pending & mask_) != 0 ? kPollIn | kPollReadNormal : 0;
}

}  // namespace pith::lx
