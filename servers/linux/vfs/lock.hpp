// SPDX-License-Identifier: MIT
// File locks of one inode: byte ranges (fcntl: owned by a descriptor table, or by an open file description) and
// whole-file locks of flock (owned by a description). The two kinds do not see each other.
// Invariant: the ranges of one owner do not overlap, and neighbours of equal type are merged.
#pragma once

#include <vector>

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

struct RangeLock {
    i64 start = 0;
    i64 last = 0;  ///< inclusive
    bool exclusive = false;
    const void* owner = nullptr;
    i32 pid = 0;  ///< -1: of a description
};

inline constexpr i64 kLockEnd = 0x7fff'ffff'ffff'ffff;

class LockList {
  public:
    /// The first lock of somebody else that excludes `wanted`; null: none.
    const RangeLock* conflict(const RangeLock& wanted) const;
    /// Sets it, replacing what its owner has there. The caller has looked for conflicts.
    void set(const RangeLock& lock);
    void clear(const void* owner, i64 start, i64 last);
    /// True if waiting for `blocker` would close a circle of owners.
    static bool deadlock(const void* owner, const void* blocker);

    /// flock. False: somebody else's excludes it.
    bool lock_whole(const File& file, bool exclusive);
    void unlock_whole(const File& file);

    void release_owner(const void* owner);
    void release_description(const File& file);
    WaitQueue changed;

    /// Says who waits for whom while it exists, for deadlock().
    class Waiting {
      public:
        Waiting(const void* waiter, const void* blocker);
        ~Waiting();
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;

      private:
        const void* waiter_;
        const void* blocker_;
        Waiting* next_;
        friend class LockList;
    };

  private:
    struct Whole {
        const File* file;
        bool exclusive;
    };
    void cut(const void* owner, i64 start, i64 last);
    std::vector<RangeLock> ranges_;
    std::vector<Whole> wholes_;
    static inline Waiting* waiting_ = nullptr;
};

}  // namespace pith::lx
