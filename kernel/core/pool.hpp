// SPDX-License-Identifier: MIT
// Pool: a quota of pages. Kernel objects live in slabs of whole pages, one list for each size class (64 B to
// a page); page tables, CapTable pages and user frames are whole pages. Everything charges the Pool before it
// takes a frame.
//
// `limit` and `used` are one atomic word, so a charge takes no lock. `lock` (rank 40) guards slabs and object
// lists. A sub-pool's limit counts as used in its parent.
#pragma once

#include <new>

#include "kernel/core/frames.hpp"
#include "kernel/core/object.hpp"
#include "lib/base/result.hpp"

namespace pith::core {

class Pool : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::pool;
    static constexpr u32 kMaxPages = 0xffff'ffff;

    Pool(Pool* parent_pool, u32 limit) : Object(kType), parent(parent_pool), pages_(u64{limit} << 32) {}

    /// A Pool in this one with `limit` pages of this one's. no_memory.
    Result<Pool*> create_pool(u64 limit);

    /// Takes pages from the quota, or no_memory.
    Result<> charge(u64 pages);
    void uncharge(u64 pages);
    u32 limit() const { return static_cast<u32>(pages_.load(std::memory_order_relaxed) >> 32); }
    u32 used() const { return static_cast<u32>(pages_.load(std::memory_order_relaxed)); }
    u32 peak() const { return peak_.load(std::memory_order_relaxed); }
    u64 object_count() const { return object_count_.load(std::memory_order_relaxed); }
    /// A new limit, at least what is used; the difference is the parent's. no_memory; busy: more is in use.
    Result<> resize(u64 limit);

    /// A charged frame of zeros; its physical address.
    Result<u64> allocate_page(FrameKind kind, void* owner, u32 index = 0);
    /// Gives back what allocate_page gave.
    void release_page(u64 physical);

    /// Memory for a kernel structure of up to a page. It holds anything: the constructor sets all fields.
    Result<void*> allocate_bytes(usize size);
    void release_bytes(void* memory, usize size);

    /// Makes an object in this Pool and lists it. Whoever called makes a capability to it at once, or
    /// withdraws it.
    template <typename T, typename... Arguments>
    Result<T*> create(Arguments&&... arguments) {
        void* memory = PITH_TRY(allocate_bytes(sizeof(T)));
        T* object = ::new (memory) T(static_cast<Arguments&&>(arguments)...);
        if (!adopt_object(*object, sizeof(T))) return Error::bad_handle;
        return object;
    }
    /// A sub-pool that is about to be freed gives its limit back.
    void close_pool(Pool& child);
    /// Unlists an object and frees its memory.
    void free_object(Object& object, usize size);

    Pool* const parent;
    ListLink sibling_link;  ///< in parent->children, under its lock
    SpinLock<Rank::pool> lock;
    using ObjectList = List<Object, &Object::pool_link>;
    ObjectList objects GUARDED_BY(lock);
    ObjectList unfinished GUARDED_BY(lock);  ///< dying ones
    ObjectList severed GUARDED_BY(lock);     ///< dying ones that nothing refers to any more
    List<Pool, &Pool::sibling_link> children GUARDED_BY(lock);  ///< sub-pools

  private:
    static constexpr u32 kClasses = 7;
    /// Lists it. False: the Pool dies, and the object's memory has been given back.
    bool adopt_object(Object& object, usize size);
    void count_objects_locked(const Object& object, i64 change) REQUIRES(lock);
    void release_locked(void* memory, usize size) REQUIRES(lock);

    std::atomic<u64> pages_;  // limit << 32 | used
    std::atomic<u32> peak_{0};
    std::atomic<u64> object_count_{0};
    u32 slabs_[kClasses] GUARDED_BY(lock) = {};  // frame numbers of slabs with room
};

/// Live objects by type.
void count_object(ObjectType type, i64 change);

}  // namespace pith::core
