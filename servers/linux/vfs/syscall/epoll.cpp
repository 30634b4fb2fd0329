// SPDX-License-Identifier: MIT
// The epoll calls.
#include "servers/linux/vfs/epoll.hpp"
#include "servers/linux/heap_guard.hpp"

#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/syscall/time.hpp"

namespace pith::lx {

namespace {

Outcome create(Thread& thread, u32 flags) {
    if ((flags & ~O_CLOSE_EXEC) != 0) return Errno::EINVAL;
    if (heap_low()) return Errno::ENFILE;
    Ref<File> file = Ref<EpollFile>::make(thread.zone().vfs->anonymous_inode("[eventpoll]"), O_READ_WRITE);
    return thread.process.files->add(std::move(file), flags != 0, descriptor_limit(thread));
}

SysResult<EpollFile*> epoll_file(Thread& thread, u64 descriptor) {
    File* file = PITH_TRY(open_file(thread, descriptor));
    if (file->kind() != FileKind::epoll) return Errno::EINVAL;
    return static_cast<EpollFile*>(file);
}

SysResult<u64> give(Thread& thread, u64 address, const std::vector<EpollEvent>& events) {
    if (!events.empty())
        PITH_CHECK(copy_out(thread, address, events.data(), events.size() * sizeof(EpollEvent)));
    return events.size();
}

Task<SysResult<u64>> slow_wait(Thread& thread, Ref<EpollFile> set, u64 address, usize most, Time deadline) {
    while (true) {
        const SysResult<> woken = co_await wait_on(thread, set->waiters, deadline, true);
        const std::vector<EpollEvent> events = set->collect(most);
        if (!events.empty()) co_return give(thread, address, events);
        if (woken.error() == Errno::ETIMEDOUT) co_return u64{0};
        if (!woken.ok()) co_return Errno::EINTR;
    }
}

Outcome wait(Thread& thread, const SyscallArgs& args, Time deadline, bool at_once) {
    const i32 most = as_int(args.a2);
    if (most <= 0 || most > static_cast<i32>(0x7fffffff / sizeof(EpollEvent))) return Errno::EINVAL;
    const SysResult<EpollFile*> set = epoll_file(thread, args.a0);
    if (!set.ok()) return set.error();
    const usize limit = std::min<usize>(static_cast<usize>(most), 4096);
    const std::vector<EpollEvent> events = set.value()->collect(limit);
    if (!events.empty() || at_once) return give(thread, args.a1, events);
    return run(thread, slow_wait(thread, Ref<EpollFile>(set.value()), args.a1, limit, deadline));
}

Outcome wait_milliseconds(Thread& thread, const SyscallArgs& args) {
    const i32 milliseconds = as_int(args.a3);
    const Time deadline = milliseconds > 0 ? thread.zone().now() + static_cast<u64>(milliseconds) * 1'000'000
                                           : 0;
    return wait(thread, args, deadline, milliseconds == 0);
}

SysResult<> use_mask(Thread& thread, u64 address, u64 size) {
    if (address == 0) return {};
    if (size != sizeof(SigSet)) return Errno::EINVAL;
    thread.set_temporary_mask(PITH_TRY(get<SigSet>(thread, address)));
    return {};
}

}  // namespace

Outcome sys_epoll_create(Thread& thread, const SyscallArgs& args) {
    return as_int(args.a0) <= 0 ? Outcome(Errno::EINVAL) : create(thread, 0);
}
Outcome sys_epoll_create1(Thread& thread, const SyscallArgs& args) {
    return create(thread, as_unsigned(args.a0));
}

Outcome sys_epoll_ctl(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kAdd = 1, kDelete = 2, kModify = 3;
    const u32 operation = as_unsigned(args.a1);
    EpollEvent event{};
    if (operation != kDelete) {
        const SysResult<EpollEvent> given = get<EpollEvent>(thread, args.a3);
        if (!given.ok()) return given.error();
        event = given.value();
    }
    const SysResult<File*> first = open_file(thread, args.a0);
    if (!first.ok()) return first.error();
    const SysResult<File*> file = open_file(thread, args.a2);
    if (!file.ok()) return file.error();
    if (!file.value()->pollable()) return Errno::EPERM;
    if (first.value() == file.value() || first.value()->kind() != FileKind::epoll) return Errno::EINVAL;
    auto& set = static_cast<EpollFile&>(*first.value());
    event.events &= ~kEpollWakeUp;
    if ((event.events & kEpollExclusive) != 0) {
        constexpr u32 kAllowed = kPollIn | kPollOut | kPollError | kPollHangUp | kEpollEdge | kEpollExclusive;
        if (operation == kModify || (operation == kAdd && (event.events & ~kAllowed) != 0))
            return Errno::EINVAL;
    }
    switch (operation) {
        case kAdd: return set.add(Ref<File>(file.value()), as_int(args.a2), event);
        case kDelete: return set.remove(*file.value(), as_int(args.a2));
        case kModify: return set.modify(*file.value(), as_int(args.a2), event);
        default: return Errno::EINVAL;
    }
}

Outcome sys_epoll_wait(Thread& thread, const SyscallArgs& args) { return wait_milliseconds(thread, args); }

Outcome sys_epoll_pwait(Thread& thread, const SyscallArgs& args) {
    if (const SysResult<> masked = use_mask(thread, args.a4, args.a5); !masked.ok()) return masked;
    return wait_milliseconds(thread, args);
}

Outcome sys_epoll_pwait2(Thread& thread, const SyscallArgs& args) {
    Time deadline = 0;
    bool at_once = false;
    if (args.a3 != 0) {
        const SysResult<Timespec> time = get<Timespec>(thread, args.a3);
        if (!time.ok()) return time.error();
        if (!valid_timespec(time.value())) return Errno::EINVAL;
        at_once = in_nanoseconds(time.value()) == 0;
        deadline = deadline_after(thread.zone().now(), time.value());
    }
    if (const SysResult<> masked = use_mask(thread, args.a4, args.a5); !masked.ok()) return masked;
    return wait(thread, args, deadline, at_once);
}

}  // namespace pith::lx
