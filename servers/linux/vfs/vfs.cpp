// SPDX-License-Identifier: MIT
// The file side of a zone as a whole: start, mounts, programs.
#include "servers/linux/vfs/vfs.hpp"

#include <algorithm>

#include "servers/linux/services.hpp"
#include "servers/linux/vfs/dev/device.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/vfs/tmpfs/tmpfs.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/tty/pty.hpp"
#include "servers/linux/wait_here.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// The file system of what has no name: pipes, epoll sets, memfds.
class AnonymousFileSystem : public FileSystem {
  public:
    AnonymousFileSystem(Zone& of, u64 number) : FileSystem(of, number) {}
    std::string_view type() const override { return "anon"; }
    Ref<Inode> root() override { return nullptr; }
    Async<FileSystemUsage> usage() override {
        FileSystemUsage usage;
        usage.magic = 0x09041934;
        return usage;
    }
};

class AnonymousRoot : public Inode {
  public:
    explicit AnonymousRoot(FileSystem& of) : Inode(of, 0, S_DIRECTORY | 0555) {}
};

}  // namespace

Vfs::Vfs(Zone& of) : zone(of) {
    anonymous_ = Ref<AnonymousFileSystem>::make(of, anonymous_device());
    auto root = Ref<Dentry>::make(nullptr, "", Ref<AnonymousRoot>::make(*anonymous_));
    anonymous_mount_ = Ref<Mount>::make(anonymous_, root, nullptr, nullptr, 0u, "anon");
    ptys = std::make_unique<PtyTable>(of);
}

Vfs::~Vfs() = default;

Timespec Vfs::now() const { return anonymous_->now(); }

Path Vfs::anonymous_path(Ref<Inode> inode, std::string_view name) {
    return {anonymous_mount_, Ref<Dentry>::make(nullptr, name, std::move(inode))};
}

Path Vfs::anonymous_inode(std::string_view name) {
    if (!plain_inode_) plain_inode_ = Ref<Inode>::make(*anonymous_, next_pipe_number++, 0600u);
    return anonymous_path(plain_inode_, "anon_inode:" + std::string(name));
}

SysResult<> Vfs::start(Zone& zone, std::span<const u8> bundle, FrameNumber first_frame) {
    auto* vfs = new Vfs(zone);
    zone.vfs = vfs;
    const u64 half = zone.frames.total() / 2;
    auto root = PITH_TRY(TmpFs::create(zone, vfs->anonymous_device(), "tmpfs", half, 0755));
    PITH_CHECK(load_bundle(*root, bundle, first_frame));
    for (const char* name : {"dev", "proc", "tmp", "root", "sys", "run", "mnt", "etc"}) {
        const u32 mode = std::string_view(name) == "tmp"    ? 01777
                         : std::string_view(name) == "root" ? 0700
                                                            : 0755;
        const SysResult<Ref<Inode>> known = root->root()->lookup(name).take();
        if (!known.ok()) PITH_TRY(root->root()->create(name, {S_DIRECTORY | mode, 0, 0, 0}).take());
    }
    auto dentry = Ref<Dentry>::make(nullptr, "", root->root());
    vfs->root_mount = Ref<Mount>::make(root, dentry, nullptr, nullptr, 0u, "root");
    vfs->root_mount->number = vfs->next_mount_number++;
    vfs->mounts.push_back(vfs->root_mount);
    PITH_CHECK(vfs->mount_standard());

    vfs->console = std::make_unique<ConsoleLink>(zone.services->console);
    if (vfs->console->connect(zone.services->loop, zone.reborn).ok()) {
        vfs->console->tty = Ref<ConsoleTty>::make(zone, *vfs->console, make_device(4, 64));
    } else {
        vfs->console.reset();
    }
    if (zone.services->block.valid() || zone.services->nvme.valid()) {
        vfs->disks = std::make_unique<Disks>(zone);
        vfs->disks->start();
    }
    if (zone.services->fs.valid() || zone.services->share.valid() || zone.services->memory_fs.valid())
        vfs->file_servers = std::make_unique<DiskMounts>(zone);
    return {};
}

SysResult<> Vfs::mount_standard() {
    const auto directory = [&](const Path& parent, std::string_view name) -> SysResult<Path> {
        Ref<Inode> inode = PITH_TRY(parent.inode().lookup(name).take());
        return Path{parent.mount, dentries.add(parent.dentry, name, inode)};
    };
    auto devices = PITH_TRY(
        TmpFs::create(zone, anonymous_device(), "devtmpfs", zone.frames.total() / 2, 0755));
    PITH_CHECK(make_devices(*devices));
    const Path dev_point = PITH_TRY(directory(root(), "dev"));
    const Ref<Mount> dev = PITH_TRY(attach(devices, dev_point, kMountNoSetuid, "devtmpfs"));
    device_mount = dev;
    const Path pts_point = PITH_TRY(directory(Path{dev, dev->root}, "pts"));
    PITH_TRY(
        attach(make_devpts(zone, anonymous_device()), pts_point, kMountNoSetuid | kMountNoExecute, "devpts"));
    const Path proc_point = PITH_TRY(directory(root(), "proc"));
    PITH_TRY(attach(make_proc(zone, anonymous_device()), proc_point,
                    kMountNoSetuid | kMountNoDevices | kMountNoExecute, "proc"));
    return {};
}

Ref<FsContext> Vfs::first_context() const {
    auto context = Ref<FsContext>::make();
    context->root = context->working = root();
    return context;
}

Mount* Vfs::mount_on(const Path& path) const {
    if (path.dentry->mounts == 0) return nullptr;
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
        if ((*mount)->point == path.dentry && (*mount)->parent == path.mount) return mount->get();
    }
    return nullptr;
}

SysResult<Ref<Mount>> Vfs::attach(Ref<FileSystem> file_system, const Path& at, u32 flags,
                                  std::string source) {
    auto dentry = Ref<Dentry>::make(nullptr, "", file_system->root());
    auto mount = Ref<Mount>::make(std::move(file_system), dentry, at.mount, at.dentry, flags,
                                  std::move(source));
    mount->number = next_mount_number++;
    mounts.push_back(mount);
    return mount;
}

SysResult<Ref<File>> Vfs::open_program(Thread& thread, i32 directory, std::string_view path, u32 at_flags) {
    const u32 walk_flags = ((at_flags & kAtSymlinkNoFollow) != 0 ? 0 : kFollow) |
                           ((at_flags & kAtEmptyPath) != 0 ? kEmptyPath : 0);
    const Path found = PITH_TRY(walk(thread, directory, path, walk_flags));
    Inode& inode = found.inode();
    if (inode.symlink()) return Errno::ELOOP;
    if (!inode.regular()) return Errno::EACCES;
    PITH_CHECK(check_access(thread.process.credentials, found, kMayExecute));
    PITH_CHECK(inode.deny_write());
    Async<Ref<File>> opened = inode.open(thread, found, O_READ_ONLY | O_LARGE_FILE);
    SysResult<Ref<File>> file = opened.ready() ? opened.take() : SysResult<Ref<File>>(Errno::EIO);
    if (file.ok()) file.value()->denies_write = true;
    else inode.allow_write();
    return file;
}

SysResult<Ref<File>> Vfs::open(Thread& thread, i32 directory, std::string_view path, u32 flags, u32 mode) {
    return wait_here(
        zone.services->loop,
        [](Thread& opener, i32 from, std::string_view name, u32 how, u32 bits) -> Task<SysResult<Ref<File>>> {
            Vfs& vfs = *opener.zone().vfs;
            while (true) {
                SysResult<Ref<File>> file = PITH_AWAIT(open_path(opener, from, name, how, bits));
                if (file.error() != kWalkWaits) {
                    vfs.drop_lookup(opener);
                    co_return file;
                }
                PITH_CO_CHECK(co_await vfs.finish_lookup(opener));
            }
        }(thread, directory, path, flags, mode));
}

SysResult<> Vfs::open_standard(Thread& thread) {
    static constexpr const char* kStreams[] = {"/dev/pith/stdin", "/dev/pith/stdout", "/dev/pith/stderr"};
    Ref<File> terminal;
    const u32 ttys = console ? console->ttys() : 0;
    for (i32 number = 0; number < 3; ++number) {
        Ref<File> file;
        if ((ttys >> number & 1) != 0) {
            // The serial line's name: a session's first open of it makes it the controlling terminal.
            if (!terminal) terminal = PITH_TRY(open(thread, kAtCwd, "/dev/ttyS0", O_READ_WRITE));
            file = terminal;
        } else {
            const char* name = console ? kStreams[number] : "/dev/null";
            file = PITH_TRY(open(thread, kAtCwd, name, number == 0 ? O_READ_ONLY : O_WRITE_ONLY));
        }
        PITH_CHECK(thread.process.files->set(number, file, false, 1024));
    }
    return {};
}

Errno Vfs::park_lookup(Thread& thread, const Path& directory, std::string_view name,
                       Task<SysResult<Ref<Inode>>> task) {
    Parked& parked = parked_[&thread];
    parked.answers.push_back({directory.dentry, std::string(name), Errno::ok, nullptr});
    parked.task = std::move(task);
    return kWalkWaits;
}

Errno Vfs::parked_error(Thread& thread, const Path& directory, std::string_view name) const {
    if (parked_.empty()) return Errno::ok;
    const auto parked = parked_.find(&thread);
    if (parked == parked_.end()) return Errno::ok;
    for (const Parked::Answer& answer : parked->second.answers)
        if (answer.error != Errno::ok && answer.directory == directory.dentry && answer.name == name)
            return answer.error;
    return Errno::ok;
}

bool Vfs::just_found(Thread& thread, const Dentry& dentry) const {
    const auto parked = parked_.find(&thread);
    return parked != parked_.end() &&
           std::ranges::any_of(parked->second.answers,
                               [&](const Parked::Answer& answer) { return answer.found.get() == &dentry; });
}

Task<SysResult<>> Vfs::finish_lookup(Thread& thread) {
    const DeviceWait waiting(thread);
    Task<SysResult<Ref<Inode>>> task = std::move(parked_[&thread].task);
    const SysResult<Ref<Inode>> inode = co_await std::move(task);
    Parked::Answer& answer = parked_[&thread].answers.back();
    answer.error = inode.error();
    if (inode.ok()) answer.found = dentries.add(answer.directory, answer.name, inode.value());
    else if (inode.error() == Errno::ENOENT) lookup_failed(*answer.directory, answer.name);
    co_return SysResult<>();
}

/// There is no such name: it is remembered, unless others may make it; one that was there is gone.
void Vfs::lookup_failed(const Dentry& directory, std::string_view name) {
    const FileSystem& of = directory.inode()->file_system();
    if (of.remembers_absent()) dentries.set_absent(directory, name);
    if (!of.shared) return;
    if (const Ref<Dentry> gone = dentries.find(directory, name); gone && gone->mounts == 0)
        dentries.remove(*gone);
}

void Vfs::drop_lookup(Thread& thread) { parked_.erase(&thread); }

}  // namespace pith::lx
