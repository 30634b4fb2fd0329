// SPDX-License-Identifier: MIT
// From a number to an object: the only way (I5). Checks slot, dying, type and right in one call. The object
// stays in place until this CPU leaves the kernel; after a preemption point a handler that restarts looks up
// anew.
#pragma once

#include "kernel/core/captable.hpp"
#include "kernel/core/thread.hpp"

namespace pith::core {

template <typename T>
struct Found {
    T* object;
    Capability capability;
    T* operator->() const { return object; }
    T& operator*() const { return *object; }
};

inline bool alive(const Object& object) {
    return !object.dying.load(std::memory_order_acquire) &&
           !object.pool->dying.load(std::memory_order_acquire);
}

/// Any capability of a table. bad_handle.
inline Result<Capability> lookup_in(CapTable* table, HandleIndex handle) {
    Slot* slot = table != nullptr && handle != abi::kNoHandle ? table->slot(handle) : nullptr;
    if (slot == nullptr) return Error::bad_handle;
    const Capability found = read_slot(*slot);
    if (found.word == 0 || !alive(*found.object())) return Error::bad_handle;
    return found;
}

inline Result<Capability> lookup_any(Thread& thread, HandleIndex handle) {
    return lookup_in(thread.captable, handle);
}

/// A capability for a T with the right (an enumerator of the type's own rights).
template <typename T, typename Right>
Result<Found<T>> lookup(Thread& thread, HandleIndex handle, Right right) {
    const Capability found = PITH_TRY(lookup_any(thread, handle));
    Object* object = found.object();
    if (object->type != T::kType) return Error::wrong_type;
    if (!found.allows(static_cast<RightsBits>(right))) return Error::no_right;
    return Found<T>{static_cast<T*>(object), found};
}

}  // namespace pith::core
