// SPDX-License-Identifier: MIT
// Object: the head of everything a capability can name. Objects live in slabs of a Pool, 64-byte aligned, and
// are in their Pool's list from creation to release.
//
// `dying` is set once, first thing in destruction (destroy.cpp); look-ups fail from then on. `caps_lock`
// (rank 30) guards the derivation tree and the list of References to the object, which destruction severs.
#pragma once

#include <stddef.h>

#include <atomic>
#include <bit>

#include "abi/types.hpp"
#include "kernel/core/spinlock.hpp"
#include "lib/base/list.hpp"
#include "lib/base/result.hpp"

namespace pith::core {

using abi::ObjectType;
class Pool;
struct Slot;
struct Object;
struct Thread;

/// A pointer from one object to another that destruction of either must clear. The target lists it.
struct Reference {
    enum class Kind : u8 { space, captable, handler, buffer, budget, binding, delivery, ports };
    ListLink link;             ///< in target->users, under target->caps_lock
    Object* target = nullptr;  ///< set while it is in that list
    Object* owner = nullptr;
    Kind kind = Kind::space;
};

/// How far destruction has come.
enum class Phase : u8 { live, closing, marking, settling, severing, fencing, releasing };

struct alignas(64) Object {
    explicit Object(ObjectType object_type) : type(object_type) {}
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    const ObjectType type;
    std::atomic<bool> dying{false};
    Phase phase = Phase::live;  ///< written by the one thread that destroys it
    SpinLock<Rank::capabilities> caps_lock;
    Pool* pool = nullptr;                                ///< whose memory it is; set by the Pool
    ListLink pool_link;                                  ///< in one of the Pool's lists, under its lock
    Slot* capabilities GUARDED_BY(caps_lock) = nullptr;  ///< first of those derived from none
    List<Reference, &Reference::link> users GUARDED_BY(caps_lock);
    Thread* worker = nullptr;  ///< who destroys it; under the lock of `pool`

    /// As it is at the moment, without the lock.
    bool has_capabilities() const NO_THREAD_SAFETY_ANALYSIS {
        return __atomic_load_n(&capabilities, __ATOMIC_RELAXED) != nullptr;
    }
    bool has_users() const NO_THREAD_SAFETY_ANALYSIS { return !users.empty(); }
};

/// Whether the object is of this type and not dying itself: one comparison.
[[gnu::always_inline]] inline bool live_as(const Object& object, ObjectType type) {
    static_assert(offsetof(Object, type) == 0 && offsetof(Object, dying) == 1);
    static_assert(std::endian::native == std::endian::little);
    using Both [[gnu::may_alias]] = u16;
    return __atomic_load_n(reinterpret_cast<const Both*>(&object), __ATOMIC_ACQUIRE) ==
           static_cast<u16>(type);
}

/// Puts a Reference in place: bad_handle if the target dies.
Result<> refer(Reference& reference, Object& target, Object& owner, Reference::Kind kind);
/// Puts `target` (null: nothing) in place of what it names; who follows it meanwhile finds one of the two. A target that
/// begins to die now counts as one that dies right after: the Reference names nothing then.
void rebind(Reference& reference, Object* target, Object& owner, Reference::Kind kind);
/// Takes it away, if it is there. False: destruction of the target has taken it already.
bool unrefer(Reference& reference);

}  // namespace pith::core
