// SPDX-License-Identifier: MIT
// mmap and its family. Protection: write or execute imply reading. A mapping that is asked to be both writable and
// executable is each in turn (address_space.hpp).
#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/fs_context.hpp"
#include "servers/linux/vfs/path.hpp"
#include "servers/linux/wait.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u64 kMapShared = 1, kMapPrivate = 2, kMapType = 15, kMapSharedValidate = 3;
constexpr u64 kMapFixed = 0x10, kMapAnonymous = 0x20, kMapGrowsDown = 0x100, kMapLocked = 0x2000,
              kMapNoReserve = 0x4000, kMapPopulate = 0x8000, kMapFixedNoReplace = 0x100000;
constexpr u64 kRemapMayMove = 1, kRemapFixed = 2;
constexpr u64 kProtGrows = 0x0300'0000;

u8 normal_prot(u64 prot) { return static_cast<u8>((prot & 7) != 0 ? (prot & 7) | 1 : 0); }

SysResult<> map_file(Thread& thread, MapRequest& request, u64 descriptor, u64 offset) {
    const Ref<File> file = PITH_TRY(thread.process.files->get(static_cast<i32>(descriptor)));
    if (file->path_only()) return Errno::EBADF;
    if (file->maps_anonymous()) return {};
    if (!file->readable()) return Errno::EACCES;
    if (request.shared && !file->writable()) {
        if ((request.prot & 2) != 0) return Errno::EACCES;
        request.max_prot = 5;
    }
    if ((file->path.mount->flags & kMountNoExecute) != 0) {
        if ((request.prot & 4) != 0) return Errno::EPERM;
        request.max_prot &= 3;
    }
    request.source = PITH_TRY(file->pages());
    request.source_page = offset / kPageSize;
    request.name = path_name(file->path, thread.process.fs->root);
    return {};
}

/// Gives a new mapping its pages, as far as there are any for it: the call has succeeded by then. The rest of the zone goes on meanwhile: after each
/// turn it has as long as that took.
Task<SysResult<u64>> populate(Thread& thread, u64 address, u64 length) {
    constexpr u64 kTurn = 256 * kPageSize;
    const u64 end = address + length;
    for (u64 at = address; at < end && !thread.fatal_signal_pending(); at += kTurn) {
        const Time begin = thread.zone().now();
        if (!thread.process.memory->populate(at, std::min(end, at + kTurn)) || end - at <= kTurn) break;
        const Time time = thread.zone().now();
        Sleep sleep(thread, time + (time - begin), Interruptible::kill);
        static_cast<void>(co_await sleep);
    }
    co_return address;
}

}  // namespace

Outcome sys_mmap(Thread& thread, const SyscallArgs& args) {
    const u64 flags = args.a3;
    MapRequest request;
    request.address = args.a0;
    request.length = args.a1;
    request.prot = normal_prot(args.a2);
    request.fixed = (flags & (kMapFixed | kMapFixedNoReplace)) != 0;
    request.no_replace = (flags & kMapFixedNoReplace) != 0;
    request.no_reserve = (flags & kMapNoReserve) != 0;
    const u64 type = flags & kMapType;
    request.shared = type == kMapShared || type == kMapSharedValidate;
    if (!request.shared && type != kMapPrivate) return Errno::EINVAL;
    request.grows_down = (flags & kMapGrowsDown) != 0;
    if (args.a5 % kPageSize != 0 || request.length == 0) return Errno::EINVAL;
    if ((flags & kMapAnonymous) == 0)
        if (const auto done = map_file(thread, request, args.a4, args.a5); !done.ok()) return done.error();
    const SysResult<u64> mapped = thread.process.memory->map(request);
    if (!mapped.ok() || (flags & (kMapPopulate | kMapLocked)) == 0) return mapped;
    return run(thread, populate(thread, mapped.value(), page_ceil(request.length)));
}

Outcome sys_munmap(Thread& thread, const SyscallArgs& args) {
    return thread.process.memory->unmap(args.a0, args.a1);
}

Outcome sys_mprotect(Thread& thread, const SyscallArgs& args) {
    if ((args.a2 & ~(u64{7} | kProtGrows)) != 0) return Errno::EINVAL;
    return thread.process.memory->protect(args.a0, args.a1, normal_prot(args.a2));
}

Outcome sys_mremap(Thread& thread, const SyscallArgs& args) {
    const u64 flags = args.a3;
    if ((flags & ~(kRemapMayMove | kRemapFixed)) != 0) return Errno::EINVAL;
    const bool fixed = (flags & kRemapFixed) != 0, may_move = (flags & kRemapMayMove) != 0;
    if (fixed && !may_move) return Errno::EINVAL;
    return thread.process.memory->remap(args.a0, args.a1, args.a2, may_move, fixed, args.a4);
}

Outcome sys_brk(Thread& thread, const SyscallArgs& args) { return thread.process.memory->set_brk(args.a0); }

Outcome sys_madvise(Thread& thread, const SyscallArgs& args) {
    AddressSpace& memory = *thread.process.memory;
    if (args.a0 % kPageSize != 0) return Errno::EINVAL;
    switch (args.a2) {
        case 4:  // DONTNEED
            return memory.discard(args.a0, args.a1);
        case 8: {  // FREE: of private anonymous memory only
            const Vma* area = memory.find(args.a0);
            if (area == nullptr) return Errno::ENOMEM;
            if (area->source) return Errno::EINVAL;
            return memory.discard(args.a0, args.a1);
        }
        case 10:    // DONTFORK
        case 11: {  // DOFORK
            Vma* area = memory.find(args.a0);
            if (area == nullptr) return Errno::ENOMEM;
            area->dont_fork = args.a2 == 10;
            return 0;
        }
        case 0:
        case 1:
        case 2:
        case 3:
        case 12:
        case 13:
        case 14:
        case 15:
        case 16:
        case 17:
        case 20:
        case 21: return memory.find_above(args.a0) == nullptr ? Outcome(Errno::ENOMEM) : Outcome(0);
        default: return Errno::EINVAL;
    }
}

Outcome sys_msync(Thread& thread, const SyscallArgs& args) {
    if (args.a0 % kPageSize != 0 || (args.a2 & ~u64{7}) != 0 || (args.a2 & 5) == 5) return Errno::EINVAL;
    constexpr u64 kSync = 4;
    std::vector<Ref<PageSource>> sources;
    for (u64 at = args.a0; at < args.a0 + args.a1;) {
        const Vma* area = thread.process.memory->find(at);
        if (area == nullptr) return Errno::ENOMEM;
        if (area->shared && area->source && (args.a2 & kSync) != 0) sources.push_back(area->source);
        at = area->end;
    }
    // Shared pages are the page cache's own: only a disk has to learn of them.
    if (sources.empty()) return 0;
    return run(thread, [](Thread& asking, std::vector<Ref<PageSource>> all) -> Task<SysResult<u64>> {
        const DeviceWait waiting(asking);
        for (const Ref<PageSource>& source : all) PITH_CO_CHECK(PITH_AWAIT(source->synchronise()));
        co_return u64{0};
    }(thread, std::move(sources)));
}

Outcome sys_mincore(Thread& thread, const SyscallArgs& args) {
    if (args.a0 % kPageSize != 0) return Errno::EINVAL;
    AddressSpace& memory = *thread.process.memory;
    const u64 pages = page_ceil(args.a1) / kPageSize;
    for (u64 i = 0; i < pages; ++i) {
        const u64 address = args.a0 + i * kPageSize;
        if (memory.find(address) == nullptr) return Errno::ENOMEM;
        const u8 there = memory.pages().get(address / kPageSize) != 0 ? 1 : 0;
        if (const auto done = put(thread, args.a2 + i, there); !done.ok()) return done.error();
    }
    return 0;
}

namespace {

/// mlock: memory is never paged out; what is asked for is made present, as far as there is memory.
Outcome lock_range(Thread& thread, u64 address, u64 length) {
    AddressSpace& memory = *thread.process.memory;
    const u64 end = page_ceil(address + length);
    for (u64 at = page_floor(address); at < end; at += kPageSize) {
        const Vma* area = memory.find(at);
        if (area == nullptr) return Errno::ENOMEM;
        const Access access = area->allows(Access::write) && !area->source ? Access::write : Access::read;
        if (area->prot != 0 && memory.fault(at, access, kPageSize) != FaultResult::done) return Errno::ENOMEM;
    }
    return 0;
}

}  // namespace

Outcome sys_mlock(Thread& thread, const SyscallArgs& args) { return lock_range(thread, args.a0, args.a1); }
Outcome sys_mlock2(Thread& thread, const SyscallArgs& args) {
    if ((args.a2 & ~u64{1}) != 0) return Errno::EINVAL;
    return args.a2 == 1 ? Outcome(0) : lock_range(thread, args.a0, args.a1);
}
Outcome sys_munlock(Thread& thread, const SyscallArgs& args) {
    return thread.process.memory->find(args.a0) == nullptr && args.a1 != 0 ? Outcome(Errno::ENOMEM)
                                                                           : Outcome(0);
}
Outcome sys_mlockall(Thread&, const SyscallArgs& args) {
    return args.a0 == 0 || args.a0 > 7 ? Outcome(Errno::EINVAL) : Outcome(0);
}
Outcome sys_munlockall(Thread&, const SyscallArgs&) { return 0; }

}  // namespace pith::lx
