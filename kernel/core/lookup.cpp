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

namespace {

/// Why a look-up has failed.
[[gnu::cold, gnu::noinline]] Error reason(u64 word, Sought sought) {
    if (word == 0) return Error::bad_handle;
    const Object& object = *Capability{word, 0, nullptr}.object();
    if (!alive(object)) return Error::bad_handle;
    return object.type != sought.type ? Error::wrong_type : Error::no_right;
}

/// Whether the object that a slot's word names is what is sought.
[[gnu::always_inline]] inline bool suits(u64 word, Sought sought) {
    if (word == 0 || (~word & sought.rights) != 0) return false;
    const Object& object = *Capability{word, 0, nullptr}.object();
    return live_as(object, sought.type) && live_as(*object.pool, ObjectType::pool);
}

}  // namespace

Result<Object*> look_up(const Thread& thread, HandleIndex handle, Sought sought) {
    PITH_ASSERT(thread.captable != nullptr);           // it makes native system calls
    const Slot* slot = thread.captable->slot(handle);  // that of kNoHandle is always empty
    const u64 word = slot != nullptr ? slot->word.load(std::memory_order_acquire) : 0;
    if (!suits(word, sought)) [[unlikely]]
        return reason(word, sought);
    return Capability{word, 0, nullptr}.object();
}

Result<Object*> look_up(const Thread& thread, HandleIndex handle, Sought sought, Capability& found) {
    Slot* slot = thread.captable->slot(handle);
    if (slot == nullptr) return Error::bad_handle;
    const Capability read = read_slot(*slot);
    if (!suits(read.word, sought)) [[unlikely]]
        return reason(read.word, sought);
    found = read;
    return read.object();
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
