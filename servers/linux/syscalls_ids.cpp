// SPDX-License-Identifier: MIT
// Users, groups and capabilities.
#include <algorithm>

#include "servers/linux/syscall.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kKeep = ~0u;
constexpr u64 kCapabilityBits = ~u64{0} >> 23;

Credentials& own(Thread& thread) { return thread.process.credentials; }

/// After a change of user ids: only a superuser has capabilities.
void adjust(Credentials& who, bool was_root) {
    const bool any_root = who.uid == 0 || who.euid == 0 || who.suid == 0;
    if (was_root && !any_root) who.permitted = who.effective = 0;
    if (who.euid != 0) who.effective = 0;
    if (who.euid == 0) who.permitted = who.effective = kCapabilityBits;
}
bool any_root(const Credentials& who) { return who.uid == 0 || who.euid == 0 || who.suid == 0; }
bool one_of(u32 id, u32 a, u32 b, u32 c) { return id == a || id == b || id == c; }

}  // namespace

Outcome sys_getuid(Thread& thread, const SyscallArgs&) { return own(thread).uid; }
Outcome sys_geteuid(Thread& thread, const SyscallArgs&) { return own(thread).euid; }
Outcome sys_getgid(Thread& thread, const SyscallArgs&) { return own(thread).gid; }
Outcome sys_getegid(Thread& thread, const SyscallArgs&) { return own(thread).egid; }

Outcome sys_setuid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const auto id = static_cast<u32>(args.a0);
    const bool root = any_root(who);
    if (id == kKeep) return Errno::EINVAL;
    if (who.euid == 0) who.uid = who.suid = id;
    else if (id != who.uid && id != who.suid) return Errno::EPERM;
    who.euid = who.fsuid = id;
    adjust(who, root);
    return 0;
}

Outcome sys_setgid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const auto id = static_cast<u32>(args.a0);
    if (id == kKeep) return Errno::EINVAL;
    if (who.euid == 0) who.gid = who.sgid = id;
    else if (id != who.gid && id != who.sgid) return Errno::EPERM;
    who.egid = who.fsgid = id;
    return 0;
}

Outcome sys_setreuid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const auto real = static_cast<u32>(args.a0), effective = static_cast<u32>(args.a1);
    const bool root = any_root(who);
    if (who.euid != 0) {
        if (real != kKeep && real != who.uid && real != who.euid) return Errno::EPERM;
        if (effective != kKeep && !one_of(effective, who.uid, who.euid, who.suid)) return Errno::EPERM;
    }
    const u32 old = who.uid;
    if (real != kKeep) who.uid = real;
    if (effective != kKeep) who.euid = effective;
    if (real != kKeep || (effective != kKeep && effective != old)) who.suid = who.euid;
    who.fsuid = who.euid;
    adjust(who, root);
    return 0;
}

Outcome sys_setregid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const auto real = static_cast<u32>(args.a0), effective = static_cast<u32>(args.a1);
    if (who.euid != 0) {
        if (real != kKeep && real != who.gid && real != who.egid) return Errno::EPERM;
        if (effective != kKeep && !one_of(effective, who.gid, who.egid, who.sgid)) return Errno::EPERM;
    }
    const u32 old = who.gid;
    if (real != kKeep) who.gid = real;
    if (effective != kKeep) who.egid = effective;
    if (real != kKeep || (effective != kKeep && effective != old)) who.sgid = who.egid;
    who.fsgid = who.egid;
    return 0;
}

Outcome sys_setresuid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const u32 wanted[3] = {static_cast<u32>(args.a0), static_cast<u32>(args.a1), static_cast<u32>(args.a2)};
    const bool root = any_root(who);
    if (who.euid != 0)
        for (const u32 id : wanted)
            if (id != kKeep && !one_of(id, who.uid, who.euid, who.suid)) return Errno::EPERM;
    if (wanted[0] != kKeep) who.uid = wanted[0];
    if (wanted[1] != kKeep) who.euid = wanted[1];
    if (wanted[2] != kKeep) who.suid = wanted[2];
    who.fsuid = who.euid;
    adjust(who, root);
    return 0;
}

Outcome sys_setresgid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const u32 wanted[3] = {static_cast<u32>(args.a0), static_cast<u32>(args.a1), static_cast<u32>(args.a2)};
    if (who.euid != 0)
        for (const u32 id : wanted)
            if (id != kKeep && !one_of(id, who.gid, who.egid, who.sgid)) return Errno::EPERM;
    if (wanted[0] != kKeep) who.gid = wanted[0];
    if (wanted[1] != kKeep) who.egid = wanted[1];
    if (wanted[2] != kKeep) who.sgid = wanted[2];
    who.fsgid = who.egid;
    return 0;
}

Outcome sys_getresuid(Thread& thread, const SyscallArgs& args) {
    const Credentials& who = own(thread);
    if (const auto done = put(thread, args.a0, who.uid); !done.ok()) return done.error();
    if (const auto done = put(thread, args.a1, who.euid); !done.ok()) return done.error();
    return put(thread, args.a2, who.suid);
}

Outcome sys_getresgid(Thread& thread, const SyscallArgs& args) {
    const Credentials& who = own(thread);
    if (const auto done = put(thread, args.a0, who.gid); !done.ok()) return done.error();
    if (const auto done = put(thread, args.a1, who.egid); !done.ok()) return done.error();
    return put(thread, args.a2, who.sgid);
}

Outcome sys_setfsuid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const u32 before = who.fsuid;
    const auto id = static_cast<u32>(args.a0);
    if (id != kKeep && (who.euid == 0 || one_of(id, who.uid, who.euid, who.suid) || id == who.fsuid))
        who.fsuid = id;
    return before;
}

Outcome sys_setfsgid(Thread& thread, const SyscallArgs& args) {
    Credentials& who = own(thread);
    const u32 before = who.fsgid;
    const auto id = static_cast<u32>(args.a0);
    if (id != kKeep && (who.euid == 0 || one_of(id, who.gid, who.egid, who.sgid) || id == who.fsgid))
        who.fsgid = id;
    return before;
}

Outcome sys_getgroups(Thread& thread, const SyscallArgs& args) {
    const auto& groups = own(thread).groups;
    const auto size = static_cast<i32>(args.a0);
    if (size < 0) return Errno::EINVAL;
    if (size == 0) return groups.size();
    if (static_cast<usize>(size) < groups.size()) return Errno::EINVAL;
    if (const auto done = copy_out(thread, args.a1, groups.data(), groups.size() * 4); !done.ok())
        return done.error();
    return groups.size();
}

Outcome sys_setgroups(Thread& thread, const SyscallArgs& args) {
    if (own(thread).euid != 0) return Errno::EPERM;
    if (args.a0 > 65536) return Errno::EINVAL;
    std::vector<u32> groups(args.a0);
    if (const auto done = copy_in(thread, groups.data(), args.a1, groups.size() * 4); !done.ok())
        return done.error();
    std::ranges::sort(groups);
    own(thread).groups = std::move(groups);
    return 0;
}

namespace {

struct CapHeader {
    u32 version;
    i32 pid;
};
struct CapData {
    u32 effective, permitted, inheritable;
};
constexpr u32 kCapVersion1 = 0x1998'0330, kCapVersion2 = 0x2007'1026, kCapVersion3 = 0x2008'0522;

/// The number of CapData that the caller's version has; EINVAL with our version told.
SysResult<u32> cap_words(Thread& thread, u64 address, CapHeader& header) {
    header = PITH_TRY(get<CapHeader>(thread, address));
    if (header.version == kCapVersion1) return 1;
    if (header.version == kCapVersion2 || header.version == kCapVersion3) return 2;
    PITH_CHECK(put(thread, address, kCapVersion3));
    return Errno::EINVAL;
}

}  // namespace

Outcome sys_capget(Thread& thread, const SyscallArgs& args) {
    CapHeader header;
    const auto words = cap_words(thread, args.a0, header);
    if (!words.ok())
        return args.a1 == 0 && words.error() == Errno::EINVAL ? Outcome(0) : Outcome(words.error());
    const Process* target = header.pid == 0 ? &thread.process : thread.zone().find_process(header.pid);
    if (header.pid < 0) return Errno::EINVAL;
    if (target == nullptr) return Errno::ESRCH;
    if (args.a1 == 0) return 0;
    const Credentials& who = target->credentials;
    CapData data[2];
    for (u32 i = 0; i < 2; ++i)
        data[i] = {static_cast<u32>(who.effective >> 32 * i), static_cast<u32>(who.permitted >> 32 * i),
                   static_cast<u32>(who.inheritable >> 32 * i)};
    return copy_out(thread, args.a1, data, words.value() * sizeof(CapData));
}

Outcome sys_capset(Thread& thread, const SyscallArgs& args) {
    CapHeader header;
    const auto words = cap_words(thread, args.a0, header);
    if (!words.ok()) return words.error();
    if (header.pid != 0 && header.pid != thread.process.pid && header.pid != thread.tid) return Errno::EPERM;
    CapData data[2] = {};
    if (const auto done = copy_in(thread, data, args.a1, words.value() * sizeof(CapData)); !done.ok())
        return done.error();
    const auto join = [&](u32 CapData::* field) { return data[0].*field | u64{data[1].*field} << 32; };
    Credentials& who = own(thread);
    const u64 effective = join(&CapData::effective), permitted = join(&CapData::permitted);
    if ((permitted & ~who.permitted) != 0 || (effective & ~permitted) != 0) return Errno::EPERM;
    who.permitted = permitted & kCapabilityBits;
    who.effective = effective & kCapabilityBits;
    who.inheritable = join(&CapData::inheritable) & kCapabilityBits;
    return 0;
}

}  // namespace pith::lx
