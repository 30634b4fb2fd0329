// SPDX-License-Identifier: MIT
// The path walk.
#include "servers/linux/vfs/path.hpp"

#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/file_table.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// One walk. `at_` is where it is; `rest_` what is left of the path, or of a link's target and the path behind it.
class Walker {
  public:
    Walker(Thread& thread, u32 flags) : thread_(thread), vfs_(*thread.zone().vfs), flags_(flags) {}

    SysResult<> start(i32 directory, std::string_view path);
    /// Walks up to the last component, which is then in `last`.
    SysResult<> to_last(LastComponent& last);
    /// From the last component to what it names.
    SysResult<Path> resolve(LastComponent& last, bool follow);
    /// resolve() found everything but the last component itself.
    bool last_missing() const { return last_missing_; }

  private:
    /// Goes where `link`, found in at_, leads: either a path (then `rest_` is set), or at once (returns it).
    SysResult<Path> enter_link(const Path& link, std::string_view behind, bool slash);
    SysResult<> up();
    SysResult<> restart_from_root();

    Thread& thread_;
    Vfs& vfs_;
    u32 flags_;
    u32 links_ = 0;
    bool last_missing_ = false;
    Path root_;
    Path at_;
    std::string_view rest_;
    std::string text_;  ///< what rest_ points into, once a link was followed
};

SysResult<> Walker::start(i32 directory, std::string_view path) {
    FsContext& context = *thread_.process.fs;
    rest_ = path;
    root_ = context.root;
    const bool absolute = !path.empty() && path.front() == '/';
    if (absolute && (flags_ & (kBeneath | kInRoot)) == 0) {
        at_ = root_;
        return {};
    }
    if (directory == kAtCwd) {
        at_ = context.working;
    } else {
        File* file = thread_.process.files->find(directory);
        if (file == nullptr) return Errno::EBADF;
        if (!path.empty() && !file->inode().directory()) return Errno::ENOTDIR;
        at_ = file->path;
    }
    if ((flags_ & (kBeneath | kInRoot)) != 0) {
        root_ = at_;
        if (absolute && (flags_ & kBeneath) != 0) return Errno::EXDEV;
    }
    return {};
}

SysResult<> Walker::restart_from_root() {
    if ((flags_ & kBeneath) != 0) return Errno::EXDEV;
    if ((flags_ & kNoCrossing) != 0 && !(at_.mount == root_.mount)) return Errno::EXDEV;
    at_ = root_;
    return {};
}

SysResult<> Walker::up() {
    if (at_ == root_) return (flags_ & kBeneath) != 0 ? SysResult<>(Errno::EXDEV) : SysResult<>();
    while (at_.dentry == at_.mount->root && at_.mount->parent) {
        if ((flags_ & kNoCrossing) != 0) return Errno::EXDEV;
        at_ = Path{at_.mount->parent, at_.mount->point};
        if (at_ == root_) return {};
    }
    if (!at_.dentry->parent()) return {};
    at_.dentry = at_.dentry->parent();
    while (Mount* mount = vfs_.mount_on(at_)) at_ = Path{Ref<Mount>(mount), mount->root};
    return {};
}

SysResult<> Walker::to_last(LastComponent& last) {
    const Credentials& credentials = thread_.process.credentials;
    if (rest_.empty()) return Errno::ENOENT;
    if (rest_.front() == '/') {
        while (!rest_.empty() && rest_.front() == '/') rest_.remove_prefix(1);
        if (rest_.empty()) {
            last = {at_, "", LastComponent::Kind::root, false};
            return {};
        }
    }
    while (true) {
        const usize end = rest_.find('/');
        const std::string_view name = rest_.substr(0, end);
        usize next = end == rest_.npos ? rest_.size() : end;
        while (next < rest_.size() && rest_[next] == '/') ++next;
        const std::string_view behind = rest_.substr(next);
        if (!at_.inode().directory()) return Errno::ENOTDIR;
        PITH_CHECK(check_inode_access(credentials, at_.inode(), kMayExecute));
        if (name.size() > kNameMax) return Errno::ENAMETOOLONG;
        if (behind.empty()) {
            last.directory = at_;
            last.name = name;
            last.kind = name == "."    ? LastComponent::Kind::dot
                        : name == ".." ? LastComponent::Kind::dot_dot
                                       : LastComponent::Kind::normal;
            last.trailing_slash = end != rest_.npos;
            return {};
        }
        rest_ = behind;
        if (name == ".") continue;
        if (name == "..") {
            PITH_CHECK(up());
            continue;
        }
        Path child = PITH_TRY(look_up(thread_, at_, name));
        if (child.inode().symlink()) {
            Path target = PITH_TRY(enter_link(child, behind, true));
            if (!target) {  // rest_ is now the link's target with what was behind it
                while (!rest_.empty() && rest_.front() == '/') rest_.remove_prefix(1);
                continue;
            }
            child = std::move(target);
        } else if ((flags_ & kNoCrossing) != 0 && !(child.mount == at_.mount)) {
            return Errno::EXDEV;
        }
        if (!child.inode().directory()) return Errno::ENOTDIR;
        at_ = std::move(child);
    }
}

SysResult<Path> Walker::enter_link(const Path& link, std::string_view behind, bool slash) {
    if ((flags_ & kNoSymlinks) != 0 || ++links_ > kMaxSymlinks) return Errno::ELOOP;
    link.inode().touch_access();
    if (link.inode().magic_link()) {
        if ((flags_ & kNoMagicLinks) != 0) return Errno::ELOOP;
        if ((flags_ & (kBeneath | kInRoot)) != 0) return Errno::EXDEV;
        return link.inode().follow(thread_);
    }
    Async<std::string> read = link.inode().read_link(thread_);
    if (!read.ready()) return Errno::EIO;
    std::string text = PITH_TRY(read.take());
    if (text.empty()) return Errno::ENOENT;
    if (text.front() == '/') PITH_CHECK(restart_from_root());
    if (slash) text += '/';
    text += behind;
    text_ = std::move(text);
    rest_ = text_;
    return Path{};
}

SysResult<Path> Walker::resolve(LastComponent& last, bool follow) {
    while (true) {
        at_ = last.directory;
        switch (last.kind) {
            case LastComponent::Kind::root:
            case LastComponent::Kind::dot: return at_;
            case LastComponent::Kind::dot_dot: PITH_CHECK(up()); return at_;
            case LastComponent::Kind::normal: break;
        }
        SysResult<Path> answer = look_up(thread_, at_, last.name);
        last_missing_ = answer.error() == Errno::ENOENT;
        Path found = PITH_TRY(std::move(answer));
        if (found.inode().symlink() && (follow || last.trailing_slash)) {
            Path target = PITH_TRY(enter_link(found, "", last.trailing_slash));
            if (!target) {
                PITH_CHECK(to_last(last));
                continue;
            }
            found = std::move(target);
        } else if ((flags_ & kNoCrossing) != 0 && !(found.mount == at_.mount)) {
            return Errno::EXDEV;
        }
        if (last.trailing_slash && !found.inode().directory()) return Errno::ENOTDIR;
        return found;
    }
}

}  // namespace

SysResult<Path> look_up(Thread& thread, const Path& directory, std::string_view name) {
    Vfs& vfs = *thread.zone().vfs;
    Ref<Dentry> dentry = vfs.dentries.find(*directory.dentry, name);
    if (!dentry || !(dentry->current() || vfs.just_found(thread, *dentry))) {
        if (vfs.dentries.absent(*directory.dentry, name)) return Errno::ENOENT;
        if (const Errno known = vfs.parked_error(thread, directory, name); known != Errno::ok) return known;
        Async<Ref<Inode>> answer = directory.inode().lookup(name);
        if (!answer.ready()) return vfs.park_lookup(thread, directory, name, answer.task());
        Ref<Inode> inode = PITH_TRY(answer.take());
        dentry = vfs.dentries.add(directory.dentry, name, inode);
    }
    Path path{directory.mount, std::move(dentry)};
    while (path.dentry->mounts != 0) {
        Mount* mount = vfs.mount_on(path);
        if (mount == nullptr) break;
        path = Path{Ref<Mount>(mount), mount->root};
    }
    return path;
}

SysResult<Path> walk(Thread& thread, i32 directory, std::string_view path, u32 flags) {
    Walker walker(thread, flags);
    if (path.empty() && (flags & kEmptyPath) != 0) {
        if (directory == kAtCwd) return thread.process.fs->working;
        return PITH_TRY(thread.process.files->get(directory))->path;
    }
    PITH_CHECK(walker.start(directory, path));
    LastComponent last;
    PITH_CHECK(walker.to_last(last));
    return walker.resolve(last, (flags & kFollow) != 0);
}

SysResult<LastComponent> walk_to_last(Thread& thread, i32 directory, std::string_view path, u32 flags) {
    Walker walker(thread, flags);
    PITH_CHECK(walker.start(directory, path));
    LastComponent last;
    PITH_CHECK(walker.to_last(last));
    return last;
}

SysResult<OpenTarget> walk_to_open(Thread& thread, i32 directory, std::string_view path, u32 flags) {
    Walker walker(thread, flags);
    PITH_CHECK(walker.start(directory, path));
    OpenTarget target;
    PITH_CHECK(walker.to_last(target.last));
    SysResult<Path> found = walker.resolve(target.last, (flags & kFollow) != 0);
    if (found.ok()) {
        target.found = std::move(found).value();
    } else if (!walker.last_missing()) {
        return found.error();
    }
    return target;
}

bool may_try_to_create(Thread& thread, const LastComponent& last) {
    if (last.kind != LastComponent::Kind::normal || last.trailing_slash) return false;
    if (!last.directory.inode().file_system().remembers_absent() || !last.directory.dentry->linked())
        return false;
    return check_access(thread.process.credentials, last.directory, kMayWrite | kMayExecute).ok() &&
           !thread.zone().vfs->dentries.find(*last.directory.dentry, last.name);
}

bool reachable(const Path& path, const Path& root) {
    Path at = path;
    while (!(at == root)) {
        if (at.dentry == at.mount->root) {
            if (!at.mount->parent) return false;
            at = Path{at.mount->parent, at.mount->point};
        } else if (at.dentry->parent()) {
            at.dentry = at.dentry->parent();
        } else {
            return false;
        }
    }
    return true;
}

std::string path_name(const Path& path, const Path& root) {
    std::string name;
    Path at = path;
    while (!(at == root)) {
        if (at.dentry == at.mount->root) {
            if (!at.mount->parent) break;
            at = Path{at.mount->parent, at.mount->point};
            continue;
        }
        name.insert(0, at.dentry->name());
        if (!at.dentry->parent()) return name;  // nameless: pipe:[1]
        name.insert(0, "/");
        at.dentry = at.dentry->parent();
    }
    if (name.empty()) name = "/";
    if (!path.dentry->linked()) name += " (deleted)";
    return name;
}

}  // namespace pith::lx
