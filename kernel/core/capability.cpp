// SPDX-License-Identifier: MIT
// The derivation tree. Each function takes the object's caps_lock once and leaves a proper tree; what could
// take long is a step, repeated by callers that have preemption points.
#include "kernel/core/capability.hpp"

#include "kernel/core/captable.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {

namespace {
SpinLock<Rank::binding> binding_lock;
}  // namespace

Result<> refer(Reference& reference, Object& target, Object& owner, Reference::Kind kind) {
    Guard guard(target.caps_lock);
    if (target.dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    reference.target = &target;
    reference.owner = &owner;
    reference.kind = kind;
    target.users.push_back(reference);
    return {};
}

void rebind(Reference& reference, Object* target, Object& owner, Reference::Kind kind) {
    Guard one_at_a_time(binding_lock);
    if (Object* before = reference.target; before != nullptr) {
        Guard guard(before->caps_lock);
        // It is still named, and stays in place until this CPU leaves the kernel.
        if (reference.target == before) List<Reference, &Reference::link>::remove(reference);
    }
    if (target == nullptr || !refer(reference, *target, owner, kind).ok()) reference.target = nullptr;
}

bool unrefer(Reference& reference) {
    Object* target = reference.target;
    if (target == nullptr) return false;
    Guard guard(target->caps_lock);
    if (reference.target == nullptr) return false;
    List<Reference, &Reference::link>::remove(reference);
    reference.target = nullptr;
    return true;
}

namespace capability {
namespace {

constexpr u64 kGenerationStep = u64{1} << 48;
constexpr u32 kMaxMovedChildren = 64;  // each has to learn its new parent in one step
constexpr u32 kMaxDescent = 32;        // levels of the tree in one step
constexpr u64 kAddressMask = 0x0000'ffff'ffff'ffc0;

void link(Slot& slot, Slot* parent, Slot*& head) {
    slot.parent = parent;
    slot.child = nullptr;
    slot.previous = nullptr;
    slot.next = head;
    if (head != nullptr) head->previous = &slot;
    head = &slot;
}

Slot*& head_of(Object& object, Slot* parent) REQUIRES(object.caps_lock) {
    return parent != nullptr ? parent->child : object.capabilities;
}

void unlink(Object& object, Slot& slot) REQUIRES(object.caps_lock) {
    if (slot.previous != nullptr) {
        slot.previous->next = slot.next;
    } else {
        head_of(object, slot.parent) = slot.next;
    }
    if (slot.next != nullptr) slot.next->previous = slot.previous;
    slot.parent = slot.child = slot.next = slot.previous = nullptr;
}

/// A Reply knows the one slot that names it.
void note_reply_slot(const Object& object, Slot* slot) {
    if (object.type != ObjectType::reply) return;
    if (Thread* caller = static_cast<const Reply&>(object).caller; caller != nullptr)
        caller->reply_slot = slot;
}

void publish(Slot& slot, const Object& object, RightsBits rights, u64 badge) {
    // The generation changes at each use of a slot (it stays in the badge field while the slot is empty), so
    // that a reader that sees the same word twice has seen the badge that belongs to it.
    const u64 generation = slot.badge.load(std::memory_order_relaxed) & ~(kGenerationStep - 1);
    const u64 word = (generation + kGenerationStep) | (reinterpret_cast<u64>(&object) & kAddressMask) |
                     rights;
    slot.badge.store(badge, std::memory_order_relaxed);
    slot.word.store(word, std::memory_order_release);
    note_reply_slot(object, &slot);
    this_cpu().capability_count++;
}

void clear(Slot& slot) {
    const u64 generation = slot.word.load(std::memory_order_relaxed) & ~(kGenerationStep - 1);
    slot.word.store(0, std::memory_order_release);
    slot.badge.store(generation, std::memory_order_release);
    this_cpu().capability_count--;
}

/// Whether the slot still holds that. Certain under the object's caps_lock only.
bool unchanged(const Capability& which) {
    return which.slot->word.load(std::memory_order_relaxed) == which.word;
}

/// Empties a leaf slot.
void drop(Object& object, Slot& slot) REQUIRES(object.caps_lock) {
    unlink(object, slot);
    note_reply_slot(object, nullptr);
    clear(slot);
}

/// The first child comes to stand beside its parent.
void raise_child(Object& object, Slot& slot) REQUIRES(object.caps_lock) {
    Slot& child = *slot.child;
    Slot* grandchildren = child.child;
    unlink(object, child);
    link(child, slot.parent, head_of(object, slot.parent));
    child.child = grandchildren;
}

/// Takes the deepest first descendant of `top`, or of the object's list if it is null, from whoever holds it. What is too
/// deep for one step is raised by a level: all of it is to go anyway.
bool take_leaf(Object& object, Slot* top) REQUIRES(object.caps_lock) {
    Slot* leaf = head_of(object, top);
    if (leaf == nullptr) return false;
    for (u32 level = 0; leaf->child != nullptr && level < kMaxDescent; level++) leaf = leaf->child;
    if (leaf->child != nullptr) raise_child(object, *leaf);
    if (leaf->child != nullptr) return true;
    // Both at once: who finds it empty and gives it up finds it stale.
    CapTable& table = CapTable::table_of(*leaf);
    Guard guard(table.lock);
    drop(object, *leaf);
    table.vacate(*leaf);
    return true;
}

}  // namespace

Result<> insert(Slot& to, Object& object, RightsBits rights, u64 badge) {
    Guard guard(object.caps_lock);
    if (object.dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    link(to, nullptr, object.capabilities);
    publish(to, object, rights, badge);
    return {};
}

Result<> derive(const Capability& from, Slot& to, RightsBits mask, u64 badge) {
    Object& object = *from.object();
    Guard guard(object.caps_lock);
    if (!unchanged(from) || object.dying.load(std::memory_order_relaxed)) return Error::bad_handle;
    link(to, from.slot, from.slot->child);
    publish(to, object, static_cast<RightsBits>(from.rights() & mask), badge);
    return {};
}

Result<> move(const Capability& from, Slot& to, RightsBits mask) {
    Object& object = *from.object();
    Guard guard(object.caps_lock);
    if (!unchanged(from)) return Error::bad_handle;
    Slot& old = *from.slot;
    u32 children = 0;
    for (Slot* child = old.child; child != nullptr; child = child->next) {
        if (++children > kMaxMovedChildren) return Error::busy;
    }
    to.parent = old.parent;
    to.child = old.child;
    to.next = old.next;
    to.previous = old.previous;
    if (old.previous != nullptr) {
        old.previous->next = &to;
    } else {
        head_of(object, old.parent) = &to;
    }
    if (old.next != nullptr) old.next->previous = &to;
    for (Slot* child = old.child; child != nullptr; child = child->next) child->parent = &to;
    old.parent = old.child = old.next = old.previous = nullptr;
    const u64 badge = from.badge;
    clear(old);
    publish(to, object, static_cast<RightsBits>(from.rights() & mask), badge);
    return {};
}

Removal remove_step(const Capability& which) {
    Object& object = *which.object();
    Guard guard(object.caps_lock);
    if (!unchanged(which)) return Removal::changed;
    Slot& slot = *which.slot;
    if (slot.child == nullptr) {
        drop(object, slot);
        return Removal::done;
    }
    raise_child(object, slot);
    return Removal::more;
}

bool revoke_step(const Capability& which) {
    Object& object = *which.object();
    Guard guard(object.caps_lock);
    return unchanged(which) && take_leaf(object, which.slot);
}

bool sever_step(Object& object) {
    Guard guard(object.caps_lock);
    return take_leaf(object, nullptr);
}

void consume(const Capability& which) {
    Guard guard(which.object()->caps_lock);
    if (unchanged(which)) CapTable::consume(*which.slot);
}

}  // namespace capability

}  // namespace pith::core
