// SPDX-License-Identifier: MIT
// From a number to an object: the only way (I5). Checks slot, dying, type and right in one call. The object
// stays in place until this CPU leaves the kernel; after a preemption point a handler that restarts looks up
// anew.
#pragma once

#include "kernel/core/captable.hpp"
#include "kernel/core/thread.hpp"

namespace pith::core {

inline bool alive(const Object& object) {
    return !object.dying.load(std::memory_order_acquire) &&
           !object.pool->dying.load(std::memory_order_acquire);
}

/// Any capability of a table (null: of none). bad_handle.
Result<Capability> lookup_in(CapTable* table, HandleIndex handle);

inline Result<Capability> lookup_any(Thread& thread, HandleIndex handle) {
    return lookup_in(thread.captable, handle);
}

/// What a capability has to be.
struct Sought {
    ObjectType type;
    RightsBits rights;
};
/// The object of a thread's capability; `found`: the capability. bad_handle, wrong_type, no_right.
Result<Object*> look_up(const Thread& thread, HandleIndex handle, Sought sought);
Result<Object*> look_up(const Thread& thread, HandleIndex handle, Sought sought, Capability& found);

template <typename T>
Result<T*> as(Result<Object*> object) {
    if (!object.ok()) return object.error();
    return static_cast<T*>(*object);
}

/// A T for which the thread has a capability with the right (an enumerator of the type's own rights).
template <typename T, typename Right>
Result<T*> lookup(const Thread& thread, HandleIndex handle, Right right) {
    return as<T>(look_up(thread, handle, {T::kType, static_cast<RightsBits>(right)}));
}
/// The same, and the capability.
template <typename T, typename Right>
Result<T*> lookup(const Thread& thread, HandleIndex handle, Right right, Capability& found) {
    return as<T>(look_up(thread, handle, {T::kType, static_cast<RightsBits>(right)}, found));
}

}  // namespace pith::core
