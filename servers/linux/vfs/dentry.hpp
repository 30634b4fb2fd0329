// SPDX-License-Identifier: MIT
// Dentry: a name in a directory, as the server knows it; Mount: a file system at a place; Path: both, which is what
// a program means by a file. Dentries form a tree (each holds its parent), are found through a hash of
// (parent, name), and are kept for a while after their last use, so that a walk along a known path allocates nothing.
//
// Invariants: a linked dentry is in the hash, once for each (parent, name); unlink and rename change the tree
// together with the file system; a dentry that is used as a mount point cannot be removed (EBUSY).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "servers/linux/vfs/file_system.hpp"

namespace pith::lx {

class DentryCache;

class Dentry : public RefCounted {
  public:
    Dentry(Ref<Dentry> parent, std::string_view name, Ref<Inode> inode);
    ~Dentry() override;

    const Ref<Dentry>& parent() const { return parent_; }  ///< null: a file system's root
    std::string_view name() const { return name_; }
    const Ref<Inode>& inode() const { return inode_; }
    bool linked() const { return linked_; }  ///< false: removed; "(deleted)" in /proc
    u64 number() const { return number_; }   ///< never used again
    u32 mounts = 0;                          ///< mounts on it
    /// What it says is so; false: it is to be looked up again.
    bool current() const;

  private:
    friend class DentryCache;
    Ref<Dentry> parent_;
    std::string name_;
    Ref<Inode> inode_;
    DentryCache* cache_ = nullptr;
    u64 number_;
    u32 hash_ = 0;
    u64 confirmed_ = 0;  ///< when a shared file system has said that it is there
    bool linked_ = true;
    Dentry* hash_next_ = nullptr;
    Dentry* recent_next_ = nullptr;  ///< list of dentries that the cache holds
    Dentry* recent_previous_ = nullptr;
    Ref<Dentry> keeper_;  ///< the cache's reference, while cached_
    bool cached_ = false;
};

/// All dentries of a zone that are linked, by (parent, name); holds up to kKept of them itself.
class DentryCache {
  public:
    DentryCache();
    ~DentryCache();
    /// Null: not known (ask the file system).
    Ref<Dentry> find(const Dentry& parent, std::string_view name);
    /// It is known that there is no such name.
    bool absent(const Dentry& parent, std::string_view name) const;
    /// The file system has said so.
    void set_absent(const Dentry& parent, std::string_view name);
    /// It may be there now.
    void forget_absent(const Dentry& parent, std::string_view name);
    /// A new linked dentry, or the one that is there by now.
    Ref<Dentry> add(const Ref<Dentry>& parent, std::string_view name, const Ref<Inode>& inode);
    /// The name is gone: what refers to it sees it as deleted.
    void remove(Dentry& dentry);
    /// The same, when the file system has removed it and nothing is in its place.
    void removed(Dentry& dentry);
    /// It is now `name` in `parent`.
    void move(Dentry& dentry, const Ref<Dentry>& parent, std::string_view name);
    /// Two dentries change places.
    void exchange(Dentry& a, Dentry& b);
    /// Lets go of what only the cache holds: all of it, or what belongs to `file_system`.
    void shrink(FileSystem* file_system = nullptr);

  private:
    friend class Dentry;
    static constexpr usize kBuckets = 4096;
    static constexpr usize kKept = 4096;
    static constexpr usize kAbsent = 1024;
    /// A name that is not there. The parent is named by its number, and so not held.
    struct Absent {
        u64 parent = 0;
        std::string name;
    };
    static u32 hash(const Dentry& parent, std::string_view name);
    void insert(Dentry& dentry);
    void erase(Dentry& dentry);
    void keep(Dentry& dentry);
    void let_go(Dentry& dentry);

    Dentry* buckets_[kBuckets] = {};
    std::vector<Absent> absent_;      ///< by hash; a new one takes the place of an old one
    Dentry* recent_first_ = nullptr;  ///< most recently added
    Dentry* recent_last_ = nullptr;
    usize kept_ = 0;
};

/// Flags of a mount.
inline constexpr u32 kMountReadOnly = 1, kMountNoSetuid = 2, kMountNoDevices = 4, kMountNoExecute = 8;
inline constexpr u32 kMountNoAccessTime = 1024;
inline constexpr u32 kMountRemount = 32, kMountBind = 4096, kMountMove = 8192;

class Mount : public RefCounted {
  public:
    Mount(Ref<FileSystem> mounted, Ref<Dentry> mount_root, Ref<Mount> parent_mount, Ref<Dentry> mount_point,
          u32 mount_flags, std::string mount_source);
    ~Mount() override;
    const Ref<FileSystem> file_system;
    const Ref<Dentry> root;
    /// It is now on another directory.
    void move_to(const struct Path& place);
    Ref<Mount> parent;  ///< null: the root mount, or detached
    Ref<Dentry> point;
    u32 flags;
    std::string source;
    u32 number;  ///< its mount id
};

/// A place in the tree of names.
struct Path {
    Ref<Mount> mount;
    Ref<Dentry> dentry;
    explicit operator bool() const { return static_cast<bool>(dentry); }
    friend bool operator==(const Path&, const Path&) = default;
    Inode& inode() const { return *dentry->inode(); }
};

}  // namespace pith::lx
