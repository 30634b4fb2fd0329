// SPDX-License-Identifier: MIT
// Capabilities: slots, rights, badges, and the tree of what was derived from what (I5).
#include "tests/host/spec/system.hpp"

namespace pith::spec {

const Capability* System::find(Id thread, HandleIndex handle) const {
    Id table = as<Thread>(thread).captable;
    if (table == kNone) return nullptr;
    const auto& slots = as<CapTable>(table).slots;
    auto slot = slots.find(handle);
    return slot == slots.end() ? nullptr : &capabilities.at(slot->second);
}

Id System::id_of(Id thread, HandleIndex handle) const {
    return as<CapTable>(as<Thread>(thread).captable).slots.at(handle);
}

/// The only way from a number to an object: the slot holds a capability to an object of this type (none: any) with
/// this right (0: none is needed).
const Capability* System::lookup(Id thread, HandleIndex handle, ObjectType type, RightsBits right,
                                 Errors& errors) const {
    const Capability* capability = find(thread, handle);
    if (capability == nullptr) {
        errors.insert(Error::bad_handle);
        return nullptr;
    }
    if (type != ObjectType::none && objects.at(capability->object).type != type) {
        errors.insert(Error::wrong_type);
        return nullptr;
    }
    if ((capability->rights & right) != right) {
        errors.insert(Error::no_right);
        return nullptr;
    }
    return capability;
}

std::set<Id> System::children(Id capability) const {
    std::set<Id> result;
    for (const auto& [id, other] : capabilities)
        if (other.parent == capability) result.insert(id);
    return result;
}

/// Puts a capability into a slot of a table; slot 0: where the kernel chooses. False: it must not go there, or the
/// kernel found no room.
bool System::place(Id table, HandleIndex slot, Capability capability, Id parent, HandleIndex& placed) {
    auto& at = as<CapTable>(table);
    if (slot == 0) {
        if (observed_.choose_slot) {
            slot = observed_.choose_slot(table, capability);
        } else {
            for (slot = 1; at.taken(slot);) slot++;
        }
        if (slot == 0) return false;
        if (slot >= abi::kMaxSlots || at.taken(slot)) {
            violation = "the kernel chose a slot that is not free";
            return false;
        }
    }
    capability.table = table;
    capability.slot = slot;
    capability.parent = parent;
    Id id = next_++;
    capabilities[id] = capability;
    at.slots[slot] = id;
    placed = slot;
    return true;
}

/// Deletes one capability; its slot is free. What was derived from it belongs to its parent from then on.
void System::remove(Id id) {
    Capability capability = capabilities.at(id);
    for (Id child : children(id)) capabilities.at(child).parent = capability.parent;
    if (alive(capability.table)) as<CapTable>(capability.table).slots.erase(capability.slot);
    capabilities.erase(id);
    // The last way to answer a caller has gone: it learns of it. A Reply lives as long as its capability.
    if (alive(capability.object) && objects.at(capability.object).type == ObjectType::reply) {
        Id caller = as<Reply>(capability.object).caller;
        objects.erase(capability.object);
        if (caller != kNone && alive(caller)) abandon(caller);
    }
}

/// Deletes a capability that its owner has not asked to delete: the slot stays his.
void System::take_away(Id id) {
    const Capability capability = capabilities.at(id);
    remove(id);
    if (alive(capability.table)) as<CapTable>(capability.table).stale.insert(capability.slot);
}

void System::remove_below(Id id) {
    for (Id child : children(id)) {
        remove_below(child);
        take_away(child);
    }
}

/// The first capability to a new object, with all rights, in a slot that the kernel chooses.
Outcome System::install(Id thread, Id object) {
    HandleIndex slot = 0;
    if (!place(as<Thread>(thread).captable, 0, {.object = object, .rights = abi::kAllRights}, kNone, slot)) {
        objects.erase(object);
        return {.errors = {Error::no_slot, Error::no_memory}};
    }
    return {.r0 = slot};
}

Outcome System::cap_copy(Id thread, const Call& call) {
    Errors errors;
    const Capability* source = lookup(thread, call.handle, ObjectType::none, abi::kRightCopy, errors);
    Id table = as<Thread>(thread).captable;
    if (auto handle = static_cast<HandleIndex>(call.a[0]); handle != abi::kNoHandle) {
        const Capability* target = lookup(thread, handle, ObjectType::captable,
                                          static_cast<RightsBits>(abi::CapTableRight::insert), errors);
        table = target == nullptr ? kNone : target->object;
    }
    auto slot = static_cast<HandleIndex>(call.a[1]);
    if (call.a[1] >= abi::kMaxSlots) errors.insert(Error::invalid);
    if (source != nullptr && call.a[3] != 0) {  // badges: only on Endpoints, by who may mint, and once
        if (objects.at(source->object).type != ObjectType::endpoint) errors.insert(Error::wrong_type);
        else if (!(source->rights & static_cast<RightsBits>(abi::EndpointRight::mint)))
            errors.insert(Error::no_right);
        else if (source->badge != 0) errors.insert(Error::invalid);
    }
    if (call.a[1] < abi::kMaxSlots && table != kNone && slot != 0 && as<CapTable>(table).taken(slot))
        errors.insert(Error::occupied);
    if (!errors.empty()) return {.errors = errors};
    if (observed_.error == Error::no_memory || observed_.error == Error::no_slot)
        return {.errors = {observed_.error}};

    Capability copy{.object = source->object,
                    .rights = static_cast<RightsBits>(source->rights & call.a[2]),
                    .badge = call.a[3] != 0 ? call.a[3] : source->badge};
    HandleIndex placed = 0;
    if (!place(table, slot, copy, id_of(thread, call.handle), placed))
        return {.errors = {Error::no_slot, Error::no_memory}};
    return {.r0 = placed};
}

Outcome System::cap_delete(Id thread, const Call& call) {
    Errors errors;
    Id table = as<Thread>(thread).captable;
    if (auto handle = static_cast<HandleIndex>(call.a[0]); handle != abi::kNoHandle) {
        const Capability* other = lookup(thread, handle, ObjectType::captable,
                                         static_cast<RightsBits>(abi::CapTableRight::take), errors);
        if (other == nullptr) return {.errors = errors};
        table = other->object;
    }
    auto& from = as<CapTable>(table);
    if (from.stale.erase(call.handle) != 0) return {};
    auto slot = from.slots.find(call.handle);
    if (slot == from.slots.end()) return {.errors = {Error::bad_handle}};
    remove(slot->second);
    return {};
}

Outcome System::cap_revoke(Id thread, const Call& call) {
    Errors errors;
    if (lookup(thread, call.handle, ObjectType::none, 0, errors) == nullptr) return {.errors = errors};
    remove_below(id_of(thread, call.handle));
    return {};
}

Outcome System::cap_info(Id thread, const Call& call) {
    Errors errors;
    const Capability* capability = lookup(thread, call.handle, ObjectType::none, 0, errors);
    if (capability == nullptr) return {.errors = errors};
    return {.r0 = static_cast<u64>(objects.at(capability->object).type),
            .r1 = capability->rights,
            .r2 = capability->badge};
}

Outcome System::cap_take(Id thread, const Call& call) {
    Errors errors;
    const Capability* from = lookup(thread, call.handle, ObjectType::captable,
                                    static_cast<RightsBits>(abi::CapTableRight::take), errors);
    if (from == nullptr) return {.errors = errors};
    auto& slots = as<CapTable>(from->object).slots;
    auto source = slots.find(static_cast<HandleIndex>(call.a[0]));
    if (call.a[0] > abi::kMaxSlots || source == slots.end())
        return {.errors = {Error::bad_handle, Error::invalid}};
    Id own = as<Thread>(thread).captable;
    const Capability& capability = capabilities.at(source->second);
    if (call.a[1] >= abi::kMaxSlots) errors.insert(Error::invalid);
    else if (call.a[1] != 0 && as<CapTable>(own).taken(static_cast<HandleIndex>(call.a[1])))
        errors.insert(Error::occupied);
    if (!(capability.rights & abi::kRightCopy)) errors.insert(Error::no_right);
    if (!errors.empty()) return {.errors = errors};
    if (observed_.error == Error::no_memory || observed_.error == Error::no_slot)
        return {.errors = {observed_.error}};
    HandleIndex placed = 0;
    Capability copy{.object = capability.object, .rights = capability.rights, .badge = capability.badge};
    if (!place(own, static_cast<HandleIndex>(call.a[1]), copy, source->second, placed))
        return {.errors = {Error::no_slot, Error::no_memory}};
    return {.r0 = placed};
}

}  // namespace pith::spec
