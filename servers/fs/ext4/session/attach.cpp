// SPDX-License-Identifier: MIT
// Session: mounting and unmounting.
#include <algorithm>
#include <cstring>

#include "servers/fs/ext4/session/session.hpp"

namespace pith::ext4fs {

void Session::drop() {
    system_.reset();
    told_ = false;
    port_.close();
}

ext4::MountOptions Session::options(bool read_only) {
    ext4::MountOptions options;
    options.read_only = read_only;
    options.cache_blocks = limits_.cache_blocks;
    options.map_bytes = limits_.map_bytes;
    options.now = [](void* session) { return static_cast<Session*>(session)->time_; };
    options.context = this;
    options.observer = this;
    return options;
}

Result<u64> Session::attach(Request request) {
    if (request.place_size < std::max(sizeof(Fs::Attach), sizeof(Fs::Attached))) return Error::invalid;
    Fs::Attach where;
    std::memcpy(&where, place(request).data(), sizeof where);
    if ((where.flags & ~u64{Fs::kReadOnly}) != 0) return Error::invalid;
    port_.finish_reads();
    drop();
    if (port_.memory_short()) return Error::no_memory;
    ext4::BlockDevice* device = PITH_TRY(port_.open(where));
    auto mounted = ext4::FileSystem::mount(*device, options((where.flags & Fs::kReadOnly) != 0));
    if (!mounted.ok()) {
        if (mounted.error() == Error::io)
            port_.report("a file system cannot be mounted: it or its disk is broken");
        drop();
        return mounted.error();
    }
    system_ = std::move(mounted).value();
    const std::optional<u64> known = records_.committed(session_);
    last_ = finished_ = committing_ = committed_ = known.value_or(0);

    const auto root = system_->root();
    const auto statistics = system_->statistics();
    if (!root.ok() || !statistics.ok()) {
        drop();
        return Error::io;
    }
    const ext4::Volume& volume = system_->volume();
    Fs::Attached attached{};
    attached.root = {root.value().inode, root.value().generation};
    attached.committed = committed_;
    attached.block_size = volume.block_size();
    attached.max_file_size = volume.max_file_size();
    attached.flags = volume.read_only() ? Fs::kReadOnly : 0;
    attached.statistics = statistics_of(statistics.value());
    std::memcpy(attached.label, volume.super().s_volume_name, sizeof attached.label);
    // A session of which nothing was ever committed holds nothing that is on the disk.
    reap_ = !known && !volume.read_only();
    recovered_ = !known;
    return put(request, attached);
}

Result<u64> Session::detach() {
    // What could not be removed stays in the list of orphans.
    if (!system_->volume().read_only()) static_cast<void>(system_->release_all());
    const Result<u64> committed = sync();
    const Result<> left = system_->unmount();
    drop();
    if (!committed.ok() || !left.ok()) return Error::io;
    return u64{0};
}

}  // namespace pith::ext4fs
