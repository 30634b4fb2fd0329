// SPDX-License-Identifier: MIT
// The file system in memory as a whole, and how the boot bundle becomes one.
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/heap_guard.hpp"

#include "abi/boot.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u64 kTmpfsMagic = 0x01021994;
}

TmpFs::TmpFs(Zone& of, u64 device, std::string_view type_name, u64 max_pages)
    : FileSystem(of, device), type_(type_name), max_pages_(max_pages) {}

TmpFs::~TmpFs() = default;

SysResult<Ref<TmpFs>> TmpFs::create(Zone& zone, u64 device, std::string_view type_name, u64 max_pages,
                                    u32 root_mode) {
    auto result = Ref<TmpFs>::make(zone, device, type_name, max_pages);
    result->zero_ = PITH_TRY(zone.frames.allocate());
    PITH_CHECK(result->inode_made());
    result->root_ = Ref<TmpDirectory>::make(*result, S_DIRECTORY | root_mode);
    return result;
}

Async<FileSystemUsage> TmpFs::usage() {
    FileSystemUsage usage;
    usage.magic = kTmpfsMagic;
    usage.blocks = max_pages_;
    usage.blocks_free = std::min(max_pages_ - std::min(used_pages_, max_pages_), zone.frames.free());
    usage.files = max_inodes_;
    usage.files_free = max_inodes_ - inodes_;
    return usage;
}

SysResult<FrameRef> TmpFs::allocate_page() {
    if (used_pages_ >= max_pages_ || heap_low()) return Errno::ENOSPC;
    auto page = zone.frames.allocate();
    if (!page.ok()) return page.error() == Errno::ENOMEM ? Errno::ENOSPC : page.error();
    ++used_pages_;
    return page;
}

SysResult<> TmpFs::inode_made() {
    if (inodes_ >= max_inodes_ || heap_low()) return Errno::ENOSPC;
    ++inodes_;
    return {};
}

TmpInode::TmpInode(TmpFs& of, u32 file_mode) : Inode(of, of.next_number(), file_mode), keeps_(&of) {}

TmpInode::~TmpInode() { keeps_->inode_gone(); }

Ref<Inode> TmpFs::make_bundle_file(u32 mode, FrameNumber first, u64 size) {
    auto file = Ref<TmpFile>::make(*this, S_REGULAR | mode);
    file->content().set_bundle(first, (size + kPageSize - 1) / kPageSize);
    file->set_size(static_cast<i64>(size));
    return file;
}

SysResult<Ref<Inode>> TmpFs::make_unnamed(const NewFile& file) {
    PITH_CHECK(inode_made());
    auto inode = Ref<TmpFile>::make(*this, file.mode);
    inode->uid = file.uid;
    inode->gid = file.gid;
    inode->links = 0;
    return Ref<Inode>(inode);
}

namespace {

constexpr std::string_view kPrefix = "rootfs/";

/// The directory at `path` ("" is the root), made if it is not there.
TmpDirectory* make_directories(TmpFs& file_system, std::string_view path) {
    auto* at = static_cast<TmpDirectory*>(file_system.root().get());
    while (!path.empty()) {
        const usize end = path.find('/');
        const std::string_view name = path.substr(0, end);
        path = end == path.npos ? std::string_view() : path.substr(end + 1);
        if (name.empty()) continue;
        Inode* next = at->find(name);
        if (next == nullptr) {
            auto made = at->create(name, NewFile{S_DIRECTORY | 0755, 0, 0, 0}).take();
            if (!made.ok()) return nullptr;
            next = made.value().get();
        }
        if (!next->directory()) return nullptr;
        at = static_cast<TmpDirectory*>(next);
    }
    return at;
}

SysResult<> load_entry(TmpFs& file_system, const abi::BundleEntry& entry, std::string_view path,
                       const u8* segment, FrameNumber segment_frame) {
    while (!path.empty() && path.back() == '/') path.remove_suffix(1);
    const usize slash = path.rfind('/');
    const std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
    TmpDirectory* parent = make_directories(file_system, slash == path.npos ? "" : path.substr(0, slash));
    if (parent == nullptr) return Errno::ENOTDIR;
    Inode* known = name.empty() ? parent : parent->find(name);
    Ref<Inode> inode;
    if (entry.kind == abi::BundleKind::directory) {
        inode = Ref<Inode>(make_directories(file_system, path));
        if (!inode) return Errno::ENOTDIR;
        inode->mode = S_DIRECTORY | (entry.mode & 07777);
    } else {
        if (name.empty() || (known != nullptr && known->directory())) return Errno::EISDIR;
        if (known != nullptr) PITH_CHECK(parent->unlink(name, *known).take());
        PITH_CHECK(file_system.inode_made());
        if (entry.kind == abi::BundleKind::symlink) {
            const std::string_view target(reinterpret_cast<const char*>(segment) + entry.offset, entry.size);
            inode = Ref<TmpSymlink>::make(file_system, target);
        } else {
            const auto frame = segment_frame + static_cast<FrameNumber>(entry.offset / kPageSize);
            inode = file_system.make_bundle_file(entry.mode & 07777, frame, entry.size);
        }
        parent->add(name, inode);
    }
    inode->access_time = inode->modify_time = inode->change_time = {entry.mtime, 0};
    return {};
}

}  // namespace

SysResult<> load_bundle(TmpFs& file_system, std::span<const u8> bundle, FrameNumber first) {
    usize at = 0;
    while (bundle.size() - at >= sizeof(abi::BundleHeader)) {
        const u8* segment = bundle.data() + at;
        const auto& header = *reinterpret_cast<const abi::BundleHeader*>(segment);
        const usize room = bundle.size() - at;
        if (header.magic != abi::kBundleMagic || header.size > room || header.size < sizeof header) break;
        const auto* entries = reinterpret_cast<const abi::BundleEntry*>(segment + sizeof header);
        const usize names_at = sizeof header + usize{header.entries} * sizeof(abi::BundleEntry);
        if (names_at + header.names_size > header.size) return Errno::EINVAL;
        const std::string_view names(reinterpret_cast<const char*>(segment) + names_at, header.names_size);
        const auto frame = first + static_cast<FrameNumber>(at / kPageSize);
        for (u32 i = 0; i < header.entries; ++i) {
            const abi::BundleEntry& entry = entries[i];
            if (u64{entry.name_offset} + entry.name_length > names.size()) return Errno::EINVAL;
            if (entry.size > header.size || entry.offset > header.size - entry.size) return Errno::EINVAL;
            std::string_view name = names.substr(entry.name_offset, entry.name_length);
            if (!name.starts_with(kPrefix)) continue;
            name.remove_prefix(kPrefix.size());
            PITH_CHECK(load_entry(file_system, entry, name, segment, frame));
        }
        at += (header.size + kPageSize - 1) / kPageSize * kPageSize;
    }
    return {};
}

}  // namespace pith::lx
