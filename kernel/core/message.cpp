// SPDX-License-Identifier: MIT
// The transfer of one message: words from Frame to Frame, the rest from buffer to buffer through the kernel's
// mapping, and capabilities. What the sender did wrong fails before anything is changed; what the receiver
// lacks (slots) too. An answer is given all the same, as no_slot and nothing else: what it was to move has left its sender.
#include <string.h>

#include <algorithm>

#include "kernel/core/captable.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {
namespace {

struct Passenger {
    Capability capability;
    RightsBits mask = 0;
    bool move = false;
    HandleIndex slot = abi::kNoHandle;
};

/// Reads the sender's list: each must be valid, and may be copied or moved.
Error check_passengers(Thread& from, std::span<Passenger> passengers) {
    for (usize i = 0; i < passengers.size(); i++) {
        const abi::MessageHandle wanted = from.buffer->handles[i];
        Passenger& passenger = passengers[i];
        passenger.mask = wanted.rights;
        passenger.move = (wanted.flags & abi::kHandleMove) != 0;
        auto found = lookup_any(from, wanted.handle);
        if (!found.ok()) return found.error();
        passenger.capability = *found;
        if (passenger.capability.object()->type == ObjectType::reply) {
            if (!passenger.move) return Error::no_right;
            passenger.mask = abi::kAllRights;
        } else if (!passenger.capability.allows(abi::kRightCopy)) {
            return Error::no_right;
        }
        for (usize j = 0; j < i; j++) {
            const bool same = passengers[j].capability.slot == passenger.capability.slot;
            if (same && (passengers[j].move || passenger.move)) return Error::invalid;
        }
    }
    return Error::ok;
}

void release_slots(Thread& to, std::span<Passenger> passengers) {
    for (Passenger& passenger : passengers) {
        if (passenger.slot != abi::kNoHandle) CapTable::release(*to.captable->slot(passenger.slot));
        passenger.slot = abi::kNoHandle;
    }
}

Error reserve_slots(Thread& to, std::span<Passenger> passengers) {
    if (to.captable == nullptr) return Error::no_slot;
    for (Passenger& passenger : passengers) {
        auto slot = to.captable->reserve(abi::kNoHandle);
        if (!slot.ok()) {
            release_slots(to, passengers);
            return Error::no_slot;
        }
        passenger.slot = *slot;
    }
    return Error::ok;
}

/// One capability goes over; an object that began to die meanwhile arrives as no handle.
void hand_over(Thread& to, Passenger& passenger, abi::MessageHandle& result) {
    Slot& slot = *to.captable->slot(passenger.slot);
    const Result<> done = passenger.move ? capability::move(passenger.capability, slot, passenger.mask)
                                         : capability::derive(passenger.capability, slot, passenger.mask,
                                                              passenger.capability.badge);
    if (!done.ok()) {
        CapTable::release(slot);
        return;
    }
    if (passenger.move) CapTable::release(*passenger.capability.slot);
    result.handle = passenger.slot;
    result.rights = static_cast<RightsBits>(passenger.capability.rights() & passenger.mask);
    result.flags = passenger.move ? abi::kHandleMove : u8{0};
}

}  // namespace

Error check_message(Thread& from) {
    const abi::Tag tag(from.frame.tag());
    if (tag.buffer_words() > abi::kBufferWords || tag.handles() > abi::kMessageHandles) return Error::invalid;
    Passenger passengers[abi::kMessageHandles];
    return check_passengers(from, {passengers, tag.handles()});
}

Error transfer_locked(Thread& from, Thread& to, u64 badge, Error& receiver_error) {
    receiver_error = Error::ok;
    const abi::Tag tag(from.frame.tag() & ~abi::kTagKernel);
    const u32 words = tag.buffer_words();
    const u32 handles = tag.handles();
    if ((words | handles) == 0) {
        from.frame.copy_words_to(to.frame);
        to.frame.set_badge(badge);
        to.frame.set_tag(tag.bits());
        to.frame.set_error(Error::ok);
        return Error::ok;
    }
    if (words > abi::kBufferWords || handles > abi::kMessageHandles) return Error::invalid;
    Passenger passengers[abi::kMessageHandles];
    const std::span<Passenger> used(passengers, handles);
    if (handles != 0) {
        if (Error error = check_passengers(from, used); error != Error::ok) return error;
        receiver_error = reserve_slots(to, used);
        if (receiver_error != Error::ok) return Error::ok;
    }
    from.frame.copy_words_to(to.frame);
    to.frame.set_badge(badge);
    if (words != 0) memcpy(to.buffer->words, from.buffer->words, words * sizeof(u64));
    for (u32 i = 0; i < handles; i++) {
        abi::MessageHandle result{};
        result.rights = 0;
        hand_over(to, passengers[i], result);
        to.buffer->handles[i] = result;
    }
    to.frame.set_tag(tag.bits());
    to.frame.set_error(Error::ok);
    return Error::ok;
}

void drop_moved(Thread& from) {
    constexpr u32 kSteps = 65;  // what has more children than those does not move, nor go
    const u32 handles = abi::Tag(from.frame.tag()).handles();
    for (u32 i = 0; i < handles; i++) {
        const abi::MessageHandle sent = from.buffer->handles[i];
        if ((sent.flags & abi::kHandleMove) == 0) continue;
        auto found = lookup_any(from, sent.handle);
        if (!found.ok()) continue;
        for (u32 step = 0; step < kSteps && delete_step(*found) == capability::Removal::more; step++) {}
    }
}

}  // namespace pith::core
