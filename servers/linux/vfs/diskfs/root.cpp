// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/diskfs/root.hpp"

#include <algorithm>
#include <string>

#include "servers/linux/services.hpp"
#include "servers/linux/shutdown.hpp"
#include "servers/linux/vfs/dev/kmsg.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/wait_here.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kStatus = 126;

BlockDevice* find_device(const Vfs& vfs, std::string_view name) {
    constexpr std::string_view kFolder = "/dev/";
    if (!vfs.disks || !name.starts_with(kFolder)) return nullptr;
    name.remove_prefix(kFolder.size());
    for (BlockDevice* device : vfs.disks->all())
        if (device->name == name) return device;
    return nullptr;
}

/// A directory of the new root; ENOENT, ENOTDIR.
Task<SysResult<Path>> find_directory(Vfs& vfs, std::string_view name) {
    const Path root = vfs.root();
    Ref<Inode> inode = PITH_CO_TRY(PITH_AWAIT(root.inode().lookup(name)));
    if (!inode->directory()) co_return Errno::ENOTDIR;
    co_return Path{root.mount, vfs.dentries.add(root.dentry, name, inode)};
}

Task<SysResult<>> mount_and_move(Zone& zone, Ref<BlockDevice> device, bool read_only) {
    Vfs& vfs = *zone.vfs;
    Ref<DiskFs> fs = PITH_CO_TRY(co_await vfs.file_servers->mount(device, read_only));
    auto dentry = Ref<Dentry>::make(nullptr, "", fs->root());
    const Ref<Mount> old_root = vfs.root_mount;
    vfs.root_mount = Ref<Mount>::make(fs, dentry, nullptr, nullptr, read_only ? kMountReadOnly : 0u,
                                      "/dev/" + device->name);
    vfs.root_mount->number = vfs.next_mount_number++;
    std::vector<Ref<Mount>> moved{vfs.root_mount};
    PITH_CO_TRY(co_await find_directory(vfs, "dev"));  // without it there is no console
    for (const Ref<Mount>& mount : vfs.mounts) {
        if (mount == old_root) continue;
        if (mount->parent == old_root) {
            const SysResult<Path> point = co_await find_directory(vfs, mount->point->name());
            if (!point.ok()) continue;
            mount->move_to(point.value());
        }
        moved.push_back(mount);
    }
    vfs.mounts = std::move(moved);
    if (const SysResult<Path> run = co_await find_directory(vfs, "run"); run.ok()) {
        Ref<TmpFs> memory = PITH_CO_TRY(
            TmpFs::create(zone, vfs.anonymous_device(), "tmpfs", zone.frames.total() / 8, 0755));
        PITH_CO_TRY(vfs.attach(memory, run.value(), kMountNoSetuid | kMountNoDevices, "tmpfs"));
    }
    co_return SysResult<>();
}

Task<SysResult<>> find_and_mount(Zone& zone, std::string_view name) {
    Vfs& vfs = *zone.vfs;
    SysResult<Path> place = co_await find_directory(vfs, name);
    if (place.error() == Errno::ENOENT && vfs.file_servers->find(*vfs.root_mount->file_system) == nullptr) {
        PITH_CO_TRY(PITH_AWAIT(vfs.root().inode().create(name, {S_DIRECTORY | 0755, 0, 0, 0})));
        place = co_await find_directory(vfs, name);
    }
    if (!place.ok()) place = co_await find_directory(vfs, "mnt");
    if (!place.ok()) co_return Errno::ENOTDIR;
    Ref<DiskFs> fs = PITH_CO_TRY(co_await vfs.file_servers->mount_share(false));
    PITH_CO_TRY(vfs.attach(fs, place.value(), 0, DiskMounts::kShare));
    co_return SysResult<>();
}

void tell(Zone& zone, const std::string& text) {
    write_kernel_log(zone, "<3>" + text);
    const std::string line = "pith: " + text;
    if (zone.vfs->console)
        static_cast<void>(zone.vfs->console->write(ConsoleStream::error,
                                                   {reinterpret_cast<const u8*>(line.data()), line.size()}));
}

const char* describe(Errno error) {
    switch (error) {
        case Errno::ENXIO: return "there is no such disk";
        case Errno::EINVAL: return "it has no file system of a known kind";
        case Errno::EROFS:
        case Errno::EACCES: return "it may only be read";
        case Errno::ENOENT:
        case Errno::ENOTDIR: return "it has no directory /dev";
        case Errno::ENODEV: return "there is no file server";
        default: return "it cannot be read";
    }
}

}  // namespace

SysResult<> mount_root(Zone& zone, std::string_view name) {
    BlockDevice* device = find_device(*zone.vfs, name);
    const bool read_only = device != nullptr && device->disk.read_only();
    SysResult<> done = Errno::ENXIO;
    if (!zone.vfs->file_servers) done = Errno::ENODEV;
    else if (device != nullptr)
        done = wait_here(zone.services->loop, mount_and_move(zone, Ref<BlockDevice>(device), read_only));
    if (done.ok()) return done;
    tell(zone, std::string(name) + " cannot be the root: " + describe(done.error()) + '\n');
    end_zone(zone, EndKind::exited, kStatus);
    return done;
}

void mount_share(Zone& zone, std::string_view place) {
    place.remove_prefix(std::min(place.find_first_not_of('/'), place.size()));
    if (!zone.services->share.valid()) return;
    const SysResult<> done = wait_here(zone.services->loop, find_and_mount(zone, place));
    if (done.ok()) return;
    const char* why = done.error() == Errno::ENOTDIR  ? "there is no directory for it"
                      : done.error() == Errno::ENOENT ? "there is no such device"
                                                      : "it cannot be read";
    tell(zone, std::string("the shared folder cannot be mounted: ") + why + '\n');
}

}  // namespace pith::lx
