// SPDX-License-Identifier: MIT
// The system and its names, limits and usage, randomness, prctl and arch_prctl.
#include <string.h>

#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/rusage.hpp"
#include "servers/linux/shutdown.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

struct Utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
static_assert(sizeof(Utsname) == 390);

void set_field(char (&field)[65], std::string_view text) {
    memset(field, 0, sizeof field);
    memcpy(field, text.data(), std::min<usize>(text.size(), 64));
}

struct Sysinfo {
    i64 uptime;
    u64 loads[3], total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
    u16 processes, pad;
    u64 total_high, free_high;
    u32 unit;
    u32 reserved;
};
static_assert(sizeof(Sysinfo) == 112);

SysResult<> set_name(Thread& thread, std::string& name, u64 address, u64 length) {
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    if (length > 64) return Errno::EINVAL;
    std::string wanted(length, '\0');
    PITH_CHECK(copy_in(thread, wanted.data(), address, length));
    name = wanted;
    return {};
}

/// The limits that an address space checks itself.
void apply_limits(Process& process) {
    if (!process.memory) return;
    process.memory->limit_as = process.limit(Resource::as).soft;
    process.memory->limit_data = process.limit(Resource::data).soft;
    process.memory->limit_stack = process.limit(Resource::stack).soft;
}

SysResult<> set_limit(Thread& thread, Process& target, u32 resource, const Limit& wanted) {
    if (wanted.soft > wanted.hard) return Errno::EINVAL;
    Limit& limit = target.limits[resource];
    if (wanted.hard > limit.hard && thread.process.credentials.euid != 0) return Errno::EPERM;
    if (resource == static_cast<u32>(Resource::nofile) && wanted.hard > 1 << 20) return Errno::EPERM;
    limit = wanted;
    apply_limits(target);
    return {};
}

}  // namespace

Outcome sys_uname(Thread& thread, const SyscallArgs& args) {
    Utsname names;
    set_field(names.sysname, "Linux");
    set_field(names.nodename, thread.zone().hostname);
    set_field(names.release, kLinuxRelease);
    set_field(names.version, "#1 SMP Pith");
    set_field(names.machine, "x86_64");
    set_field(names.domainname, thread.zone().domainname);
    return put(thread, args.a0, names);
}

Outcome sys_sethostname(Thread& thread, const SyscallArgs& args) {
    return set_name(thread, thread.zone().hostname, args.a0, args.a1);
}
Outcome sys_setdomainname(Thread& thread, const SyscallArgs& args) {
    return set_name(thread, thread.zone().domainname, args.a0, args.a1);
}

Outcome sys_sysinfo(Thread& thread, const SyscallArgs& args) {
    Zone& zone = thread.zone();
    Sysinfo info{};
    info.uptime = static_cast<i64>(zone.now() / kSecondNs);
    info.total_ram = zone.frames.total() * kPageSize;
    info.free_ram = zone.frames.free() * kPageSize;
    info.processes = static_cast<u16>(std::min<usize>(zone.threads.size(), 0xffff));
    info.unit = 1;
    return put(thread, args.a0, info);
}

Outcome sys_getrandom(Thread& thread, const SyscallArgs& args) {
    if ((args.a2 & ~u64{7}) != 0 || (args.a2 & 6) == 6) return Errno::EINVAL;
    u8 block[256];
    const u64 size = std::min<u64>(args.a1, 0x1ff'ffff);
    for (u64 done = 0; done < size;) {
        const u64 length = std::min<u64>(size - done, sizeof block);
        thread.zone().random(block, length);
        if (const auto copied = copy_out(thread, args.a0 + done, block, length); !copied.ok())
            return done > 0 ? Outcome(done) : Outcome(copied.error());
        done += length;
    }
    return size;
}

Outcome sys_prlimit64(Thread& thread, const SyscallArgs& args) {
    if (args.a1 >= static_cast<u64>(Resource::count)) return Errno::EINVAL;
    const auto pid = static_cast<Pid>(args.a0);
    Process* target = pid == 0 ? &thread.process : thread.zone().find_process(pid);
    if (target == nullptr) return Errno::ESRCH;
    if (target != &thread.process && !thread.process.may_signal(*target, 0)) return Errno::EPERM;
    const auto resource = static_cast<u32>(args.a1);
    const Limit before = target->limits[resource];
    if (args.a2 != 0) {
        const auto wanted = get<Limit>(thread, args.a2);
        if (!wanted.ok()) return wanted.error();
        if (const auto done = set_limit(thread, *target, resource, wanted.value()); !done.ok())
            return done.error();
    }
    if (args.a3 != 0) return put(thread, args.a3, before);
    return 0;
}

Outcome sys_getrlimit(Thread& thread, const SyscallArgs& args) {
    if (args.a0 >= static_cast<u64>(Resource::count)) return Errno::EINVAL;
    return put(thread, args.a1, thread.process.limits[args.a0]);
}

Outcome sys_setrlimit(Thread& thread, const SyscallArgs& args) {
    if (args.a0 >= static_cast<u64>(Resource::count)) return Errno::EINVAL;
    const auto wanted = get<Limit>(thread, args.a1);
    if (!wanted.ok()) return wanted.error();
    return set_limit(thread, thread.process, static_cast<u32>(args.a0), wanted.value());
}

Outcome sys_getrusage(Thread& thread, const SyscallArgs& args) {
    Usage usage;
    switch (static_cast<i32>(args.a0)) {
        case 0: usage = thread.process.total_usage(); break;
        case -1: usage = thread.process.children_usage; break;
        case 1:
            usage = thread.usage;
            usage.user_time += thread.cpu_time();
            break;
        default: return Errno::EINVAL;
    }
    return put(thread, args.a1, make_rusage(usage));
}

Outcome sys_personality(Thread& thread, const SyscallArgs& args) {
    const u32 before = thread.process.personality;
    if (static_cast<u32>(args.a0) != 0xffff'ffff) thread.process.personality = static_cast<u32>(args.a0);
    return before;
}

Outcome sys_prctl(Thread& thread, const SyscallArgs& args) {
    Process& process = thread.process;
    switch (args.a0) {
        case 1:  // SET_PDEATHSIG
            if (args.a1 > static_cast<u64>(kSignals)) return Errno::EINVAL;
            process.parent_death_signal = static_cast<i32>(args.a1);
            return 0;
        case 2: return put(thread, args.a1, process.parent_death_signal);
        case 3: return process.dumpable ? 1 : 0;
        case 4:
            if (args.a1 > 1) return Errno::EINVAL;
            process.dumpable = args.a1 == 1;
            return 0;
        case 7: return 0;  // GET_KEEPCAPS
        case 8: return args.a1 > 1 ? Outcome(Errno::EINVAL) : Outcome(0);
        case 15: {  // SET_NAME
            char name[16] = {};
            for (usize i = 0; i < 15; ++i) {
                const auto c = get<char>(thread, args.a1 + i);
                if (!c.ok()) return c.error();
                if (c.value() == '\0') break;
                name[i] = c.value();
            }
            memcpy(thread.name, name, sizeof name);
            if (thread.tid == process.pid) process.name = name;
            thread.publish_name();
            return 0;
        }
        case 16: return copy_out(thread, args.a1, thread.name, sizeof thread.name);
        case 21: return 0;                                                   // GET_SECCOMP: none
        case 23: return args.a1 > 40 ? Outcome(Errno::EINVAL) : Outcome(1);  // CAPBSET_READ
        case 29:                                                             // SET_TIMERSLACK
            thread.timer_slack = args.a1 == 0 ? 50'000 : args.a1;
            return 0;
        case 30: return thread.timer_slack;
        case 36: process.subreaper = args.a1 != 0; return 0;
        case 37: return put(thread, args.a1, i32{process.subreaper});
        case 38: return args.a1 == 1 ? Outcome(0) : Outcome(Errno::EINVAL);  // NO_NEW_PRIVS
        case 39: return 0;
        default: return Errno::EINVAL;
    }
}

Outcome sys_arch_prctl(Thread& thread, const SyscallArgs& args) {
    // The registers are in the state page: the call has to be resumed from there.
    switch (args.a0) {
        case 0x1001:
        case 0x1002:
            if (args.a1 >= kTopAddress) return Errno::EPERM;
            (args.a0 == 0x1001 ? thread.state->gs_base : thread.state->fs_base) = args.a1;
            thread.state->rax = 0;
            return Outcome::state();
        case 0x1003: return put(thread, args.a1, thread.state->fs_base);
        case 0x1004: return put(thread, args.a1, thread.state->gs_base);
        default: return Errno::EINVAL;
    }
}

Outcome sys_reboot(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kMagic = 0xfee1'dead;
    constexpr u32 kMagics[] = {672274793, 85072278, 369367448, 537993216};
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    const auto second = static_cast<u32>(args.a1);
    if (static_cast<u32>(args.a0) != kMagic || std::ranges::find(kMagics, second) == std::end(kMagics))
        return Errno::EINVAL;
    switch (static_cast<u32>(args.a2)) {
        case 0x4321'fedc:
        case 0xcdef'0123: end_zone(thread.zone(), EndKind::poweroff, 0); return Outcome::pending();
        case 0x0123'4567: end_zone(thread.zone(), EndKind::reboot, 0); return Outcome::pending();
        case 0x89ab'cdef:
        case 0: return 0;  // ctrl-alt-del: there is none
        default: return Errno::EINVAL;
    }
}

}  // namespace pith::lx
