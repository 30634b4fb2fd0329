// SPDX-License-Identifier: MIT
// eventfd, timerfd and signalfd calls.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/vfs/event_files.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/syscall/time.hpp"

namespace pith::lx {

namespace {

Outcome install(Thread& thread, Ref<File> file, u32 flags) {
    if (heap_low()) return Errno::ENFILE;
    return thread.process.files->add(std::move(file), (flags & O_CLOSE_EXEC) != 0, descriptor_limit(thread));
}

Outcome make_event(Thread& thread, u32 count, u32 flags) {
    constexpr u32 kSemaphore = 1;
    if ((flags & ~(kSemaphore | O_CLOSE_EXEC | O_NON_BLOCK)) != 0) return Errno::EINVAL;
    const Path path = thread.zone().vfs->anonymous_inode("[eventfd]");
    return install(thread,
                   Ref<EventFile>::make(path, O_READ_WRITE | (flags & O_NON_BLOCK), u64{count},
                                        (flags & kSemaphore) != 0),
                   flags);
}

constexpr u32 kClockRealtime = 0, kClockMonotonic = 1, kClockBoottime = 7, kClockRealtimeAlarm = 8,
              kClockBoottimeAlarm = 9;

bool realtime(u32 clock) { return clock == kClockRealtime || clock == kClockRealtimeAlarm; }

struct TimerSetting {
    Timespec interval;
    Timespec value;
};

Timespec to_timespec(u64 nanoseconds) {
    return {static_cast<i64>(nanoseconds / 1'000'000'000), static_cast<i64>(nanoseconds % 1'000'000'000)};
}

SysResult<TimerFile*> timer_file(Thread& thread, u64 descriptor) {
    File* file = PITH_TRY(open_file(thread, descriptor));
    if (file->kind() != FileKind::timer) return Errno::EINVAL;
    return static_cast<TimerFile*>(file);
}

TimerSetting current(const TimerFile& file) {
    return {to_timespec(file.interval()), to_timespec(file.remaining())};
}

}  // namespace

Outcome sys_eventfd(Thread& thread, const SyscallArgs& args) {
    return make_event(thread, as_unsigned(args.a0), 0);
}
Outcome sys_eventfd2(Thread& thread, const SyscallArgs& args) {
    return make_event(thread, as_unsigned(args.a0), as_unsigned(args.a1));
}

Outcome sys_timerfd_create(Thread& thread, const SyscallArgs& args) {
    const u32 clock = as_unsigned(args.a0), flags = as_unsigned(args.a1);
    if ((flags & ~(O_CLOSE_EXEC | O_NON_BLOCK)) != 0) return Errno::EINVAL;
    if (!realtime(clock) && clock != kClockMonotonic && clock != kClockBoottime &&
        clock != kClockBoottimeAlarm) {
        return Errno::EINVAL;
    }
    const Path path = thread.zone().vfs->anonymous_inode("[timerfd]");
    return install(thread,
                   Ref<TimerFile>::make(path, O_READ_WRITE | (flags & O_NON_BLOCK), thread.zone(), clock),
                   flags);
}

Outcome sys_timerfd_settime(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kAbsolute = 1, kCancelOnSet = 2;
    const u32 flags = as_unsigned(args.a1);
    const SysResult<TimerSetting> given = get<TimerSetting>(thread, args.a2);
    if (!given.ok()) return given.error();
    const TimerSetting& setting = given.value();
    if ((flags & ~(kAbsolute | kCancelOnSet)) != 0) return Errno::EINVAL;
    if (!valid_timespec(setting.value) || !valid_timespec(setting.interval)) return Errno::EINVAL;
    const SysResult<TimerFile*> file = timer_file(thread, args.a0);
    if (!file.ok()) return file.error();
    const TimerSetting before = current(*file.value());
    Time deadline = 0;
    if (const u64 value = in_nanoseconds(setting.value); value != 0) {
        if ((flags & kAbsolute) == 0) {
            deadline = deadline_after(thread.zone().now(), setting.value);
        } else if (realtime(file.value()->clock())) {
            const i64 offset = thread.zone().realtime_offset;
            deadline = offset > 0 && value <= static_cast<u64>(offset) ? 1 : value - static_cast<u64>(offset);
        } else {
            deadline = value;
        }
    }
    file.value()->set(deadline, in_nanoseconds(setting.interval));
    if (args.a3 != 0) return put(thread, args.a3, before);
    return 0;
}

Outcome sys_timerfd_gettime(Thread& thread, const SyscallArgs& args) {
    const SysResult<TimerFile*> file = timer_file(thread, args.a0);
    if (!file.ok()) return file.error();
    return put(thread, args.a1, current(*file.value()));
}

namespace {

Outcome make_signal_file(Thread& thread, const SyscallArgs& args, u32 flags) {
    if ((flags & ~(O_CLOSE_EXEC | O_NON_BLOCK)) != 0 || args.a2 != sizeof(SigSet)) return Errno::EINVAL;
    const SysResult<SigSet> given = get<SigSet>(thread, args.a1);
    if (!given.ok()) return given.error();
    const SigSet mask = given.value() & ~kUnblockable;
    if (as_int(args.a0) != -1) {
        const SysResult<File*> file = open_file(thread, args.a0);
        if (!file.ok()) return file.error();
        if (file.value()->kind() != FileKind::signal) return Errno::EINVAL;
        static_cast<SignalFile*>(file.value())->set_mask(mask);
        return as_int(args.a0);
    }
    const Path path = thread.zone().vfs->anonymous_inode("[signalfd]");
    return install(thread,
                   Ref<SignalFile>::make(path, O_READ_WRITE | (flags & O_NON_BLOCK), thread.process, mask),
                   flags);
}

}  // namespace

Outcome sys_signalfd(Thread& thread, const SyscallArgs& args) { return make_signal_file(thread, args, 0); }
Outcome sys_signalfd4(Thread& thread, const SyscallArgs& args) {
    return make_signal_file(thread, args, as_unsigned(args.a3));
}

}  // namespace pith::lx
