// SPDX-License-Identifier: MIT
// Reply capabilities. `Thread::reply_slot` is guarded by the Reply's caps_lock.
#include "kernel/core/reply.hpp"

#include "kernel/core/captable.hpp"
#include "kernel/core/ipc.hpp"

namespace pith::core {

Reply* dead_reply = nullptr;

using capability::Removal;

Removal delete_step(const Capability& which) {
    Object& object = *which.object();
    Thread* caller = object.type == ObjectType::reply ? static_cast<Reply&>(object).caller : nullptr;
    const u32 call_number = caller != nullptr ? caller->call_number : 0;
    const Removal removal = capability::remove_step(which);
    if (removal != Removal::done) return removal;
    CapTable::release(*which.slot);
    if (caller != nullptr) abandon_call(*caller, call_number);
    return removal;
}

Slot* detach_reply(Thread& caller) {
    Capability held;
    {
        Guard guard(caller.reply.caps_lock);
        if (caller.reply_slot == nullptr) return nullptr;
        held = read_slot(*caller.reply_slot);
    }
    return held.word != 0 && capability::remove_step(held) == Removal::done ? held.slot : nullptr;
}

void cut_reply(Thread& caller) {
    Slot* slot = detach_reply(caller);
    if (slot == nullptr) return;
    if (!capability::insert(*slot, *dead_reply, static_cast<RightsBits>(abi::ReplyRight::reply), 0).ok())
        CapTable::release(*slot);
}

}  // namespace pith::core
