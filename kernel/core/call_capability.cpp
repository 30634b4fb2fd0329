// SPDX-License-Identifier: MIT
// System calls on capabilities themselves.
#include "kernel/core/call.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {

namespace {

using abi::Syscall;
using capability::Removal;

/// The table that an argument names: kNoHandle is the thread's own.
Result<CapTable*> table_argument(Call& call, HandleIndex handle, abi::CapTableRight right) {
    if (handle == abi::kNoHandle) {
        if (call.thread.captable == nullptr) return Error::bad_handle;
        return call.thread.captable;
    }
    return lookup<CapTable>(call.thread, handle, right);
}

Error derive(Call& call, const Capability& from, RightsBits mask, u64 badge) {
    PITH_PASS(capability::derive(from, call.slot(), mask, badge).error());
    call.filled();
    return Error::ok;
}

Handler copy, remove, revoke, info, take;

Error copy(Call& call) {
    const Capability from = PITH_CALL(lookup_any(call.thread, call.handle()));
    if (!from.allows(abi::kRightCopy)) return Error::no_right;
    CapTable* table = PITH_CALL(table_argument(call, call.handle_argument(0), abi::CapTableRight::insert));
    const u64 badge = call.argument(3);
    if (badge != 0) {
        if (from.object()->type != ObjectType::endpoint) return Error::wrong_type;
        if (!from.allows(static_cast<RightsBits>(abi::EndpointRight::mint))) return Error::no_right;
        if (from.badge != 0) return Error::invalid;
    }
    PITH_PASS(call.reserve(table, call.handle_argument(1)));
    const auto mask = static_cast<RightsBits>(call.argument(2));
    return derive(call, from, mask, badge != 0 ? badge : from.badge);
}

Error remove(Call& call) {
    CapTable* table = PITH_CALL(table_argument(call, call.handle_argument(0), abi::CapTableRight::take));
    Slot* slot = call.handle() != abi::kNoHandle ? table->slot(call.handle()) : nullptr;
    if (slot == nullptr) return Error::bad_handle;
    // The object may be dying; the slot can be emptied all the same.
    const Capability which = read_slot(*slot);
    auto removal = which.word == 0 ? Removal::changed : Removal::more;
    for (u32 steps = 1; removal == Removal::more; steps++) {
        removal = delete_step(which);
        if (removal == Removal::more && steps % 16 == 0 && preempted()) return Error::restart;
    }
    if (removal == Removal::done) return Error::ok;
    // What was taken away before or meanwhile has left a stale slot. (A Reply that is being cut off leaves it empty
    // for an instant.)
    const Error error = CapTable::give_up(*slot);
    return error == Error::bad_handle && call.thread.restarted ? Error::ok : error;
}

Error revoke(Call& call) {
    const Capability which = PITH_CALL(lookup_any(call.thread, call.handle()));
    for (u32 steps = 1; capability::revoke_step(which); steps++) {
        if (steps % 4 == 0 && preempted()) return Error::restart;
    }
    return Error::ok;
}

Error info(Call& call) {
    const Capability which = PITH_CALL(lookup_any(call.thread, call.handle()));
    call.r0 = static_cast<u64>(which.object()->type);
    call.r1 = which.rights();
    call.r2 = which.badge;
    return Error::ok;
}

Error take(Call& call) {
    auto table = PITH_CALL(call.object<CapTable>(abi::CapTableRight::take));
    const Capability from = PITH_CALL(lookup_in(table, call.handle_argument(0)));
    if (!from.allows(abi::kRightCopy)) return Error::no_right;
    PITH_PASS(call.reserve(call.thread.captable, call.handle_argument(1)));
    return derive(call, from, abi::kAllRights, from.badge);
}

}  // namespace

constinit const Handlers capability_calls = {copy, remove, revoke, info, take};

}  // namespace pith::core
