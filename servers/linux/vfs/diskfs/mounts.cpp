// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/diskfs/mounts.hpp"

#include <algorithm>

#include "servers/linux/services.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

DiskMounts::DiskMounts(Zone& of) : zone_(of) {
    EventLoop& loop = of.services->loop;
    bit_ = loop.allocate_signal_bit();
    loop.on_signal(bit_, [this](u64) {
        for (usize i = 0; i < mounted_.size(); ++i) mounted_[i]->client().look();
    });
    loop.on_signal(kSignalReborn, [this](u64) {
        for (usize i = 0; i < mounted_.size(); ++i) mounted_[i]->client().reborn();
    });
}

Task<SysResult<Ref<DiskFs>>> DiskMounts::mount(Ref<BlockDevice> device, bool read_only) {
    // The file server has disks of one kind.
    if (device->disk.kind != DiskKind::virtio) co_return Errno::ENXIO;
    bool taken[Fs::kMaxMounts] = {};
    for (const Ref<DiskFs>& fs : mounted_) {
        if (fs->kind() != DiskFs::Kind::disk) continue;
        taken[fs->slot()] = true;
        if (&fs->block_device() != device.get()) continue;
        if (!fs->attached() || fs->mounts == 0 || fs->read_only() != read_only) co_return Errno::EBUSY;
        co_return fs;
    }
    const auto slot = static_cast<u32>(std::ranges::find(taken, false) - taken);
    if (slot == Fs::kMaxMounts) co_return Errno::EBUSY;
    if (!read_only && (device->read_only || device->disk.read_only())) co_return Errno::EACCES;
    co_return co_await add(Ref<DiskFs>::make(zone_, *this, DiskFs::Kind::disk, slot, device), read_only);
}

Task<SysResult<Ref<DiskFs>>> DiskMounts::mount_only(DiskFs::Kind kind, bool read_only) {
    for (const Ref<DiskFs>& fs : mounted_) {
        if (fs->kind() != kind) continue;
        if (!fs->attached() || fs->mounts == 0 || fs->read_only() != read_only) co_return Errno::EBUSY;
        co_return fs;
    }
    SysResult<Ref<DiskFs>> mounted = co_await add(Ref<DiskFs>::make(zone_, *this, kind, 0u, nullptr),
                                                  read_only);
    if (mounted.error() == Errno::ENXIO) co_return Errno::ENOENT;
    co_return mounted;
}

Task<SysResult<Ref<DiskFs>>> DiskMounts::add(Ref<DiskFs> fs, bool read_only) {
    mounted_.push_back(fs);
    const SysResult<> attached = co_await DiskFs::attach(fs, read_only);
    if (!attached.ok()) {
        remove(*fs);
        co_return attached.error();
    }
    co_return fs;
}

void DiskMounts::remove(DiskFs& fs) {
    std::erase_if(mounted_, [&](const Ref<DiskFs>& other) { return other.get() == &fs; });
}

DiskFs* DiskMounts::find(const FileSystem& file_system) const {
    for (const Ref<DiskFs>& fs : mounted_)
        if (fs.get() == &file_system) return fs.get();
    return nullptr;
}

bool DiskMounts::start_writing() {
    for (const Ref<DiskFs>& fs : mounted_) fs->start_writing();
    return zone_.page_cache->dirty + zone_.page_cache->unsettled != 0;
}

Task<SysResult<>> DiskMounts::shut_down() {
    SysResult<> result;
    for (const Ref<DiskFs>& fs : std::vector<Ref<DiskFs>>(mounted_)) {
        const SysResult<> done = co_await DiskFs::shut_down(fs);
        if (!done.ok()) result = done;
    }
    co_return result;
}

}  // namespace pith::lx
