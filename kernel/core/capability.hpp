// SPDX-License-Identifier: MIT
// Capabilities: the slots of CapTables, linked in a derivation tree for each object.
//
// `word` is generation << 48 | address of the object, less its sign | rights; 0: empty. Reading a slot takes no
// lock: word, badge, word again. Writing one sets word to 0, then the badge, then the new word, under the
// object's caps_lock (rank 30), which also guards the links. Rights are masked on the way and never widened
// (I5).
#pragma once

#include <atomic>

#include "arch/paging.hpp"
#include "kernel/core/object.hpp"
#include "lib/base/result.hpp"

namespace pith::core {

class CapTable;
using abi::HandleIndex;
using abi::RightsBits;

struct alignas(64) Slot {
    std::atomic<u64> word{0};
    std::atomic<u64> badge{0};
    Slot* parent = nullptr;
    Slot* child = nullptr;  ///< first
    Slot* next = nullptr;   ///< siblings
    Slot* previous = nullptr;
    u64 page_data[2] = {};  ///< of slots 0 to 2 of a page: what CapTable keeps for the page
};
static_assert(sizeof(Slot) == 64);

/// What a slot held at one moment. Without initial values: it is filled in at once.
struct Capability {
    u64 word;
    u64 badge;
    Slot* slot;

    Object* object() const {
        return reinterpret_cast<Object*>(static_cast<i64>(word << 16) >> 16 & ~i64{0x3f});
    }
    RightsBits rights() const { return static_cast<RightsBits>(word & abi::kAllRights); }
    bool allows(RightsBits right) const { return (word & right) == right; }
};

/// A consistent copy of a slot.
inline Capability read_slot(Slot& slot) {
    for (;;) {
        const u64 word = slot.word.load(std::memory_order_acquire);
        const u64 badge = slot.badge.load(std::memory_order_acquire);
        if (slot.word.load(std::memory_order_relaxed) == word) return {word, badge, &slot};
    }
}

namespace capability {

/// Fills a reserved slot with a capability derived from none. bad_handle: the object is dying.
Result<> insert(Slot& to, Object& object, RightsBits rights, u64 badge);
/// Fills a reserved slot with a child of `from`. bad_handle: `from` has changed, or its object is dying.
Result<> derive(const Capability& from, Slot& to, RightsBits mask, u64 badge);
/// Moves to a reserved slot; same place in the tree; `from`'s slot is then empty, but still reserved. `mask`
/// drops rights. busy: more was derived from it than one step can move.
Result<> move(const Capability& from, Slot& to, RightsBits mask);
/// How far a step of deleting has come. done: the slot is empty, and who took the step frees it. changed: the
/// slot did not hold that capability any more.
enum class Removal : u8 { more, done, changed };
/// One bounded step of deleting.
Removal remove_step(const Capability& which);
/// Takes away one leaf of what was derived from `which`; its slot is stale then. false: there is none left.
bool revoke_step(const Capability& which);
/// Takes away one capability to the object, a leaf first; its slot is stale then, or free if it was consumed.
/// false: none is left. For destruction.
bool sever_step(Object& object);
/// The capability's owner has given its slot up: it is free as soon as the capability is taken away.
void consume(const Capability& which);

}  // namespace capability

}  // namespace pith::core
