// SPDX-License-Identifier: MIT
// mount and umount2.
#include <algorithm>

#include "servers/linux/services.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/vfs/tty/pty.hpp"

namespace pith::lx {

namespace {

constexpr u32 kKeptFlags = kMountReadOnly | kMountNoSetuid | kMountNoDevices | kMountNoExecute |
                           kMountNoAccessTime;

/// "size=16m" and the like: bytes, with k, m, g or %.
bool parse_size(std::string_view text, u64 total, u64& bytes) {
    u64 factor = 1;
    bool percent = false;
    if (!text.empty()) {
        switch (text.back()) {
            case 'k':
            case 'K': factor = 1 << 10; break;
            case 'm':
            case 'M': factor = 1 << 20; break;
            case 'g':
            case 'G': factor = 1 << 30; break;
            case '%': percent = true; break;
            default: factor = 0; break;
        }
        if (factor != 1 || percent) {
            if (factor != 0) text.remove_suffix(1);
            else factor = 1;
        }
    }
    u64 number;
    if (!parse_decimal(text, number)) return false;
    if (percent) {
        bytes = total * std::min<u64>(number, 100) / 100;
        return true;
    }
    return !__builtin_mul_overflow(number, factor, &bytes);
}

SysResult<Ref<FileSystem>> make_tmpfs(Zone& zone, std::string_view options) {
    const u64 total = zone.frames.total() * kPageSize;
    u64 size = total / 2;
    u32 mode = 01777;
    while (!options.empty()) {
        const usize end = options.find(',');
        const std::string_view option = options.substr(0, end);
        options = end == options.npos ? std::string_view() : options.substr(end + 1);
        if (option.starts_with("size=")) {
            if (!parse_size(option.substr(5), total, size)) return Errno::EINVAL;
        } else if (option.starts_with("mode=")) {
            mode = 0;
            for (char c : option.substr(5)) {
                if (c < '0' || c > '7') return Errno::EINVAL;
                mode = (mode * 8 + static_cast<u32>(c - '0')) & 07777;
            }
        } else if (!option.empty() && !option.starts_with("nr_inodes=") && !option.starts_with("uid=") &&
                   !option.starts_with("gid=") && option != "rw" && option != "defaults") {
            return Errno::EINVAL;
        }
    }
    return Ref<FileSystem>(
        PITH_TRY(TmpFs::create(zone, zone.vfs->anonymous_device(), "tmpfs",
                               std::max<u64>(1, (size + kPageSize - 1) / kPageSize), mode)));
}

SysResult<Ref<FileSystem>> make_file_system(Zone& zone, std::string_view type, std::string_view options) {
    if (type == "tmpfs" || type == "ramfs") return make_tmpfs(zone, options);
    if (type == "proc") return make_proc(zone, zone.vfs->anonymous_device());
    if (type == "devpts") return make_devpts(zone, zone.vfs->anonymous_device());
    return Errno::ENODEV;
}

/// Null: it is of another kind.
DiskFs* disk_file_system(const Vfs& vfs, FileSystem& file_system) {
    return vfs.file_servers ? vfs.file_servers->find(file_system) : nullptr;
}

/// Options of ext4 that ask for what is there anyway. EINVAL: others.
SysResult<> check_options(std::string_view options) {
    static constexpr std::string_view kKnown[] = {
        "defaults", "rw",        "ro",      "errors=remount-ro", "errors=continue", "data=ordered",
        "barrier",  "barrier=1", "discard", "nodiscard",         "user_xattr",      "nouser_xattr",
        "acl",      "noacl",     "relatime"};
    while (!options.empty()) {
        const usize end = options.find(',');
        const std::string_view option = options.substr(0, end);
        options = end == options.npos ? std::string_view() : options.substr(end + 1);
        if (!option.empty() && std::ranges::find(kKnown, option) == std::end(kKnown)) return Errno::EINVAL;
    }
    return {};
}

Async<u64> mount_disk(Thread& thread, const std::string& source, const Path& at, u32 flags,
                      std::string_view options) {
    const Path from = PITH_TRY(walk(thread, kAtCwd, source));
    if (from.inode().type() != S_BLOCK) return Errno::ENOTBLK;
    if ((from.mount->flags & kMountNoDevices) != 0) return Errno::EACCES;
    Vfs& vfs = *thread.zone().vfs;
    BlockDevice* device = vfs.disks->find(from.inode().device_number);
    if (device == nullptr) return Errno::ENXIO;
    PITH_CHECK(check_options(options));
    return [](Thread& asking, Vfs& to, Ref<BlockDevice> disk, Path place, u32 how,
              std::string name) -> Task<SysResult<u64>> {
        const DeviceWait waiting(asking);
        Ref<DiskFs> fs = PITH_CO_TRY(co_await to.file_servers->mount(disk, (how & kMountReadOnly) != 0));
        if (fs->root() == nullptr) co_return Errno::EBUSY;
        PITH_CO_TRY(to.attach(fs, place, how, std::move(name)));
        co_return u64{0};
    }(thread, vfs, Ref<BlockDevice>(device), at, flags, source);
}

/// What there is one of: the folder that is shared with the host, the files in memory.
Async<u64> mount_only(Thread& thread, DiskFs::Kind kind, const std::string& source, const Path& at,
                      u32 flags) {
    return [](Thread& asking, Vfs& to, DiskFs::Kind what, Path place, u32 how,
              std::string name) -> Task<SysResult<u64>> {
        const DeviceWait waiting(asking);
        Ref<DiskFs> fs = PITH_CO_TRY(co_await to.file_servers->mount_only(what, (how & kMountReadOnly) != 0));
        if (fs->root() == nullptr) co_return Errno::EBUSY;
        PITH_CO_TRY(to.attach(fs, place, how, std::move(name)));
        co_return u64{0};
    }(thread, *thread.zone().vfs, kind, at, flags, source);
}

Async<u64> remount_disk(Ref<DiskFs> fs, Ref<Mount> mount, u32 flags, std::string_view options) {
    if (!fs->shared) PITH_CHECK(check_options(options));
    return [](Ref<DiskFs> disk, Ref<Mount> at, u32 how) -> Task<SysResult<u64>> {
        PITH_CO_CHECK(co_await DiskFs::remount(disk, (how & kMountReadOnly) != 0));
        at->flags = how;
        co_return u64{0};
    }(std::move(fs), std::move(mount), flags);
}

Async<u64> call_mount(Thread& thread, const SyscallArgs& args) {
    u32 flags = as_unsigned(args.a3);
    if ((flags & 0xffff0000) == 0xc0ed0000) flags &= 0xffff;
    std::string source, type, options;
    if (args.a2 != 0) type = PITH_TRY(get_string(thread, args.a2, kPageSize, Errno::EINVAL));
    if (args.a0 != 0) source = PITH_TRY(get_path(thread, args.a0));
    const std::string target = PITH_TRY(get_path(thread, args.a1));
    if (args.a4 != 0) options = PITH_TRY(get_string(thread, args.a4, kPageSize, Errno::EINVAL));
    const Path at = PITH_TRY(walk(thread, kAtCwd, target));
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    Vfs& vfs = *thread.zone().vfs;
    if ((flags & kMountRemount) != 0) {
        if (!(at.dentry == at.mount->root)) return Errno::EINVAL;
        if (DiskFs* disk = disk_file_system(vfs, *at.mount->file_system);
            disk != nullptr && (flags & kMountBind) == 0)
            return remount_disk(Ref<DiskFs>(disk), at.mount, flags & kKeptFlags, options);
        at.mount->flags = flags & kKeptFlags;
        return u64{0};
    }
    constexpr u32 kPropagation = 1u << 17 | 1u << 18 | 1u << 19 | 1u << 20;
    if ((flags & kPropagation) != 0) return u64{0};
    if ((flags & kMountMove) != 0) return Errno::EINVAL;
    if ((flags & kMountBind) != 0) {
        const Path from = PITH_TRY(walk(thread, kAtCwd, source));
        if (from.inode().directory() != at.inode().directory()) return Errno::ENOTDIR;
        auto mount = Ref<Mount>::make(from.mount->file_system, from.dentry, at.mount, at.dentry,
                                      from.mount->flags & kKeptFlags, from.mount->source);
        mount->number = vfs.next_mount_number++;
        vfs.mounts.push_back(mount);
        return u64{0};
    }
    if (type.empty()) return Errno::EINVAL;
    if (!at.inode().directory()) return Errno::ENOTDIR;
    const Services& services = *thread.zone().services;
    if (type == "ext4" && services.fs.valid() && vfs.disks)
        return mount_disk(thread, source, at, flags & kKeptFlags, options);
    if (type == "9p" && services.share.valid()) {
        // By the name that it has on the host.
        if (source != DiskMounts::kShare) return Errno::ENOENT;
        return mount_only(thread, DiskFs::Kind::share, source, at, flags & kKeptFlags);
    }
    if (type == "memory" && services.memory_fs.valid()) {
        PITH_CHECK(check_options(options));
        return mount_only(thread, DiskFs::Kind::memory, source.empty() ? "none" : source, at,
                          flags & kKeptFlags);
    }
    Ref<FileSystem> made = PITH_TRY(make_file_system(thread.zone(), type, options));
    PITH_TRY(vfs.attach(std::move(made), at, flags & kKeptFlags, source.empty() ? "none" : source));
    return u64{0};
}

/// Takes a mount, and what is mounted below it, out of the tree.
void detach(Vfs& vfs, const Ref<Mount>& mount) {
    std::vector<Ref<Mount>> children;
    for (const Ref<Mount>& other : vfs.mounts) {
        if (other->parent == mount) children.push_back(other);
    }
    for (const Ref<Mount>& child : children) detach(vfs, child);
    std::erase_if(vfs.mounts, [&](const Ref<Mount>& other) { return other == mount; });
    if (mount->point) --mount->point->mounts;
    mount->parent = nullptr;
    mount->point = nullptr;
    vfs.dentries.shrink(mount->file_system.get());
}

Async<u64> call_umount2(Thread& thread, const SyscallArgs& args) {
    constexpr u32 kForce = 1, kDetach = 2, kExpire = 4, kNoFollowLink = 8;
    const u32 flags = as_unsigned(args.a1);
    if ((flags & ~(kForce | kDetach | kExpire | kNoFollowLink)) != 0) return Errno::EINVAL;
    const std::string target = PITH_TRY(get_path(thread, args.a0));
    Path at = PITH_TRY(walk(thread, kAtCwd, target, (flags & kNoFollowLink) != 0 ? 0 : kFollow));
    if (!(at.dentry == at.mount->root) || !at.mount->parent) return Errno::EINVAL;
    if (thread.process.credentials.euid != 0) return Errno::EPERM;
    Vfs& vfs = *thread.zone().vfs;
    Ref<Mount> mount = at.mount;
    at = Path{};
    if ((flags & kDetach) == 0) {
        for (const Ref<Mount>& other : vfs.mounts) {
            if (other->parent == mount) return Errno::EBUSY;
        }
        // Held by the list and by us; every open file, working directory and root in it holds it too.
        if (mount->ref_count() > 2) return Errno::EBUSY;
    }
    DiskFs* disk = disk_file_system(vfs, *mount->file_system);
    if (disk == nullptr || disk->mounts > 1 || (flags & kDetach) != 0) {
        detach(vfs, mount);
        return u64{0};
    }
    if (disk->mappings != 0) return Errno::EBUSY;
    return [](Thread& asking, Vfs& of, Ref<Mount> gone) -> Task<SysResult<u64>> {
        const DeviceWait waiting(asking);
        const Ref<DiskFs> fs(static_cast<DiskFs*>(gone->file_system.get()));
        detach(of, gone);
        // It is unmounted whatever comes of it; what could not be written is told by the log.
        static_cast<void>(co_await DiskFs::shut_down(fs));
        co_return u64{0};
    }(thread, vfs, mount);
}

}  // namespace

PITH_PATH_SYSCALL(mount)
PITH_PATH_SYSCALL(umount2)

}  // namespace pith::lx
