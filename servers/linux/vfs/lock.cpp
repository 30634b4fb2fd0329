// SPDX-License-Identifier: MIT
// File locks.
#include "servers/linux/vfs/lock.hpp"

#include <algorithm>

namespace pith::lx {

const RangeLock* LockList::conflict(const RangeLock& wanted) const {
    for (const RangeLock& lock : ranges_) {
        if (lock.owner != wanted.owner && lock.start <= wanted.last && wanted.start <= lock.last &&
            (lock.exclusive || wanted.exclusive)) {
            return &lock;
        }
    }
    return nullptr;
}

void LockList::cut(const void* owner, i64 start, i64 last) {
    std::vector<RangeLock> kept;
    for (const RangeLock& lock : ranges_) {
        if (lock.owner != owner || lock.last < start || last < lock.start) {
            kept.push_back(lock);
            continue;
        }
        if (lock.start < start) {
            kept.push_back(lock);
            kept.back().last = start - 1;
        }
        if (lock.last > last) {
            kept.push_back(lock);
            kept.back().start = last + 1;
        }
    }
    ranges_ = std::move(kept);
}

void LockList::set(const RangeLock& lock) {
    cut(lock.owner, lock.start, lock.last);
    RangeLock merged = lock;
    std::erase_if(ranges_, [&](const RangeLock& other) {
        if (other.owner != merged.owner || other.exclusive != merged.exclusive) return false;
        const bool before = other.last != kLockEnd && other.last + 1 == merged.start;
        const bool after = merged.last != kLockEnd && merged.last + 1 == other.start;
        if (before) merged.start = other.start;
        if (after) merged.last = other.last;
        return before || after;
    });
    const auto place = std::find_if(ranges_.begin(), ranges_.end(),
                                    [&](const RangeLock& other) { return other.start > merged.start; });
    ranges_.insert(place, merged);
    changed.wake_all();
}

void LockList::clear(const void* owner, i64 start, i64 last) {
    cut(owner, start, last);
    changed.wake_all();
}

bool LockList::lock_whole(const File& file, bool exclusive) {
    for (const Whole& whole : wholes_) {
        if (whole.file != &file && (whole.exclusive || exclusive)) return false;
    }
    std::erase_if(wholes_, [&](const Whole& whole) { return whole.file == &file; });
    wholes_.push_back({&file, exclusive});
    changed.wake_all();
    return true;
}

void LockList::unlock_whole(const File& file) {
    if (std::erase_if(wholes_, [&](const Whole& whole) { return whole.file == &file; }) != 0)
        changed.wake_all();
}

void LockList::release_owner(const void* owner) {
    if (std::erase_if(ranges_, [&](const RangeLock& lock) { return lock.owner == owner; }) != 0)
        changed.wake_all();
}

void LockList::release_description(const File& file) {
    release_owner(&file);
    unlock_whole(file);
}

LockList::Waiting::Waiting(const void* waiter, const void* blocker)
    : waiter_(waiter), blocker_(blocker), next_(waiting_) {
    waiting_ = this;
}

LockList::Waiting::~Waiting() {
    Waiting** link = &waiting_;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
}

bool LockList::deadlock(const void* owner, const void* blocker) {
    // A chain longer than this is not followed, as Linux does it.
    for (u32 steps = 0; steps < 10 && blocker != nullptr; ++steps) {
        if (blocker == owner) return true;
        const Waiting* next = waiting_;
        while (next != nullptr && next->waiter_ != blocker) next = next->next_;
        blocker = next != nullptr ? next->blocker_ : nullptr;
    }
    return false;
}

}  // namespace pith::lx
