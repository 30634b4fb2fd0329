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
    Capability capability;  ///< its badge: of Endpoints only
    T* operator->() const { return object; }
    T& operator*() const { return *object; }
};

inline bool alive(const Object& object) {
    return !object.dying.load(std::memory_order_acquire) &&
           !object.pool->dying.load(std::memory_order_acquire);
}

/// Any capability of a table. bad_handle.
inline Result<Capability> lookup_in(CapTable* table, HandleIndex handle) {
    if (table == nullptr) [[unlikely]]
        return Error::bad_handle;
    Slot* slot = table->slot(handle);  // that of kNoHandle is always empty
    if (slot == nullptr) [[unlikely]]
        return Error::bad_handle;
    const Capability found = read_slot(*slot);
    if (found.word == 0 || !alive(*found.object())) [[unlikely]]
        return Error::bad_handle;
    return found;
}

inline Result<Capability> lookup_any(Thread& thread, HandleIndex handle) {
    return lookup_in(thread.captable, handle);
}

/// A capability for a T with the right (an enumerator of the type's own rights). For a thread that makes system calls,
/// and so has a CapTable.
template <typename T, typename Right>
Result<Found<T>> lookup(Thread& thread, HandleIndex handle, Right right) {
    PITH_ASSERT(thread.captable != nullptr);
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) [[unlikely]]
        return Error::bad_handle;
    Capability found{slot->word.load(std::memory_order_acquire), 0, slot};
    if constexpr (T::kType == ObjectType::endpoint) found = read_slot(*slot);
    if (found.word == 0) [[unlikely]]
        return Error::bad_handle;
    Object* object = found.object();
    if (!live_as(*object, T::kType) || !live_as(*object->pool, ObjectType::pool)) [[unlikely]]
        return alive(*object) ? Error::wrong_type : Error::bad_handle;
    if (!found.allows(static_cast<RightsBits>(right))) [[unlikely]]
        return Error::no_right;
    return Found<T>{static_cast<T*>(object), found};
}

}  // namespace pith::core
