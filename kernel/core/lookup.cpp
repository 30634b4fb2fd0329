// SPDX-License-Identifier: MIT
// Look-ups: one function for objects of all types, since every system call begins with one.
#include "kernel/core/lookup.hpp"

#include "kernel/core/call.hpp"

namespace pith::core {

Result<Capability> lookup_in(CapTable* table, HandleIndex handle) {
    Slot* slot = table != nullptr ? table->slot(handle) : nullptr;
    if (slot == nullptr) return Error::bad_handle;
    const Capability found = read_slot(*slot);
    if (found.word == 0 || !alive(*found.object())) return Error::bad_handle;
    return found;
}

Result<Object*> look_up(Thread& thread, HandleIndex handle, Sought sought, Capability& found) {
    PITH_ASSERT(thread.captable != nullptr);     // it makes native system calls
    Slot* slot = thread.captable->slot(handle);  // that of kNoHandle is always empty
    if (slot == nullptr) [[unlikely]]
        return Error::bad_handle;
    found = read_slot(*slot);
    if (found.word == 0) [[unlikely]]
        return Error::bad_handle;
    Object* object = found.object();
    if (!live_as(*object, sought.type) || !live_as(*object->pool, ObjectType::pool)) [[unlikely]]
        return alive(*object) ? Error::wrong_type : Error::bad_handle;
    if (!found.allows(sought.rights)) [[unlikely]]
        return Error::no_right;
    return object;
}

Result<Object*> look_up(Thread& thread, HandleIndex handle, Sought sought) {
    Capability found;
    return look_up(thread, handle, sought, found);
}

Result<Object*> Call::invoked(Sought sought) { return look_up(thread, frame.handle(), sought); }

Result<Object*> Call::named(unsigned i, Sought sought) { return look_up(thread, handle_argument(i), sought); }

Error Call::reserve() { return slot_ != nullptr ? Error::ok : reserve(thread.captable, abi::kNoHandle); }

Error Call::reserve(CapTable* table, HandleIndex wanted) {
    if (table == nullptr) return Error::bad_handle;
    auto index = table->reserve(wanted);
    if (index.ok()) slot_ = table->slot(*index);
    return index.error();
}

Error Call::fill(Object& object, RightsBits rights) {
    const Error error = capability::insert(*slot_, object, rights, 0).error();
    if (error == Error::ok) filled();
    return error;
}

void Call::filled() {
    r0 = CapTable::index_of(*slot_);
    slot_ = nullptr;
}

}  // namespace pith::core
