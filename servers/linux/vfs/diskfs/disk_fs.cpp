// SPDX-License-Identifier: MIT
// Mounting and unmounting; the inodes that are known.
#include "servers/linux/vfs/diskfs/disk_fs.hpp"

#include <algorithm>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {
constexpr u64 kExt4Magic = 0xef53, k9pMagic = 0x01021997, kMemoryMagic = 0x70697468;
constexpr abi::Time kDelay = 5 * kSecond;  ///< that dirty pages stay in memory
constexpr abi::Time kSharedDelay = kSecond;
}  // namespace

DiskFs::DiskFs(Zone& of, DiskMounts& mounts, Kind kind, u32 slot, Ref<BlockDevice> block_device)
    : FileSystem(of, block_device ? block_device->device : of.vfs->anonymous_device()),
      mounts_(mounts),
      kind_(kind),
      slot_(slot),
      device_(std::move(block_device)),
      client_(std::make_unique<FsClient>(kind == Kind::disk    ? of.services->fs
                                         : kind == Kind::share ? of.services->share
                                                               : of.services->memory_fs,
                                         slot)) {
    shared = kind == Kind::share;
    if (device_) ++device_->opens;
}

DiskFs::~DiskFs() {
    flusher_.cancel();
    if (device_) --device_->opens;
}

Task<SysResult<>> DiskFs::attach(Ref<DiskFs> self, bool read_only) {
    u64 session = 0;
    self->zone.random(&session, sizeof session);
    Fs::Attach where{0, 0, 0, read_only ? u64{Fs::kReadOnly} : u64{0}};
    if (const BlockDevice* device = self->device_.get(); device != nullptr)
        where = {device->disk.index, device->first, device->sectors, where.flags};
    const Result<> done = co_await self->client_->attach(self->zone.services->loop.signal(),
                                                         self->mounts_.bit(), session, where);
    if (done.error() == Error::occupied) co_return Errno::EBUSY;
    if (done.error() == Error::not_found) co_return Errno::ENXIO;
    if (done.error() == Error::unsupported) co_return Errno::EINVAL;
    if (!done.ok()) co_return fs_errno(done.error());
    self->read_only_ = read_only;
    self->attached_ = true;
    if (self->root_) co_return SysResult<>();
    const Result<Fs::Attributes> root = co_await self->client_->attributes(self->client_->attached().root);
    if (!root.ok()) {
        static_cast<void>(co_await self->client_->detach());
        self->attached_ = false;
        co_return fs_errno(root.error());
    }
    self->root_ = self->add(Ref<DiskDirectory>::make(*self, root.value()));
    co_return SysResult<>();
}

Task<SysResult<>> DiskFs::remount(Ref<DiskFs> self, bool read_only) {
    if (read_only == self->read_only_) co_return SysResult<>();
    if (self->leaving_ || (read_only && self->writers != 0)) co_return Errno::EBUSY;
    if (!read_only && self->device_ && (self->device_->read_only || self->device_->disk.read_only()))
        co_return Errno::EACCES;
    // New changes wait for nothing but this: there are none while it may only be read.
    const bool before = std::exchange(self->read_only_, true);
    if (read_only) {
        if (const SysResult<> done = co_await make_durable(self); !done.ok()) {
            self->read_only_ = before;
            co_return done;
        }
    }
    static_cast<void>(co_await self->client_->detach());
    self->attached_ = false;
    SysResult<> done = co_await attach(self, read_only);
    if (!done.ok() && !(co_await attach(self, before)).ok()) done = Errno::EIO;
    co_return done;
}

Task<SysResult<>> DiskFs::shut_down(Ref<DiskFs> self) {
    if (!self->attached_ || self->leaving_) co_return SysResult<>();
    self->leaving_ = true;
    SysResult<> result = co_await make_durable(self);
    self->flusher_.cancel();
    self->zone.vfs->dentries.shrink(self.get());
    self->let_all_go();
    const Result<> done = co_await self->client_->detach();
    if (!done.ok()) result = fs_errno(done.error());
    self->attached_ = false;
    self->root_ = nullptr;
    self->mounts_.remove(*self);
    co_return result;
}

void DiskFs::unmounted() {
    if (!attached_ || leaving_) return;
    static_cast<void>(spawn([](Ref<DiskFs> self) -> Task<void> {
        static_cast<void>(co_await shut_down(self));
    }(Ref<DiskFs>(this))));
}

Async<FileSystemUsage> DiskFs::usage() {
    return [](Ref<DiskFs> self) -> Task<SysResult<FileSystemUsage>> {
        const Result<Fs::Statistics> now = co_await self->client_->statistics();
        if (!now.ok()) co_return fs_errno(now.error());
        const Fs::Statistics& told = now.value();
        FileSystemUsage usage;
        usage.magic = self->kind_ == Kind::disk    ? kExt4Magic
                      : self->kind_ == Kind::share ? k9pMagic
                                                   : kMemoryMagic;
        usage.block_size = told.block_size;
        usage.blocks = told.blocks;
        // What is in the cache only takes room too.
        const u64 promised = (self->promised_pages + self->pages_under_way) * kPageSize /
                             std::max<u64>(told.block_size, 1);
        usage.blocks_free = told.free - std::min(told.free, promised);
        usage.blocks_available = told.available - std::min(told.available, promised);
        usage.files = told.files;
        usage.files_free = told.free_files;
        co_return usage;
    }(Ref<DiskFs>(this));
}

PageCache& DiskFs::page_cache() const { return *zone.page_cache; }

u32 DiskFs::transfer_pages() const {
    return std::max<u32>(client_->max_transfer() / static_cast<u32>(kPageSize), 1);
}

Errno DiskFs::errno_of(Error error) const {
    return shared && error == Error::access ? Errno::EACCES : fs_errno(error);
}

// Inodes

DiskInode* DiskFs::find(const Fs::FileId& id) const {
    DiskInode* at = buckets_[id.number % kBuckets];
    while (at != nullptr && !(at->id() == id)) at = at->bucket_next_;
    return at;
}

Ref<Inode> DiskFs::add(Ref<DiskInode> made) {
    DiskInode*& bucket = buckets_[made->id().number % kBuckets];
    made->bucket_next_ = bucket;
    bucket = made.get();
    keep(*made);
    return made;
}

void DiskFs::forget(DiskInode& inode) {
    for (DiskInode** at = &buckets_[inode.id().number % kBuckets]; *at != nullptr;
         at = &(*at)->bucket_next_) {
        if (*at != &inode) continue;
        *at = inode.bucket_next_;
        return;
    }
}

void DiskFs::keep(DiskInode& inode) {
    if (leaving_ || inode.links == 0) return;
    const Ref<DiskInode> held(&inode);
    let_go(inode);
    inode.keeper_ = Ref<DiskInode>(&inode);
    inode.older_ = newest_;
    inode.newer_ = nullptr;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = &inode;
    newest_ = &inode;
    ++kept_;
    // Those that are only kept go; what is in use or dirty stays, and is looked at again when it was used least once more.
    for (usize tries = 4; tries > 0 && (kept_ > kKept || heap_low()) && oldest_ != &inode; --tries) {
        DiskInode& oldest = *oldest_;
        const bool busy = oldest.ref_count() > 1 ||
                          (oldest.regular() && static_cast<DiskFile&>(oldest).dirty()) ||
                          (!oldest.access_time_told() && !read_only());
        if (!busy) {
            let_go(oldest);
            continue;
        }
        const Ref<DiskInode> idle(&oldest);
        if (oldest.ref_count() == 2 && !oldest.access_time_told() && !read_only()) {
            static_cast<void>(spawn([](Ref<DiskInode> inode_told) -> Task<void> {
                static_cast<void>(co_await inode_told->tell_access_time());
            }(idle)));
        }
        oldest_ = oldest.newer_;
        (oldest_ != nullptr ? oldest_->older_ : newest_) = nullptr;
        oldest.older_ = newest_;
        oldest.newer_ = nullptr;
        (newest_ != nullptr ? newest_->newer_ : oldest_) = &oldest;
        newest_ = &oldest;
    }
}

void DiskFs::let_go(DiskInode& inode) {
    if (!inode.keeper_) return;
    (inode.newer_ != nullptr ? inode.newer_->older_ : newest_) = inode.older_;
    (inode.older_ != nullptr ? inode.older_->newer_ : oldest_) = inode.newer_;
    --kept_;
    const Ref<DiskInode> last = std::move(inode.keeper_);
}

void DiskFs::let_all_go() {
    while (oldest_ != nullptr) let_go(*oldest_);
}

Ref<Inode> DiskFs::new_link(const Fs::Attributes& attributes, std::string target) {
    return add(Ref<DiskSymlink>::make(*this, attributes, std::move(target)));
}

Task<SysResult<Ref<Inode>>> DiskFs::inode(const Fs::Attributes& attributes, u64 asked) {
    const Ref<DiskFs> self(this);
    if (DiskInode* known = find(attributes.id)) {
        if (shared) known->take(attributes, asked);
        keep(*known);
        co_return Ref<Inode>(known);
    }
    if (heap_low()) co_return Errno::ENOMEM;
    switch (attributes.mode & S_TYPE) {
        case S_DIRECTORY: co_return add(Ref<DiskDirectory>::make(*this, attributes));
        case S_REGULAR: co_return add(Ref<DiskFile>::make(*this, attributes));
        case S_SYMLINK: break;
        default: co_return add(Ref<DiskInode>::make(*this, attributes));
    }
    // A link's target comes with it, so that a walk never waits for it.
    const Fs::Attributes link = attributes;
    std::string target(std::min<usize>(static_cast<usize>(link.size), Fs::kMaxTarget), '\0');
    const Result<usize> length = co_await client_->read_link(link.id, {target.data(), target.size()});
    if (!length.ok()) co_return fs_errno(length.error());
    target.resize(std::min<usize>(length.value(), target.size()));
    if (DiskInode* known = find(link.id)) co_return Ref<Inode>(known);
    co_return new_link(link, std::move(target));
}

// Writing back

void DiskFs::dirtied(DiskFile& file) {
    dirty_files_.insert(&file);
    if (!flusher_.armed()) flusher_.arm(zone.now() + (shared ? kSharedDelay : kDelay));
}

void DiskFs::cleaned(DiskFile& file) {
    dirty_files_.erase(&file);
    // A timer that is armed costs each receive of the event loop.
    if (dirty_files_.empty()) flusher_.cancel();
}

bool DiskFs::room_for(u64 bytes) {
    constexpr u64 kMargin = 512 << 10;
    const u64 promised = (promised_pages + pages_under_way) * kPageSize + bytes;
    return promised + promised / 32 + kMargin <= client_->available();
}

void DiskFs::start_writing() {
    if (leaving_ || !attached_) return;
    flush_again_ = true;
    if (flushing_) return;
    flushing_ = spawn(write_in_background(Ref<DiskFs>(this))) && flushing_;
}

Task<void> DiskFs::write_in_background(Ref<DiskFs> self) {
    self->flushing_ = true;
    while (std::exchange(self->flush_again_, false)) static_cast<void>(co_await make_room(self));
    self->flushing_ = false;
    if (!self->dirty_files_.empty() && !self->flusher_.armed())
        self->flusher_.arm(self->zone.now() + (self->shared ? kSharedDelay : kDelay));
}

Task<SysResult<>> DiskFs::write_back(Ref<DiskFs> self) {
    std::vector<Ref<DiskFile>> files;
    for (DiskFile* file : self->dirty_files_) files.emplace_back(file);
    for (const Ref<DiskFile>& file : files) static_cast<void>(co_await DiskFile::write_back(file));
    co_return SysResult<>();
}

Task<SysResult<>> DiskFs::make_room(Ref<DiskFs> self) {
    static_cast<void>(co_await write_back(self));
    PageCache& cache = self->page_cache();
    if (cache.unsettled <= cache.dirty_limit() / 2) co_return SysResult<>();
    const Result<> done = co_await self->client_->commit();
    co_return fs_errno(done.error());
}

Task<SysResult<>> DiskFs::tell_access_times() {
    std::vector<Ref<DiskInode>> inodes;
    for (DiskInode* at = newest_; at != nullptr; at = at->older_)
        if (!at->access_time_told()) inodes.emplace_back(at);
    for (const Ref<DiskInode>& inode : inodes)
        if (inode->links != 0) static_cast<void>(co_await inode->tell_access_time());
    co_return SysResult<>();
}

Task<SysResult<>> DiskFs::make_durable(Ref<DiskFs> self) {
    if (!self->attached_) co_return SysResult<>();
    static_cast<void>(co_await write_back(self));
    if (!self->client_->read_only()) static_cast<void>(co_await self->tell_access_times());
    const Result<> done = co_await self->client_->commit();
    const SysResult<> kept = self->told_losses(self->seen_losses_);
    if (!done.ok()) co_return fs_errno(done.error());
    co_return kept;
}

SysResult<> DiskFs::told_losses(u64& seen) const {
    const u64 losses = client_->losses();
    if (std::exchange(seen, losses) != losses) return Errno::EIO;
    return {};
}

Async<> DiskFs::synchronise() { return make_durable(Ref<DiskFs>(this)); }

}  // namespace pith::lx
